// Servers that are late, gone or busy, and connections that are cut.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { ConnectError, createRouterTransport } from "@connectrpc/connect";
import { Code, connect, durationFromMs, ResultCode, SilenceReason, Tactful, TactfulError, timestampDate } from "@tactful/client";
import { DecisionService, JourneyService, RetryInfoSchema } from "@tactful/client/proto";
import { closedPort, folder, PATIENCE, run, startMute, startProxy, startServer } from "./support.js";

const question = (customerId: string) => ({ customerId, channel: "web", context: { topic: "speed", activity: "browsing" } });
const server = await startServer({ after });

test("a decision whose answer was lost is asked for again, and counts once", async (t) => {
  const proxy = await startProxy(t, server);
  const tactful = connect(proxy.url, PATIENCE);
  await tactful.ready();
  proxy.loseNextAnswer = true;
  const decision = await tactful.decide(question("rita"));
  assert.equal(proxy.loseNextAnswer, false, "an answer was lost");
  assert.equal(proxy.connections, 2);
  assert.equal(decision.local, false);
  assert.equal(decision.actions[0]?.actionId, "speed-test");
  const { decisions } = await tactful.client(DecisionService).listDecisions({ customerId: "rita" });
  assert.deepEqual(decisions.map(({ decision }) => decision?.decisionId), [decision.decisionId]);
  const { limits } = await tactful.client(JourneyService).getCustomer({ customerId: "rita" });
  assert.equal(limits.find(({ limit }) => limit.startsWith("speed-test"))?.used, 1);
  tactful.close();
});

test("an outcome, an event and a consent whose answers were lost count once", async (t) => {
  const proxy = await startProxy(t, server);
  const tactful = connect(proxy.url, PATIENCE);
  const decision = await tactful.decide(question("otto"));
  proxy.loseNextAnswer = true;
  const outcome = await tactful.recordOutcome(decision, "clicked");
  assert.equal(outcome.code, ResultCode.REPEATED);
  proxy.loseNextAnswer = true;
  const standing = await tactful.giveConsent({ customerId: "otto", purpose: "personalisation", evidence: "form-1" });
  assert.equal(standing.usable, true);
  proxy.loseNextAnswer = true;
  const event = await tactful.recordEvent({ customerId: "otto", type: "page_view", fields: { page: "fibre" } });
  assert.equal(event.code, ResultCode.REPEATED);
  proxy.loseNextAnswer = true;
  const [withdrawn] = await tactful.withdrawConsent({ customerId: "otto", purposes: ["personalisation"] });
  assert.equal(withdrawn?.usable, false);
  assert.equal(proxy.loseNextAnswer, false);
  tactful.close();
});

test("a server that does not answer in time gives silence", async (t) => {
  const tactful = connect(await startMute(t), { decideTimeoutMs: 50 });
  const decision = await tactful.decide(question("anna"));
  assert.equal(decision.local, true);
  assert.deepEqual(decision.actions, []);
  assert.equal(decision.decisionId, "");
  assert.equal(decision.silence?.reason, SilenceReason.TOO_LATE);
  assert.equal(decision.silence.detail, "the server did not answer in 50 ms");
  assert.equal(decision.error?.code, Code.DeadlineExceeded);
  await assert.rejects(tactful.recordOutcome(decision, "presented"), /no step/);
  await assert.rejects(tactful.recordOutcome(decision, "presented", { actionId: "speed-test" }), /no id/);
  await assert.rejects(tactful.decide(question("anna"), { fallback: "error" }), isError(Code.DeadlineExceeded));
  tactful.close();
});

test("a server that cannot be reached gives silence", async () => {
  const tactful = connect(await closedPort(), { decideTimeoutMs: 1_000 });
  const decision = await tactful.decide(question("anna"));
  assert.equal(decision.local, true);
  assert.equal(decision.silence?.reason, SilenceReason.UNAVAILABLE);
  assert.match(decision.silence.detail, /ECONNREFUSED/);
  await assert.rejects(tactful.decide(question("anna"), { fallback: "error" }), isError(Code.Unavailable));
  await assert.rejects(tactful.ready({ timeoutMs: 1_000 }), isError(Code.Unavailable));
  tactful.close();
});

