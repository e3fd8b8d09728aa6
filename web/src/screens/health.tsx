import { useEffect } from "preact/hooks";
import { admin, consents, health } from "../api";
import { useCall } from "../call";
import { counted, exactSpan } from "../format";
import { HealthCheckResponse_ServingStatus as Serving } from "../gen/grpc/health/v1/health_pb";
import { link } from "../route";
import { useSession } from "../session";
import { At, Badge, Busy, Facts, Refused } from "../ui";

const PARTS: Record<string, string> = {
  "": "The server takes calls",
  "tactful.rules": "The rule files on disk are those in force",
  "tactful.ledger": "Consent can be relied on",
  "tactful.customers": "Customers can be stored",
  "tactful.decision_log": "The decision log can be written",
  "tactful.clock": "The machine’s clock is believed",
};
const EVERY = 5_000;

export function HealthScreen() {
  const { may, rules } = useSession();
  const parts = useCall("health", async (signal) => {
    const asked = Object.keys(PARTS).map(async (service) => [service, (await health.check({ service }, { signal })).status] as const);
    return Object.fromEntries(await Promise.all(asked));
  });
  const clock = useCall(may("admin") ? "clock" : "", (signal) => admin.getClock({}, { signal }));
  const head = useCall(may("read") ? "head" : "", (signal) => consents.getCheckpoint({}, { signal }));
  useEffect(() => {
    const timer = setInterval(parts.again, EVERY);
    return () => clearInterval(timer);
  }, []);
  const states = parts.value ?? {};
  const size = head.value?.checkpoint.split("\n")[1];
  return (
    <>
      <h1>Health</h1>
      {parts.failed ? <Refused failed={parts.failed} /> : null}
      {parts.busy && !parts.value ? <Busy /> : null}
      <ul class="health">
        {Object.entries(PARTS)
          .filter(([name]) => states[name] !== undefined)
          .map(([name, meaning]) => {
            const well = states[name] === Serving.SERVING;
            return (
              <li key={name}>
                <Badge tone={well ? "good" : "bad"}>{well ? "yes" : "no"}</Badge> {meaning}
              </li>
            );
          })}
      </ul>
      <Facts
        rows={[
          ["Rules", rules ? <a href={link("rules")}>{rules.status}</a> : undefined],
          ["Ledger", size ? `${counted(Number(size), "record")} in the signed head` : undefined],
          ["The server’s time", clock.value ? <At at={clock.value.time} relative={false} /> : undefined],
          ["The machine’s clock is ahead by", clock.value?.step ? exactSpan(clock.value.step) : undefined],
          ["Nothing is deleted until", clock.value?.purgesHeldUntil ? <At at={clock.value.purgesHeldUntil} /> : undefined],
        ]}
      />
    </>
  );
}
