// What can be done about a customer, as far as the token allows: ask, record an outcome, a consent, attributes, an event.
import { create } from "@bufbuild/protobuf";
import { useState } from "preact/hooks";
import { consents, decisions, failure, journeys, type Failure } from "./api";
import { sentence, DecisionView } from "./decision";
import { FactFields, type Given } from "./facts";
import { outcome as outcomeName, said, status as statusName } from "./format";
import { Outcome } from "./gen/tactful/v1/common_pb";
import { ConsentStatus } from "./gen/tactful/v1/consent_pb";
import { DecideRequestSchema, ExplainLevel, type DecideResponse } from "./gen/tactful/v1/decision_pb";
import { link } from "./route";
import { useSession } from "./session";
import { Input, Refused } from "./ui";

interface Props {
  customer: string;
  onRecorded: () => void;
}

export function Record(props: Props) {
  const { may } = useSession();
  if (!(["decide", "consent", "withdraw", "events"] as const).some(may)) return null;
  return (
    <section class="record">
      <h2>Ask and record</h2>
      {may("decide") ? <Ask {...props} /> : null}
      {may("consent") ? <Consent {...props} /> : may("withdraw") ? <Withdraw {...props} /> : null}
      {may("events") ? <Attributes {...props} /> : null}
      {may("events") ? <Event {...props} /> : null}
    </section>
  );
}

/** Runs a call, and says what came of it. */
function useDone(): { run: (call: () => Promise<string>) => void; told: preact.ComponentChildren } {
  const [done, setDone] = useState("");
  const [failed, setFailed] = useState<Failure>();
  const run = (call: () => Promise<string>) => {
    setDone("");
    setFailed(undefined);
    call().then(setDone, (error: unknown) => setFailed(failure(error)));
  };
  const told = failed ? (
    <Refused failed={failed} />
  ) : (
    <p role="status" class="done">
      {done}
    </p>
  );
  return { run, told };
}

function Ask({ customer, onRecorded }: Props) {
  const { rules, may } = useSession();
  const [channel, setChannel] = useState(rules?.channels[0] ?? "");
  const [context, setContext] = useState<Given>({});
  const [answer, setAnswer] = useState<DecideResponse>();
  const { run, told } = useDone();
  const ask = () =>
    run(async () => {
      const request = create(DecideRequestSchema, { customerId: customer, channel: channel || rules?.channels[0] || "", context, explain: ExplainLevel.FULL });
      const decision = await decisions.decide(request);
      setAnswer(decision);
      onRecorded();
      return `Decided: ${said(decision)}`;
    });
  const record = (actionId: string, outcome: Outcome) =>
    run(async () => {
      const decisionId = answer?.decisionId ?? "";
      const { results } = await decisions.recordOutcomes({ outcomes: [{ outcomeId: crypto.randomUUID(), decisionId, customerId: customer, actionId, outcome }] });
      onRecorded();
      const [result] = results;
      return result?.accepted ? `Recorded: ${outcomeName(outcome)}` : `Refused: ${result?.reason ?? ""}`;
    });
  return (
    <details>
      <summary>Ask for the next step</summary>
      <p class="quiet">A step that is decided counts as a contact at once.</p>
      <form
        class="question"
        onSubmit={(event) => {
          event.preventDefault();
          ask();
        }}
      >
        <Input label="Channel" value={channel || rules?.channels[0] || ""} onChange={setChannel} options={rules?.channels} required />
        <FactFields declared={rules?.context} given={context} onChange={setContext} />
        <button type="submit" class="primary">
          Decide
        </button>
      </form>
      {told}
      {answer ? (
        <div class="answer">
          <h3>{sentence(answer, customer, channel || rules?.channels[0] || "")}</h3>
          {answer.decisionId && may("read") ? (
            <p>
              <a href={link("why", answer.decisionId)}>Why?</a>
            </p>
          ) : null}
          {may("outcomes")
            ? answer.actions.map((action) => (
                <div class="inline" key={action.actionId} role="group" aria-label={`Outcome of ${action.actionId}`}>
                  {[Outcome.PRESENTED, Outcome.ACCEPTED, Outcome.REJECTED, Outcome.NOT_NOW, Outcome.COMPLAINED, Outcome.NOT_PRESENTED].map((outcome) => (
                    <button type="button" key={outcome} onClick={() => record(action.actionId, outcome)}>
                      {outcomeName(outcome)}
                    </button>
                  ))}
                </div>
              ))
            : null}
          <DecisionView decision={answer} />
        </div>
      ) : null}
    </details>
  );
}

const CHANGES = [
  ConsentStatus.GIVEN,
  ConsentStatus.WITHDRAWN,
  ConsentStatus.REFUSED,
  ConsentStatus.OBJECTED,
  ConsentStatus.REVOKED,
  ConsentStatus.RESTRICTED,
  ConsentStatus.RESTRICTION_LIFTED,
];

