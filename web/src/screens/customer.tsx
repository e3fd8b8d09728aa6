// One customer: what happened and what may be read, by journey; what would be said next; and, as far as the token allows, what
// can be recorded.
import { useState } from "preact/hooks";
import { consents, journeys } from "../api";
import { Ahead } from "../ahead";
import { useCall, type Called } from "../call";
import { counted, milliseconds, outcome, points, said, status, value } from "../format";
import { Outcome } from "../gen/tactful/v1/common_pb";
import type { GetDecisionResponse } from "../gen/tactful/v1/decision_pb";
import type { GetCustomerResponse } from "../gen/tactful/v1/journey_pb";
import type { GetConsentResponse } from "../gen/tactful/v1/consent_pb";
import { newest } from "../past";
import { Record } from "../record";
import { consentRecord } from "../records";
import { go, link, useRoute } from "../route";
import { useSession } from "../session";
import { Timeline, type Entry } from "../timeline";
import { At, Badge, Busy, Empty, Facts, Input, Refused } from "../ui";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";

/** How many past decisions the timeline has. */
const MOST = 500;

export function Customer() {
  const { subject } = useRoute();
  return subject ? <One id={subject} /> : <Find />;
}

function Find() {
  const [id, setId] = useState("");
  return (
    <>
      <h1>One customer</h1>
      <p class="lead">Looking at a customer is noted in the audit log, if the server keeps one.</p>
      <form
        class="inline"
        onSubmit={(event) => {
          event.preventDefault();
          if (id.trim()) go(link("customer", id.trim()));
        }}
      >
        <Input label="Customer id" value={id} onChange={setId} required wide />
        <button type="submit" class="primary">
          Look up
        </button>
      </form>
    </>
  );
}

function One({ id }: { id: string }) {
  const { may } = useSession();
  const known = useCall(`customer ${id}`, (signal) => journeys.getCustomer({ customerId: id }, { signal }));
  const standing = useCall(`standing ${id}`, (signal) => consents.getConsent({ customerId: id }, { signal }));
  const records = useCall(`records ${id}`, (signal) => consents.listConsentRecords({ customerId: id, pageSize: 200 }, { signal }));
  const past = useCall(`past ${id}`, (signal) => newest({ customerId: id }, MOST, signal));
  const [round, setRound] = useState(0);
  const again = () => {
    known.again();
    standing.again();
    records.again();
    past.again();
    setRound(round + 1);
  };
  return (
    <>
      <h1 class="id">{id}</h1>
      <p class="actions">
        <a href={link("consent", id)}>consents and proofs</a>
        {may("simulate") ? <a href={link("what-if", "", { customer: id })}>what if…</a> : null}
        <button type="button" class="plain" onClick={again}>
          refresh
        </button>
      </p>
      {known.failed ? <Refused failed={known.failed} /> : null}
      <div class="columns">
        <Gauges known={known} />
        <Standings id={id} standing={standing} />
      </div>
      {known.value ? <Limits known={known.value} /> : null}
      <section>
        <h2>What happened</h2>
        {known.value ? <Timeline entries={entries(known.value, records.value?.recordsJsonLd ?? [], past.value ?? [])} /> : known.busy ? <Busy /> : null}
        {past.failed ? <Refused failed={past.failed} what="Past decisions" /> : null}
        {records.failed ? <Refused failed={records.failed} what="Consent records" /> : null}
      </section>
      {may("simulate") ? <Ahead customer={id} round={round} /> : null}
      <Record customer={id} onRecorded={again} />
    </>
  );
}

function Gauges({ known }: { known: Called<GetCustomerResponse> }) {
  const customer = known.value;
  if (!customer) return known.busy ? <Busy /> : null;
  const attributes = Object.entries(customer.attributes).sort(([a], [b]) => (a < b ? -1 : 1));
  return (
    <section>
      <h2>Now</h2>
      <Facts
        rows={[
          ["Pressure of contacts", `${points(customer.pressure)} points`],
          ["Hurt", `${points(customer.hurt)} points`],
          ...customer.journeys.map((journey): [string, preact.ComponentChildren] => [
            `Journey ${journey.journey}`,
            <>
              <Badge>{journey.stage}</Badge> since <At at={journey.enteredAt} />
            </>,
          ]),
          ...attributes.map(([name, known]): [string, preact.ComponentChildren] => [name, value(known)]),
        ]}
      />
      {attributes.length + customer.journeys.length === 0 ? <Empty>Nothing is known that may be read now.</Empty> : null}
    </section>
  );
}

