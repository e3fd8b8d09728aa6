// One decision: what was chosen and why, every candidate with its gate, its terms, its rule and what would change it.
import { useMemo, useState } from "preact/hooks";
import { At, Badge, Empty, Facts, Prose } from "./ui";
import { count, points, signed, silenceReason } from "./format";
import type { Candidate, DecideResponse, Explanation, NextAction, Score } from "./gen/tactful/v1/decision_pb";
import { Windowed } from "./windowed";

/** Candidates in the order in which they got far. */
const GATES = [
  "chosen",
  "outranked",
  "excluded",
  "below_threshold",
  "text",
  "ask",
  "quiet_hours",
  "cool_down",
  "limit",
  "suitable",
  "applicable",
  "eligible",
  "consent",
  "dates",
  "channel",
  "group",
];
const rank = (gate: string) => (GATES.indexOf(gate) + GATES.length + 1) % (GATES.length + 1);
export const gateName = (gate: string) => gate.replaceAll("_", " ");
const tone = (gate: string) => (gate === "chosen" ? "good" : gate === "outranked" || gate === "below_threshold" || gate === "excluded" ? undefined : "wait");

export function sentence(decision: DecideResponse, customer: string, channel: string) {
  const to = (
    <>
      to <q>{customer}</q> on <q>{channel}</q>
    </>
  );
  if (decision.silence) return <>Say nothing {to}</>;
  const titles = decision.actions.map((action) => action.title || action.actionId);
  return (
    <>
      Say <q>{titles.join("”, “")}</q> {to}
    </>
  );
}

export function DecisionView({ decision, compact = false }: { decision: DecideResponse; compact?: boolean }) {
  return (
    <>
      {decision.silence ? <SilenceView decision={decision} /> : decision.actions.map((action) => <Step key={action.actionId} action={action} />)}
      <Facts
        rows={[
          ["Purposes used", decision.purposesUsed.length ? decision.purposesUsed.join(", ") : "none: nothing personal was used"],
          ["The same until", decision.validUntil ? <At at={decision.validUntil} /> : undefined],
          ["Consents up to", decision.ledgerPosition ? `position ${decision.ledgerPosition} of the ledger` : undefined],
          ["History", decision.historyTruncated ? "an entry that a rule may ask for was dropped" : undefined],
        ]}
      />
      {decision.explanation ? <ExplanationView explanation={decision.explanation} compact={compact} /> : null}
    </>
  );
}

function Step({ action }: { action: NextAction }) {
  return (
    <section class="step" aria-label={`Chosen: ${action.actionId}`}>
      <h2>
        {action.title || action.actionId} <Badge tone="good">{action.kind.replaceAll("_", " ")}</Badge>
      </h2>
      {action.text ? <blockquote>{action.text}</blockquote> : null}
      {action.because.length ? (
        <ul class="because">
          {action.because.map((reason) => (
            <li key={reason}>{reason}</li>
          ))}
        </ul>
      ) : null}
      {action.score ? <ScoreView score={action.score} /> : null}
      <p class="quiet">
        <code>{action.actionId}</code>
        {action.group ? <> · group {action.group}</> : null}
        {action.content ? (
          <>
            {" "}
            · content <code>{action.content}</code>
          </>
        ) : null}
      </p>
    </section>
  );
}

function SilenceView({ decision }: { decision: DecideResponse }) {
  const { silence } = decision;
  if (!silence) return null;
  return (
    <section class="step silent" aria-label="Silence">
      <h2>
        Silence <Badge>{silenceReason(silence.reason)}</Badge>
      </h2>
      <p>
        <Prose text={silence.detail} />
      </p>
      <Facts
        rows={[
          ["Came nearest", silence.nearestActionId ? `${silence.nearestActionId}${silence.nearestGap ? `, short of ${points(silence.nearestGap)} points` : ""}` : undefined],
          ["Ask again", silence.retryAfter ? <At at={silence.retryAfter} /> : undefined],
        ]}
      />
    </section>
  );
}

/** Factors first, then what is subtracted; each as a bar. */
export function ScoreView({ score }: { score: Score }) {
  const term = (name: string) => score.terms.find((term) => term.name === name)?.value ?? 0;
  const gain = term("relevance") * term("worth") * (score.terms.some((term) => term.name === "personal_factor") ? term("personal_factor") : 1);
  const factors = score.terms.filter((term) => ["relevance", "worth", "personal_factor"].includes(term.name));
  const costs = score.terms.filter((term) => !["relevance", "worth", "personal_factor"].includes(term.name));
  const most = Math.max(gain, score.intrusiveness, 1);
  return (
    <table class="terms">
      <caption>
        Score {signed(score.total)} = {points(gain)} − {points(score.intrusiveness)}
      </caption>
      <thead>
        <tr>
          <th scope="col">term</th>
          <th scope="col" class="number">
            value
          </th>
          <th scope="col">
            <span class="unseen">as a bar</span>
          </th>
        </tr>
      </thead>
      <tbody>
        <tr>
          <th scope="row">{factors
              .filter((term) => term.name === "relevance" || term.value !== 1)
              .map((term) => `${term.name === "relevance" ? points(term.value) : points(term.value, 2)} ${termName(term.name)}`)
              .join(" × ")}</th>
          <td class="number">{points(gain)}</td>
          <td>
            <Bar value={gain} most={most} kind="gain" />
          </td>
        </tr>
        {costs
          .filter((term) => Math.abs(term.value) >= 0.05)
          .map((term) => (
            <tr key={term.name}>
              <th scope="row">{termName(term.name)}</th>
              <td class="number">{points(-term.value)}</td>
              <td>
                <Bar value={term.value} most={most} kind="cost" />
              </td>
            </tr>
          ))}
      </tbody>
    </table>
  );
}

