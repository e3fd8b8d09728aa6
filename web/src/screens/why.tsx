import { useState } from "preact/hooks";
import { decisions, rules as ruleCalls } from "../api";
import { useCall } from "../call";
import { DecisionView, sentence } from "../decision";
import { value as shownValue } from "../format";
import { ExplainLevel, type GetDecisionResponse } from "../gen/tactful/v1/decision_pb";
import { go, link, useRoute } from "../route";
import { useSession } from "../session";
import { At, Busy, Facts, Input, Refused } from "../ui";
import { questionQuery } from "../question";
import { Newest } from "../past";

export function Why() {
  const { subject } = useRoute();
  return subject ? <One id={subject} /> : <Find />;
}

function Find() {
  const [id, setId] = useState("");
  return (
    <>
      <h1>Why was this said?</h1>
      <p class="lead">Give the id of a decision: answers carry it, and so do logs.</p>
      <form
        class="inline"
        onSubmit={(event) => {
          event.preventDefault();
          if (id.trim()) go(link("why", id.trim()));
        }}
      >
        <Input label="Decision id" value={id} onChange={setId} required wide />
        <button type="submit" class="primary">
          Show why
        </button>
      </form>
      <Newest />
    </>
  );
}

function One({ id }: { id: string }) {
  const found = useCall(`why ${id}`, (signal) => decisions.getDecision({ decisionId: id }, { signal }));
  if (found.failed) {
    return (
      <>
        <h1>Why</h1>
        <Refused failed={found.failed} what={id} />
        <p class="quiet">Decisions are kept for a bounded time and number.</p>
      </>
    );
  }
  if (!found.value?.decision) return <Busy />;
  return <Shown id={id} found={found.value} />;
}

function Shown({ id, found }: { id: string; found: GetDecisionResponse }) {
  const { may } = useSession();
  const { request, decision, decidedAt } = found;
  const [again, setAgain] = useState(false);
  const asked = again ? `again ${id}` : "";
  const full = useCall(asked, (signal) =>
    ruleCalls.simulateDecision({ request: { ...request, $typeName: "tactful.v1.DecideRequest", explain: ExplainLevel.FULL } as never, at: decidedAt }, { signal }),
  );
  if (!decision || !request) return null;
  const isFull = request.explain === ExplainLevel.FULL;
  return (
    <>
      <h1>{sentence(decision, request.customerId, request.channel)}</h1>
      <p class="actions">
        {may("read") ? <a href={link("customer", request.customerId)}>the customer</a> : null}
        {may("simulate") ? <a href={link("what-if", "", questionQuery(request, { at: decidedAt, of: id }))}>open in what-if</a> : null}
      </p>
      <Facts
        rows={[
          ["Decided", <At at={decidedAt} />],
          ["Decision", <code>{id}</code>],
          ["Rules", <code>{decision.ruleSet.slice(0, 16)}</code>],
          [
            "Context",
            Object.entries(request.context)
              .sort(([a], [b]) => (a < b ? -1 : 1))
              .map(([name, value]) => `${name} = ${shownValue(value)}`)
              .join(", ") || "none",
          ],
          ["Groups", request.groups.join(", ")],
        ]}
      />
      <DecisionView decision={decision} />
      {!isFull && may("simulate") ? (
        <section>
          <h2>The other actions</h2>
          <p>
            This decision was asked for without the reasons of every action. They can be computed again for that moment, with what is known of
            the customer today; the result may differ.
          </p>
          <button type="button" onClick={() => setAgain(true)} disabled={again}>
            Compute them again
          </button>
          {full.busy ? <Busy /> : null}
          {full.failed ? <Refused failed={full.failed} /> : null}
          {full.value?.decision ? <DecisionView decision={full.value.decision} /> : null}
        </section>
      ) : null}
    </>
  );
}
