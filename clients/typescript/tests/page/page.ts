// What the page of the browser's test does. It is bundled from the package, as a shop would do it.
import { Code, connect, SilenceReason, TactfulError } from "@tactful/client";

export async function tell(url: string, mute: string, token: string) {
  const tactful = connect(url, { token: async () => token });
  const question = { customerId: "paula", channel: "web", context: { topic: "speed", activity: "browsing" } };
  const decision = await tactful.decide(question, { timeoutMs: 10_000 });
  const outcome = await tactful.recordOutcome(decision, "presented");
  const other = await tactful.decide({ ...question, customerId: "otto" }, { timeoutMs: 10_000 }).catch((error: unknown) => error);
  const late = await connect(mute).decide(question, { timeoutMs: 50 });
  const gone = await connect("http://127.0.0.1:1").decide(question, { timeoutMs: 1_000 });
  let refused = "";
  try {
    connect(url, { ca: "-----BEGIN CERTIFICATE-----" });
  } catch (error) {
    refused = String(error);
  }
  return {
    action: decision.actions[0]?.actionId,
    accepted: outcome.accepted,
    other: other instanceof TactfulError ? `${Code[other.code]} ${other.reason}` : "no error",
    late: late.local && SilenceReason[late.silence?.reason ?? 0],
    gone: gone.local && SilenceReason[gone.silence?.reason ?? 0],
    refused,
  };
}