test("the delay that a busy server asks for is kept, within the deadline", async (t) => {
  const tokens = `${folder(t)}/tokens.toml`;
  const made = await run("tactful", "token", "new", "--tokens", tokens, "--name", "slow", "--scope", "decide", "--rate", "1", "--burst", "1");
  const busy = await startServer(t, "--tokens", tokens);
  const tactful = connect(busy.url, { ...PATIENCE, token: /tct_\S+/.exec(made)?.[0] });
  const first = await tactful.decide({ ...question("anna"), validateOnly: true });
  const second = await tactful.decide({ ...question("anna"), validateOnly: true });
  assert.deepEqual([first.local, second.local], [false, false]);
  const third = await tactful.decide({ ...question("anna"), validateOnly: true }, { timeoutMs: 400 });
  assert.equal(third.silence?.reason, SilenceReason.OVERLOADED);
  assert.equal(third.error?.reason, "RATE_LIMITED");
  assert(third.error.retryDelayMs !== undefined && third.error.retryDelayMs > 400);
  assert(third.silence.retryAfter && timestampDate(third.silence.retryAfter) > new Date());
  tactful.close();
});

test("a call is repeated when the server wants it, and not before", async () => {
  const WANTED = 100;
  let asked: number[] = [];
  const router = createRouterTransport(({ service }) => {
    service(DecisionService, {
      decide: () => {
        asked.push(performance.now());
        if (performance.now() - (asked[0] ?? 0) >= WANTED - 5) return { decisionId: "d-1" };
        const value = { retryDelay: durationFromMs(WANTED) };
        throw new ConnectError("busy", Code.ResourceExhausted, undefined, [{ desc: RetryInfoSchema, value }]);
      },
    });
  });
  const tactful = new Tactful({ calls: router }, PATIENCE);
  assert.equal((await tactful.decide(question("anna"))).decisionId, "d-1");
  assert.equal(asked.length, 2);
  asked = [];
  assert.equal((await tactful.decide(question("anna"), { timeoutMs: 50 })).silence?.reason, SilenceReason.OVERLOADED);
  assert.equal(asked.length, 1);
});

test("withdrawals have a connection of their own", async (t) => {
  const proxy = await startProxy(t, server);
  const tactful = connect(proxy.url, PATIENCE);
  await tactful.getConsent("wanda");
  await tactful.giveConsent({ customerId: "wanda", purpose: "personalisation", evidence: "form-3" });
  assert.equal(proxy.connections, 1);
  await tactful.withdrawConsent({ customerId: "wanda" });
  assert.equal(proxy.connections, 2);
  tactful.close();
});

test("a wrong request is an error, and is not repeated", async (t) => {
  const proxy = await startProxy(t, server);
  const tactful = connect(proxy.url, PATIENCE);
  await assert.rejects(tactful.decide({ customerId: "anna", channel: "fax" }), (error) => {
    assert(error instanceof TactfulError);
    assert.equal(error.code, Code.InvalidArgument);
    assert.equal(error.reason, "UNKNOWN_CHANNEL");
    assert.deepEqual(error.fields.map(({ field }) => field), ["channel"]);
    return true;
  });
  await assert.rejects(tactful.decide({ ...question("anna"), maxActions: -1 }), /uint32/);
  // Plain JavaScript has no types.
  await assert.rejects(tactful.decide({ ...question("anna"), context: { topic: {} } } as never), TypeError);
  assert.equal(proxy.connections, 1);
  await assert.rejects(tactful.recordEvent({ customerId: "anna", type: "page_vew" }), isError(Code.InvalidArgument, "UNKNOWN_NAME"));
  await assert.rejects(tactful.withdrawConsent({ customerId: "anna", purposes: ["personalization"] }), isError(Code.InvalidArgument));
  tactful.close();
});

test("what the customer has not allowed is an answer", async () => {
  const tactful = connect(server.url, PATIENCE);
  const event = await tactful.recordEvent({ customerId: "nora", type: "page_view", fields: { page: "fibre" } });
  assert.deepEqual([event.accepted, event.code], [false, ResultCode.NO_LAWFUL_PURPOSE]);
  const { dropped } = await tactful.setAttributes("nora", { "customer.age": 34 });
  assert.deepEqual(dropped, ["customer.age"]);
  tactful.close();
});

test("a caller may give up", async (t) => {
  const tactful = connect(await startMute(t), PATIENCE);
  const reason = new Error("the page is gone");
  const controller = new AbortController();
  const asked = tactful.decide(question("anna"), { signal: controller.signal });
  controller.abort(reason);
  await assert.rejects(asked, (error) => error === reason);
  await assert.rejects(tactful.decide(question("anna"), { signal: controller.signal }), (error) => error === reason);
  tactful.close();
});

function isError(code: Code, reason?: string) {
  return (error: unknown) => error instanceof TactfulError && error.code === code && (reason === undefined || error.reason === reason);
}
