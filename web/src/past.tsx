// Past decisions from the decision log.
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { useMemo } from "preact/hooks";
import { decisions, live } from "./api";
import { useCall } from "./call";
import { counted, said } from "./format";
import type { GetDecisionResponse, Report } from "./gen/tactful/v1/decision_pb";
import { link } from "./route";
import { useSession } from "./session";
import { At, Busy, Refused } from "./ui";

const PAGE = 500;

/** The newest decisions, at most `most`; of one customer, if one is named. */
export async function newest(query: { customerId?: string; from?: Timestamp }, most: number, signal: AbortSignal): Promise<GetDecisionResponse[]> {
  const found: GetDecisionResponse[] = [];
  let pageToken = "";
  do {
    const page = await decisions.listDecisions({ ...query, pageSize: Math.min(PAGE, most - found.length), pageToken }, { signal });
    found.push(...page.decisions);
    pageToken = page.nextPageToken;
  } while (pageToken && found.length < most);
  return found;
}

/** The newest decisions as links to their reasons. */
export function Newest() {
  const { may } = useSession();
  const found = useCall(may("read") ? "newest" : "", (signal) => newest({}, 20, signal));
  if (found.failed) return <Refused failed={found.failed} />;
  if (!found.value) return found.busy ? <Busy /> : null;
  return (
    <section>
      <h2>The newest decisions</h2>
      <ul class="newest">
        {found.value.map(({ decision, request, decidedAt }) =>
          decision ? (
            <li key={decision.decisionId}>
              <At at={decidedAt} />
              <a href={link("why", decision.decisionId)}>{said(decision)}</a>
              <span class="name">
                {request?.customerId} on {request?.channel}
              </span>
            </li>
          ) : null,
        )}
      </ul>
    </section>
  );
}

/** What became of one action. */
export interface Tally {
  said: number;
  presented: number;
  accepted: number;
  rejected: number;
  complained: number;
  /** How often it stopped at each gate, in a sample of the decisions. */
  stopped: Map<string, number>;
}

export interface Said {
  of: number;
  silences: number;
  sampled: number;
  actions: Map<string, Tally>;
}

const NONE: Tally = { said: 0, presented: 0, accepted: 0, rejected: 0, complained: 0, stopped: new Map() };

function counts(report: Report): Said {
  const actions = new Map<string, Tally>();
  const of = (id: string) => {
    const known = actions.get(id) ?? { ...NONE, stopped: new Map<string, number>() };
    actions.set(id, known);
    return known;
  };
  for (const row of report.rows) {
    const tally = of(row.actionId);
    for (const name of ["said", "presented", "accepted", "rejected", "complained"] as const) tally[name] += Number(row[name]);
  }
  for (const { actionId, gate, count } of report.stopped) {
    const { stopped } = of(actionId);
    stopped.set(gate, (stopped.get(gate) ?? 0) + Number(count));
  }
  const silences = report.silences.reduce((sum, { count }) => sum + Number(count), 0);
  return { of: Number(report.decisions), silences, sampled: Number(report.sampled), actions };
}

/** The report over the decision log, as far as the token allows it. */
export function useSaid() {
  const { may } = useSession();
  const found = useCall(may("read") ? "said" : "", async (signal) => {
    let report: Report | undefined;
    for await (const part of live.getReport({}, { signal })) report = part.report ?? report;
    return report;
  });
  const value = useMemo(() => found.value && counts(found.value), [found.value]);
  return { ...found, value };
}

export const tallyOf = (said: Said | undefined, id: string): Tally => said?.actions.get(id) ?? NONE;
/** The gates of a decision that scored the action. */
const SCORED = ["chosen", "outranked", "below_threshold", "excluded"];
export const scored = ({ stopped }: Tally) => SCORED.reduce((sum, gate) => sum + (stopped.get(gate) ?? 0), 0);
export const won = ({ stopped }: Tally) => stopped.get("chosen") ?? 0;
export const inAll = ({ of, silences }: Said) => `Of ${counted(of, "decision")} in the log, ${counted(silences, "silence")}.`;