function Standings({ id, standing }: { id: string; standing: Called<GetConsentResponse> }) {
  if (standing.failed) return <Refused failed={standing.failed} what="Consent" />;
  if (!standing.value) return <Busy />;
  return (
    <section>
      <h2>What may be used</h2>
      <ul class="plain-list">
        {standing.value.standings.map((one) => (
          <li key={one.purpose}>
            <a href={link("consent", id, { purpose: one.purpose })}>{one.purpose}</a>{" "}
            <Badge tone={one.usable ? "good" : "bad"}>{one.usable ? "may be used" : (one.deniedBecause || "no").replaceAll("_", " ")}</Badge>{" "}
            <span class="quiet">
              {one.lawfulBasis.replaceAll("_", " ")}
              {status(one.status) === "no record" ? "" : `, ${status(one.status)}`}
              {one.until ? (
                <>
                  , until <At at={one.until} relative={false} />
                </>
              ) : null}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Limits({ known }: { known: GetCustomerResponse }) {
  const used = known.limits.filter((limit) => limit.used > 0);
  const free = known.limits.length - used.length;
  return (
    <section>
      <h2>Contact limits</h2>
      {used.length ? (
        <ul class="limits">
          {used.map((limit, index) => (
            <li key={index}>
              <span>{limit.limit}</span>
              <span class="bar cost" aria-hidden="true">
                <span style={{ width: `${Math.min(100, (100 * limit.used) / Math.max(1, limit.atMost))}%` }} />
              </span>
              <span class="number">
                {limit.used} of {limit.atMost}
              </span>
              <span>
                {limit.used >= limit.atMost ? <Badge tone="wait">used up</Badge> : null} {limit.refillsAt ? <>refills <At at={limit.refillsAt} /></> : null}
              </span>
            </li>
          ))}
        </ul>
      ) : null}
      {free || !used.length ? <p class="quiet">{free ? `${counted(free, "limit")} unused.` : "No limit counts."}</p> : null}
    </section>
  );
}

const GOOD = new Set([Outcome.CLICKED, Outcome.ACCEPTED, Outcome.ALREADY_DONE]);
const BAD = new Set([Outcome.REJECTED, Outcome.COMPLAINED]);

function entries(customer: GetCustomerResponse, records: string[], past: GetDecisionResponse[]): Entry[] {
  const found: Entry[] = [];
  for (const { decision, request, decidedAt } of past) {
    if (!decision || !decidedAt) continue;
    const isSilent = decision.silence !== undefined;
    const what = `${said(decision)} (${request?.channel ?? ""})`;
    found.push({ at: milliseconds(decidedAt), lane: isSilent ? "silences" : "decisions", what, to: link("why", decision.decisionId) });
  }
  for (const journey of customer.journeys) {
    const lane = journey.journey;
    if (journey.startedAt) found.push({ at: milliseconds(journey.startedAt), lane, what: "the journey began" });
    if (journey.enteredAt) found.push({ at: milliseconds(journey.enteredAt), lane, what: `reached the stage ${journey.stage}` });
  }
  for (const json of records) {
    const record = consentRecord(json);
    if (!record) continue;
    const what = `${record.purpose || "every purpose"}: ${record.status}`;
    found.push({ at: record.at.getTime(), lane: "consents", what, tone: record.status === "given" ? "good" : "bad" });
  }
  for (const one of customer.outcomes) {
    if (!one.occurredAt) continue;
    const what = `${one.actionId}: ${outcome(one.outcome)}${one.channel ? ` (${one.channel})` : ""}`;
    found.push({ at: milliseconds(one.occurredAt), lane: "outcomes", what, tone: GOOD.has(one.outcome) ? "good" : BAD.has(one.outcome) ? "bad" : undefined });
  }
  for (const one of customer.badExperiences) {
    if (!one.occurredAt) continue;
    const what = `${one.eventType}: ${points(one.points)} points of hurt${one.repaired ? ", repaired since" : ""}`;
    found.push({ at: milliseconds(one.occurredAt), lane: "bad experiences", what, tone: one.repaired ? undefined : "bad" });
  }
  for (const limit of customer.limits) {
    if (limit.refillsAt && limit.used >= limit.atMost) {
      found.push({ at: milliseconds(limit.refillsAt), lane: "limits", what: `refills: ${limit.limit}` });
    }
  }
  return found.sort((a, b) => b.at - a.at).map((entry) => ({ ...entry, shown: timestampFromDate(new Date(entry.at)) }));
}
