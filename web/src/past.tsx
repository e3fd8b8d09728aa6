// Past decisions from the decision log.
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { useMemo } from "preact/hooks";
import { decisions } from "./api";
import { useCall } from "./call";
import { counted, said } from "./format";
import type { GetDecisionResponse } from "./gen/tactful/v1/decision_pb";
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

/** How often each action was said in the newest decisions. */
export interface Said {
  of: number;
  silences: number;
  actions: Map<string, number>;
}

const MOST = 5_000;

export function useSaid() {
  const { may } = useSession();
  const found = useCall(may("read") ? "said" : "", (signal) => newest({}, MOST, signal));
  const value = useMemo<Said | undefined>(() => {
    if (!found.value) return undefined;
    const actions = new Map<string, number>();
    for (const { decision } of found.value) for (const { actionId } of decision?.actions ?? []) actions.set(actionId, (actions.get(actionId) ?? 0) + 1);
    return { of: found.value.length, silences: found.value.filter(({ decision }) => decision?.silence).length, actions };
  }, [found.value]);
  return { ...found, value };
}

export const inAll = ({ of, silences }: Said) => `Of the newest ${counted(of, "decision")}, ${counted(silences, "silence")}.`;
