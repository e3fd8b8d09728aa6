// Tokens, TLS, and facts of every type.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { Code, connect, durationFromMs, SilenceReason, TactfulError, type Attributes } from "@tactful/client";
import { toJson } from "@bufbuild/protobuf";
import { GetCallerResponseSchema, JourneyService } from "@tactful/client/proto";
import { folder, PATIENCE, run, startServer } from "./support.js";

const question = { customerId: "anna", channel: "web", context: { topic: "speed" } };
const work = folder({ after });
const [cert, key, tokens] = [`${work}/cert.pem`, `${work}/key.pem`, `${work}/tokens.toml`];
const names = ["-subj", "/CN=tactful", "-addext", "subjectAltName=IP:127.0.0.1"];
await run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", ...names, "-keyout", key, "-out", cert);
const ca = readFileSync(cert, "utf8");
const scopes = ["decide", "outcomes", "events", "consent", "withdraw", "read"].flatMap((scope) => ["--scope", scope]);
const made = await run("tactful", "token", "new", "--tokens", tokens, "--name", "shop", ...scopes);
const token = /tct_\S+/.exec(made)?.[0] ?? "";
const server = await startServer({ after }, "--tls-cert", cert, "--tls-key", key, "--tokens", tokens);

test("a token and TLS", async () => {
  const tactful = connect(server.url, { ...PATIENCE, ca, token });
  const caller = await tactful.ready();
  assert.equal(caller.name, "shop");
  const decision = await tactful.decide(question);
  assert.equal(decision.local, false);
  await tactful.giveConsent({ customerId: "anna", purpose: "personalisation", evidence: "form-1" });
  const [standing] = await tactful.withdrawConsent({ customerId: "anna", purposes: ["personalisation"] });
  assert.equal(standing?.deniedBecause, "withdrawn");
  tactful.close();
});

test("a token that changes is asked for with each call", async () => {
  const tokens = ["tct_wrong", token];
  const tactful = connect(server.url, { ...PATIENCE, ca: Buffer.from(ca), token: async () => tokens.shift() ?? token });
  await assert.rejects(tactful.ready(), isError(Code.Unauthenticated, "TOKEN_INVALID"));
  assert.deepEqual(toJson(GetCallerResponseSchema, await tactful.ready()), {
    known: true,
    name: "shop",
    scopes: ["SCOPE_DECIDE", "SCOPE_OUTCOMES", "SCOPE_EVENTS", "SCOPE_CONSENT", "SCOPE_WITHDRAW", "SCOPE_READ"],
  });
  tactful.close();
});

test("a wrong caller is an error, a certificate that is not trusted gives silence", async () => {
  const unknown = connect(server.url, { ...PATIENCE, ca });
  await assert.rejects(unknown.decide(question), isError(Code.Unauthenticated, "TOKEN_MISSING"));
  unknown.close();
  const distrustful = connect(server.url, { token });
  const decision = await distrustful.decide(question, { timeoutMs: 2_000 });
  assert.equal(decision.silence?.reason, SilenceReason.UNAVAILABLE);
  assert.match(decision.silence.detail, /certificate/);
  distrustful.close();
});

test("headers are sent", async () => {
  const tactful = connect(server.url, { ...PATIENCE, ca });
  assert.equal((await tactful.ready({ headers: { authorization: `Bearer ${token}` } })).name, "shop");
  tactful.close();
});

test("an address has a scheme", () => {
  for (const url of ["127.0.0.1:50051", "localhost:50051", ""]) assert.throws(() => connect(url), /is not an address such as/);
});

test("facts of every type", async () => {
  const tactful = connect(server.url, { ...PATIENCE, ca, token });
  await tactful.giveConsent({ customerId: "tess", purpose: "personalisation", evidence: "form-2" });
  const known = async () => (await tactful.client(JourneyService).getCustomer({ customerId: "tess" })).attributes;
  await tactful.setAttributes("tess", { "customer.contract": "dsl", "customer.age": 34 }, { timeZone: "Europe/Vienna" });
  assert.deepEqual((await known())["customer.age"]?.kind, { case: "number", value: 34 });
  await tactful.setAttributes("tess", { "customer.age": null, "customer.contract": undefined });
  assert.deepEqual(Object.keys(await known()), ["customer.contract"]);
  for (const [sent, type] of [
    [true, "a flag"],
    [new Date(0), "a moment"],
    [durationFromMs(90_000), "a duration"],
    [["a", "b"], "a list"],
  ] as const) {
    await assert.rejects(tactful.setAttributes("tess", { "customer.age": sent }), (error) => error instanceof TactfulError && error.message.includes(type));
  }
  const wrong = { "customer.age": new Date(Number.NaN) } satisfies Attributes;
  await assert.rejects(tactful.setAttributes("tess", wrong), /`customer.age` is not a valid date/);
  tactful.close();
});

function isError(code: Code, reason: string) {
  return (error: unknown) => error instanceof TactfulError && error.code === code && error.reason === reason;
}