function Consent({ customer, onRecorded }: Props) {
  const { rules } = useSession();
  const [purpose, setPurpose] = useState("");
  const [wanted, setWanted] = useState(statusName(ConsentStatus.GIVEN));
  const [evidence, setEvidence] = useState("");
  const [expression, setExpression] = useState("");
  const { run, told } = useDone();
  const status = CHANGES.find((known) => statusName(known) === wanted) ?? ConsentStatus.GIVEN;
  const every = status === ConsentStatus.RESTRICTED || status === ConsentStatus.RESTRICTION_LIFTED;
  const record = () =>
    run(async () => {
      const changes = [{ purpose: every ? "" : purpose, status, expression }];
      const { results } = await consents.recordConsent({ customerId: customer, changes, source: { evidence }, idempotencyKey: crypto.randomUUID() });
      onRecorded();
      const [result] = results;
      return result?.accepted ? `Recorded: ${wanted}` : `Refused: ${result?.reason.replaceAll("_", " ") ?? ""}`;
    });
  return (
    <details>
      <summary>Record a consent</summary>
      <form
        class="question"
        onSubmit={(event) => {
          event.preventDefault();
          record();
        }}
      >
        <Input label="Change" value={wanted} onChange={setWanted} options={CHANGES.map(statusName)} required />
        {every ? null : <Input label="Purpose" value={purpose} onChange={setPurpose} options={rules?.purposes} />}
        <Input label="Evidence" value={evidence} onChange={setEvidence} hint="such as the number of a form" />
        <Input label="Expressed" value={expression} onChange={setExpression} hint="such as: ticked a box" />
        <button type="submit" class="primary" disabled={!every && !purpose}>
          Record
        </button>
      </form>
      {told}
    </details>
  );
}

function Withdraw({ customer, onRecorded }: Props) {
  const { rules } = useSession();
  const [purpose, setPurpose] = useState("");
  const { run, told } = useDone();
  const record = () =>
    run(async () => {
      const { results } = await consents.withdrawConsent({ customerId: customer, purposes: purpose ? [purpose] : [] });
      onRecorded();
      return `Withdrawn: ${results.filter((result) => result.accepted).map((result) => result.purpose).join(", ") || "nothing"}`;
    });
  return (
    <details>
      <summary>Withdraw a consent</summary>
      <form
        class="question"
        onSubmit={(event) => {
          event.preventDefault();
          record();
        }}
      >
        <Input label="Purpose" value={purpose} onChange={setPurpose} options={rules?.purposes} hint="every purpose, if empty" />
        <button type="submit" class="primary">
          Withdraw
        </button>
      </form>
      {told}
    </details>
  );
}

function Attributes({ customer, onRecorded }: Props) {
  const { rules } = useSession();
  const [given, setGiven] = useState<Given>({});
  const { run, told } = useDone();
  const record = () =>
    run(async () => {
      const { dropped } = await journeys.setAttributes({ customerId: customer, attributes: given });
      onRecorded();
      return dropped.length ? `Not stored, as no purpose allows it: ${dropped.join(", ")}` : "Stored";
    });
  return (
    <details>
      <summary>Set attributes</summary>
      <form
        class="question"
        onSubmit={(event) => {
          event.preventDefault();
          record();
        }}
      >
        <FactFields declared={rules?.attributes} given={given} onChange={setGiven} />
        <button type="submit" class="primary" disabled={Object.keys(given).length === 0}>
          Store
        </button>
      </form>
      {told}
    </details>
  );
}

function Event({ customer, onRecorded }: Props) {
  const { rules } = useSession();
  const [type, setType] = useState("");
  const [fields, setFields] = useState<Given>({});
  const { run, told } = useDone();
  const declared = rules?.events.find((event) => event.type === type)?.fields;
  const record = () =>
    run(async () => {
      const { results } = await journeys.recordEvents({ events: [{ eventId: crypto.randomUUID(), customerId: customer, type, fields }] });
      onRecorded();
      const [result] = results;
      return result?.accepted ? "Recorded" : `Refused: ${result?.reason.replaceAll("_", " ") ?? ""}`;
    });
  return (
    <details>
      <summary>Record an event</summary>
      <form
        class="question"
        onSubmit={(event) => {
          event.preventDefault();
          record();
        }}
      >
        <Input label="Event" value={type} onChange={(type) => (setType(type), setFields({}))} options={rules?.events.map((event) => event.type)} />
        {type ? <FactFields key={type} declared={rules ? (declared ?? []) : undefined} given={fields} onChange={setFields} /> : null}
        <button type="submit" class="primary" disabled={!type}>
          Record
        </button>
      </form>
      {told}
    </details>
  );
}
