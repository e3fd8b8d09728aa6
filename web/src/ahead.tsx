// What would be said next if nothing is recorded: the same question at moments ahead, by simulation. Pressure and hurt are
// those that the scores counted then.
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { useState } from "preact/hooks";
import { rules as ruleCalls } from "./api";
import { useCall } from "./call";
import { moment, points, said, span } from "./format";
import { ExplainLevel, type DecideResponse } from "./gen/tactful/v1/decision_pb";
import { link } from "./route";
import { useSession } from "./session";
import { Busy, Input, Refused } from "./ui";

/** Seconds from now. */
const MOMENTS = [0, 3_600, 6 * 3_600, 86_400, 2 * 86_400, 4 * 86_400, 7 * 86_400, 14 * 86_400, 30 * 86_400];

interface Then {
  after: number;
  at: Date;
  decision: DecideResponse | undefined;
  /** Undefined if nothing was scored then. */
  pressure: number | undefined;
  hurt: number | undefined;
}

export function Ahead({ customer, round }: { customer: string; round: number }) {
  const { rules } = useSession();
  const [chosen, setChosen] = useState("");
  const channel = chosen || rules?.channels[0] || "";
  const called = useCall(channel && `ahead ${customer} ${channel} ${round}`, async (signal) => {
    const now = Date.now();
    const asked = MOMENTS.map(async (after): Promise<Then> => {
      const at = new Date(now + after * 1_000);
      const request = { customerId: customer, channel, explain: ExplainLevel.FULL };
      const { decision } = await ruleCalls.simulateDecision({ request, at: timestampFromDate(at) }, { signal });
      const scores = decision?.explanation?.candidates.flatMap((one) => (one.score ? [one.score] : [])) ?? [];
      const most = (of: (score: (typeof scores)[number]) => number) => (scores.length ? Math.max(...scores.map(of)) : undefined);
      return { after, at, decision, pressure: most((score) => score.pressure), hurt: most((score) => score.hurt) };
    });
    return Promise.all(asked);
  });
  const rows = called.value ?? [];
  const top = Math.max(1, ...rows.map((row) => Math.max(row.pressure ?? 0, row.hurt ?? 0)));
  return (
    <section>
      <h2>What would be said, if nothing else happens</h2>
      <p class="quiet">Without context. Pressure and hurt are what a score would count then.</p>
      <div class="inline">
        <Input label="Channel" value={channel} onChange={setChosen} options={rules?.channels} required />
      </div>
      {called.failed ? <Refused failed={called.failed} /> : null}
      {called.busy && !rows.length ? <Busy /> : null}
      {rows.length ? (
        <div class="scroll" tabIndex={0} role="region" aria-label="What would be said ahead">
          <table class="wide">
            <thead>
              <tr>
                <th scope="col">when</th>
                <th scope="col">pressure</th>
                <th scope="col">hurt</th>
                <th scope="col">answer</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <tr key={row.after}>
                  <th scope="row" title={`${moment(row.at)} UTC`}>
                    {row.after ? `in ${span(row.after)}` : "now"}
                  </th>
                  <td>
                    <Gauge value={row.pressure} top={top} />
                  </td>
                  <td>
                    <Gauge value={row.hurt} top={top} />
                  </td>
                  <td>
                    <a href={link("what-if", "", { customer, channel, at: row.at.toISOString().slice(0, 19) })}>{said(row.decision)}</a>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
    </section>
  );
}

const Gauge = ({ value, top }: { value: number | undefined; top: number }) =>
  value === undefined ? (
    <span class="quiet">–</span>
  ) : (
  <span class="gauge">
    <span class="number">{points(value)}</span>
    <span class="bar cost" aria-hidden="true">
      <span style={{ width: `${(100 * value) / top}%` }} />
    </span>
  </span>
  );