const NAMES: Record<string, string> = { personal_factor: "personal", personal_points: "personal data", base: "its own points" };
const termName = (name: string) => NAMES[name] ?? name.replaceAll("_", " ");

const Bar = ({ value, most, kind }: { value: number; most: number; kind: "gain" | "cost" }) => (
  <span class={`bar ${kind}`} aria-hidden="true">
    <span style={{ width: `${Math.max(0, Math.min(100, (100 * value) / most))}%` }} />
  </span>
);

function ExplanationView({ explanation, compact }: { explanation: Explanation; compact: boolean }) {
  const [gate, setGate] = useState("");
  const [text, setText] = useState("");
  const [selected, setSelected] = useState(0);
  const sorted = useMemo(
    () =>
      [...explanation.candidates].sort(
        (a, b) => rank(a.gate) - rank(b.gate) || (b.score?.total ?? -Infinity) - (a.score?.total ?? -Infinity) || (a.actionId < b.actionId ? -1 : 1),
      ),
    [explanation],
  );
  const gates = useMemo(() => {
    const found = new Map<string, number>();
    for (const one of sorted) found.set(one.gate, (found.get(one.gate) ?? 0) + 1);
    return [...found];
  }, [sorted]);
  const most = useMemo(() => Math.max(1, ...sorted.slice(0, 2_000).map((one) => Math.max(gainOf(one.score), one.score?.intrusiveness ?? 0))), [sorted]);
  const wanted = text.toLowerCase();
  const shown = useMemo(
    () => sorted.filter((one) => (!gate || one.gate === gate) && (!wanted || one.actionId.toLowerCase().includes(wanted))),
    [sorted, gate, wanted],
  );
  const index = Math.min(selected, shown.length - 1);
  const candidate = shown[index];
  return (
    <section class="explanation">
      <h2>Every action, and where it stopped</h2>
      <ul class="funnel" aria-label="Actions by the gate at which they stopped">
        <li>
          <button type="button" class="chip" aria-pressed={!gate} onClick={() => (setGate(""), setSelected(0))}>
            all <span>{count(sorted.length)}</span>
          </button>
        </li>
        {gates.map(([name, number]) => (
          <li key={name}>
            <button type="button" class="chip" aria-pressed={gate === name} onClick={() => (setGate(gate === name ? "" : name), setSelected(0))}>
              {gateName(name)} <span>{count(number)}</span>
            </button>
          </li>
        ))}
      </ul>
      {sorted.length > 12 ? (
        <input
          class="filter"
          type="search"
          placeholder="Find an action"
          aria-label="Find an action"
          value={text}
          onInput={(event) => (setText(event.currentTarget.value), setSelected(0))}
        />
      ) : null}
      <div class={`split ${compact ? "stacked" : ""}`}>
        {shown.length ? (
          <Windowed items={shown} row={46} label="Actions" selected={index} onSelect={setSelected}>
            {(one) => <CandidateRow candidate={one} most={most} />}
          </Windowed>
        ) : (
          <Empty>No action matches.</Empty>
        )}
        {candidate ? <CandidateView candidate={candidate} /> : null}
      </div>
    </section>
  );
}

const gainOf = (score: Score | undefined) => (score ? score.total + score.intrusiveness : 0);

const CandidateRow = ({ candidate, most }: { candidate: Candidate; most: number }) => (
  <div class="candidate">
    <span class="name" title={candidate.actionId}>
      {candidate.actionId}
    </span>
    {candidate.score ? (
      <span class="bars" aria-hidden="true">
        <Bar value={gainOf(candidate.score)} most={most} kind="gain" />
        <Bar value={candidate.score.intrusiveness} most={most} kind="cost" />
      </span>
    ) : (
      <span class="bars" />
    )}
    <span class="number">{candidate.score ? signed(candidate.score.total) : ""}</span>
    <Badge tone={tone(candidate.gate)}>{gateName(candidate.gate)}</Badge>
  </div>
);

const CandidateView = ({ candidate }: { candidate: Candidate }) => (
  <section class="detail" aria-label={`About ${candidate.actionId}`} aria-live="polite">
    <h3>{candidate.actionId}</h3>
    <Facts
      rows={[
        ["Stopped at", gateName(candidate.gate)],
        ["Because", candidate.reason === candidate.gate ? "" : <Prose text={candidate.reason} />],
        [
          "Rule",
          candidate.ruleFile ? (
            <code>
              {candidate.ruleFile}
              {candidate.ruleLine ? `:${candidate.ruleLine}` : ""}
            </code>
          ) : undefined,
        ],
        ["Would win", candidate.flip ? <Prose text={candidate.flip} /> : ""],
        ["Needs consent for", candidate.needsPurposes.join(", ")],
      ]}
    />
    {candidate.score ? <ScoreView score={candidate.score} /> : null}
  </section>
);
