// Decides again, without effect: another context, another time, draft rules. What was stands beside it.
import { useEffect, useMemo, useState } from "preact/hooks";
import { consents, decisions, rules as ruleCalls } from "../api";
import { useCall } from "../call";
import { DecisionView, sentence } from "../decision";
import { Drafts, type Draft } from "../drafts";
import { FactFields } from "../facts";
import { ExplainLevel } from "../gen/tactful/v1/decision_pb";
import { atMoment, fromParams, SUPPOSED, toConsents, toParams, toRequest, type Asked } from "../question";
import { go, link, useRoute } from "../route";
import { useSession } from "../session";
import { At, Busy, CountsFrom, Diagnostics, Input, Refused } from "../ui";
import { counted, milliseconds, moment } from "../format";

const CHECK_AFTER = 300;

export function WhatIf() {
  const { params } = useRoute();
  const { rules, may } = useSession();
  const asked = useMemo(() => fromParams(params), [params.toString()]);
  const [drafts, setDrafts] = useState<Draft[]>([]);
  const settled = useSettled(drafts, CHECK_AFTER);
  const change = (changes: Partial<Asked>) => go(link("what-if", "", toParams({ ...asked, ...changes })), true);
  const at = atMoment(asked);
  const from = at && milliseconds(at);
  const ready = asked.customer !== "" && asked.channel !== "";
  const question = ready ? toParams({ ...asked, of: "" }).toString() : "";
  const now = useCall(question && `now ${question}`, (signal) =>
    ruleCalls.simulateDecision({ request: toRequest(asked, ExplainLevel.FULL), at, consents: toConsents(asked) }, { signal }),
  );
  const edited = settled.length ? fingerprint(settled) : "";
  const drafted = useCall(question && edited && `draft ${question} ${edited}`, (signal) =>
    ruleCalls.simulateDecision({ request: toRequest(asked, ExplainLevel.FULL), at, consents: toConsents(asked), files: settled }, { signal }),
  );
  const checked = useCall(edited && `check ${edited}`, (signal) => ruleCalls.checkRules({ files: settled }, { signal }));
  const was = useCall(asked.of && may("read") ? `was ${asked.of}` : "", (signal) => decisions.getDecision({ decisionId: asked.of }, { signal }));
  return (
    <>
      <h1>What if?</h1>
      <p class="lead">Decides without effect: nothing is reserved, counted or recorded. It reads only what may be read of the customer now.</p>
      <form class="question" onSubmit={(event) => event.preventDefault()} aria-label="The question">
        <Input label="Customer" value={asked.customer} onChange={(customer) => change({ customer })} required />
        <Input label="Channel" value={asked.channel} onChange={(channel) => change({ channel })} options={rules?.channels} />
        <FactFields declared={rules?.context} given={asked.context} onChange={(context) => change({ context })} />
        <Input label="At (UTC)" type="datetime-local" step="1" value={asked.at} onChange={(at) => change({ at })} hint="now, if empty" />
        <Input label="Groups" value={asked.groups} onChange={(groups) => change({ groups })} hint="all, if empty" />
        <Input label="Steps at most" type="number" value={asked.most} onChange={(most) => change({ most })} />
      </form>
      <Suppose asked={asked} onChange={(consents) => change({ consents })} />
      <Drafts drafts={drafts} onChange={setDrafts} found={checked.value?.diagnostics ?? []} />
      {checked.failed ? <Refused failed={checked.failed} /> : null}
      {checked.value && drafts.length ? <Diagnostics found={checked.value.diagnostics} /> : null}
      {ready ? null : <p class="quiet">Name a customer and a channel.</p>}
      <div class="beside">
        {asked.of && was.value?.decision && was.value.request ? (
          <section class="was" aria-label="What was">
            <p class="kicker">
              What was, <At at={was.value.decidedAt} relative={false} />
            </p>
            <h2>{sentence(was.value.decision, was.value.request.customerId, was.value.request.channel)}</h2>
            <DecisionView decision={was.value.decision} compact />
          </section>
        ) : null}
        {was.failed ? <Refused failed={was.failed} what="What was" /> : null}
        {was.busy && !was.value ? <Busy /> : null}
        {ready ? (
          <section aria-label="What would be" aria-busy={now.busy}>
            <p class="kicker">What would be{asked.at ? `, at ${moment(new Date(`${asked.at}Z`))} UTC` : " now"}, under the rules in force</p>
            {now.failed ? <Refused failed={now.failed} /> : null}
            {now.value?.decision ? (
              <>
                <h2>{sentence(now.value.decision, asked.customer, asked.channel)}</h2>
                <CountsFrom.Provider value={from}>
                  <DecisionView decision={now.value.decision} compact />
                </CountsFrom.Provider>
              </>
            ) : now.busy ? (
              <Busy />
            ) : null}
          </section>
        ) : null}
        {question && edited ? (
          <section aria-label="Under the draft" aria-busy={drafted.busy}>
            <p class="kicker">Under the draft rules</p>
            {drafted.failed ? <Refused failed={drafted.failed} /> : null}
            {drafted.value?.decision ? (
              <>
                <h2>{sentence(drafted.value.decision, asked.customer, asked.channel)}</h2>
                <CountsFrom.Provider value={from}>
                  <DecisionView decision={drafted.value.decision} compact />
                </CountsFrom.Provider>
              </>
            ) : drafted.value ? (
              <p class="notice">The draft has errors; fix them first.</p>
            ) : (
              <Busy />
            )}
          </section>
        ) : null}
      </div>
    </>
  );
}

/** Consents as they are, or as if they were given or withdrawn. */
function Suppose({ asked, onChange }: { asked: Asked; onChange: (consents: Asked["consents"]) => void }) {
  const { rules, may } = useSession();
  const standing = useCall(may("read") && asked.customer ? `standing ${asked.customer}` : "", (signal) => consents.getConsent({ customerId: asked.customer }, { signal }));
  const isUsable = (purpose: string) => standing.value?.standings.find((one) => one.purpose === purpose)?.usable;
  const supposed = Object.keys(asked.consents).length;
  const choose = (purpose: string, word: string) => {
    const { [purpose]: _, ...others } = asked.consents;
    onChange(word in SUPPOSED ? { ...others, [purpose]: word } : others);
  };
  if (!rules?.purposes.length) return null;
  return (
    <details open={supposed > 0}>
      <summary>Consents{supposed ? ` (${counted(supposed, "supposition")})` : " as they are"}</summary>
      <form class="question" onSubmit={(event) => event.preventDefault()} aria-label="Consents to suppose">
        {rules.purposes.map((purpose) => {
          const usable = isUsable(purpose);
          const now = usable === undefined ? "as it is" : usable ? "as it is: may be used" : "as it is: may not be used";
          return <Input key={purpose} label={purpose} value={asked.consents[purpose] ?? now} onChange={(word) => choose(purpose, word)} options={[now, ...Object.keys(SUPPOSED)]} required />;
        })}
      </form>
      <p class="quiet">As if the customer had just said so. A supposed yes lets no data be read that may not be read now.</p>
    </details>
  );
}

/** The value once it has not changed for a while. */
function useSettled<T>(value: T, after: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), after);
    return () => clearTimeout(timer);
  }, [value, after]);
  return settled;
}

let lastDrafts: Draft[] = [];
let round = 0;
/** A key that differs whenever the files do. */
function fingerprint(files: Draft[]): string {
  if (files !== lastDrafts) {
    lastDrafts = files;
    round += 1;
  }
  return String(round);
}
