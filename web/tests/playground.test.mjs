// The playground: the engine in WebAssembly answers as the server does, offline, and its state is the link. Needs
// `npm run playground`.
import assert from "node:assert/strict";
import { cpSync, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { gzipSync, inflateRawSync } from "node:zlib";
import { accessibility, folder, inParallel, launch, random, RULES, run, startServer } from "./support.mjs";

const PAGE = resolve(import.meta.dirname, "../playground/dist/index.html");
const skip = existsSync(PAGE) ? false : "the playground is not built";
const CUSTOMERS = 200;
const QUESTIONS = 5;

async function engine() {
  const packed = /<script type="text\/plain" id="engine">([^<]+)<\/script>/.exec(readFileSync(PAGE, "utf8"))[1];
  const { instance } = await WebAssembly.instantiate(inflateRawSync(Buffer.from(packed, "base64")), {});
  const { call_write, call_make, answer_read } = instance.exports;
  return (asked) => {
    const text = Buffer.from(JSON.stringify(asked));
    const padded = Buffer.concat([text, Buffer.alloc(3)]);
    for (let at = 0; at < text.length; at += 4) call_write(padded.readUInt32LE(at));
    const length = call_make(text.length);
    const answer = Buffer.alloc(length + 4);
    for (let at = 0; at < length; at += 4) answer.writeUInt32LE(answer_read(at) >>> 0, at);
    return JSON.parse(answer.subarray(0, length).toString());
  };
}

function files(folder, root = folder) {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return name.startsWith(".") ? [] : files(path, root);
    const isRule = (name.endsWith(".yaml") && !name.endsWith(".test.yaml")) || folder.endsWith("/notices");
    return isRule ? [{ path: relative(root, path), text: readFileSync(path, "utf8") }] : [];
  });
}

let server, browser;
before(async () => {
  if (skip) return;
  // The rules as the page has them: a rule set is named by all its files.
  const rules = join(folder(), "rules");
  cpSync(RULES, rules, { recursive: true, filter: (path) => !path.endsWith(".test.yaml") });
  [server, browser] = [await startServer("--rules", rules), await launch()];
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** A customer with a random history, on the server, and the same history for the engine in the page. */
async function history(customerId, rules, next) {
  const pick = (list) => list[Math.floor(next() * list.length)];
  const now = Date.now();
  const past = (days) => new Date(now - Math.floor(next() * days * 86_400_000)).toISOString();
  const value = (fact) => {
    if (fact.oneOf?.length) return { text: pick(fact.oneOf) };
    if (fact.type === "FACT_TYPE_NUMBER") return { number: Math.floor(next() * 100) };
    if (fact.type === "FACT_TYPE_FLAG") return { flag: next() < 0.5 };
    if (fact.type === "FACT_TYPE_MOMENT") return { moment: new Date(now + Math.floor((next() - 0.3) * 90) * 86_400_000).toISOString() };
    if (fact.type === "FACT_TYPE_SPAN") return { span: `${Math.floor(next() * 100_000)}s` };
    if (fact.type === "FACT_TYPE_LIST") return { list: { items: ["a", "b"].slice(0, Math.ceil(next() * 2)) } };
    return { text: pick(["fibre", "speed", "price", "moving", "home", "bill"]) };
  };
  const steps = [];
  const consent = async (purpose, status) => {
    const { results } = await server.call("ConsentService/RecordConsent", { customerId, changes: [{ purpose, status: `CONSENT_STATUS_${status.toUpperCase()}` }] });
    if (!results[0].accepted) return;
    const { recordsJsonLd } = await server.call("ConsentService/ListConsentRecords", { customerId, pageSize: 1 });
    steps.push({ at: JSON.parse(recordsJsonLd[0])["dct:created"], what: { consent: { purpose, status } } });
  };
  for (const purpose of rules.purposes) {
    if (next() < 0.6) await consent(purpose, next() < 0.75 ? "given" : pick(["refused", "withdrawn", "objected"]));
  }
  const recorded = () => new Date().toISOString();
  const attributes = Object.fromEntries(rules.attributes.filter(() => next() < 0.5).map((fact) => [fact.name, value(fact)]));
  if (Object.keys(attributes).length) {
    await server.call("JourneyService/SetAttributes", { customerId, attributes });
    steps.push({ at: recorded(), what: { attributes } });
  }
  for (let left = Math.floor(next() * 6); left > 0; left--) {
    const event = pick(rules.events);
    const fields = Object.fromEntries((event.fields ?? []).map((fact) => [fact.name, value(fact)]));
    const occurred = past(30);
    await server.call("JourneyService/RecordEvents", { events: [{ customerId, type: event.type, fields, occurredAt: occurred }] });
    steps.push({ at: recorded(), what: { event: { type: event.type, fields, occurred } } });
  }
  for (let left = Math.floor(next() * 4); left > 0; left--) {
    const said = { action: pick(rules.actionIds), channel: pick(rules.channels), outcome: pick(["presented", "clicked", "rejected", "not_now", "accepted", "complained"]) };
    const occurred = past(20);
    const outcome = { customerId, actionId: said.action, channel: said.channel, outcome: `OUTCOME_${said.outcome.toUpperCase()}`, occurredAt: occurred };
    await server.call("DecisionService/RecordOutcomes", { outcomes: [outcome] });
    steps.push({ at: recorded(), what: { outcome: { ...said, occurred } } });
  }
  if (next() < 0.2) await consent(pick(rules.purposes), "withdrawn");
  return steps;
}

/** What may differ: ids, and positions in a ledger, which the page does not have. */
const without = (text) => text.trim().replace(/"decisionId": "[^"]*"/, '"decisionId": ""').replace(/"ledgerPosition": "\d+"/, '"ledgerPosition": "0"');
/** When a decision was made: the first 48 bits of its id. */
const madeAt = (decisionId) => new Date(parseInt(decisionId.replaceAll("-", "").slice(0, 12), 16)).toISOString();

test("1,000 random questions are answered as `tactful decide` prints them, to the byte", { skip }, async () => {
  const ask = await engine();
  const loaded = ask({ load: files(RULES) });
  assert.deepEqual(loaded.diagnostics, []);
  const rules = await server.call("RuleService/GetRuleSet", {});
  const told = new Map();
  const customer = async (number) => {
    const next = random(number);
    const pick = (list) => list[Math.floor(next() * list.length)];
    const question = () => {
      const known = rules.context.filter(() => next() < 0.8);
      const context = Object.fromEntries(known.map((fact) => [fact.name, { text: pick(fact.oneOf ?? ["speed", "price", "moving", "bill", "other"]) }]));
      return { channel: pick(rules.channels), context, maxActions: pick([1, 1, 2, 3]) };
    };
    const customerId = `customer-${number}`;
    const steps = await history(customerId, rules, next);
    for (let left = QUESTIONS; left > 0; left--) {
      const asked = question();
      const facts = Object.entries(asked.context).flatMap(([name, { text }]) => ["--context", `${name}=${text}`]);
      const printed = await run("decide", "--server", server.address, "--customer", customerId, "--channel", asked.channel, "--max", String(asked.maxActions), ...facts, "--explain", "full", "--json");
      const at = madeAt(JSON.parse(printed).decisionId);
      const answer = ask({ ask: { steps, question: asked, at } });
      assert.equal(answer.error, undefined);
      assert.equal(answer.decision, without(printed), JSON.stringify({ steps, asked, at }, null, 1));
      steps.push({ at, what: { decision: asked } });
      const kind = JSON.parse(printed).silence?.reason ?? "a step";
      told.set(kind, (told.get(kind) ?? 0) + 1);
    }
    // At another time of day, and when all this is long ago: the command asks now only.
    const asked = question();
    const at = new Date(Date.now() + 1_000 + Math.floor(next() * 20 * 86_400_000)).toISOString();
    const { decision } = await server.call("RuleService/SimulateDecision", { request: { customerId, ...asked, explain: "EXPLAIN_LEVEL_FULL" }, at });
    const answer = JSON.parse(ask({ ask: { steps, question: asked, at } }).decision);
    assert.deepEqual({ ...decision, ledgerPosition: "0" }, withoutDefaults({ ...answer }), JSON.stringify({ steps, asked, at }, null, 1));
  };
  await inParallel(CUSTOMERS, 4, customer);
  console.log(Object.fromEntries(told));
  assert.ok(told.get("a step") > 100, "some questions are answered with a step");
  assert.ok([...told.values()].reduce((sum, count) => sum + count) === CUSTOMERS * QUESTIONS);
});

/** As the server answers over Connect: fields with their default are left out. */
function withoutDefaults(json) {
  if (Array.isArray(json)) return json.map(withoutDefaults);
  if (json === null || typeof json !== "object") return json;
  const isTold = ([name, value]) => name === "ledgerPosition" || !(value === "" || value === 0 || value === false || (Array.isArray(value) && value.length === 0));
  return Object.fromEntries(Object.entries(json).filter(isTold).map(([name, value]) => [name, withoutDefaults(value)]));
}

test("the page has at most 2 MB", { skip }, () => {
  const bytes = gzipSync(readFileSync(PAGE), { level: 9 }).length;
  assert.ok(bytes <= 2_000_000, `${bytes} bytes`);
});

test("it works from a file, with the network off, and the link restores its state", { skip }, async () => {
  const context = await browser.newContext({ offline: true, viewport: { width: 1280, height: 900 } });
  const requests = [];
  context.on("request", (request) => requests.push(request.url()));
  const page = await context.newPage();
  await page.goto(pathToFileURL(PAGE).href);
  const heading = page.locator(".answer h2").first();
  await heading.waitFor();
  assert.match(await heading.textContent(), /Measure the line/);
  // The story of the README: consent, contract, page view; then the offer.
  const record = page.getByRole("form", { name: "Record something" });
  await record.getByLabel("Of").selectOption("personalisation");
  await record.getByRole("button", { name: "Record" }).click();
  await record.getByLabel("Record", { exact: true }).selectOption("attributes");
  await record.getByLabel("customer.contract", { exact: true }).selectOption("dsl");
  await record.getByLabel("customer.age", { exact: true }).fill("34");
  await record.getByRole("button", { name: "Record" }).click();
  await record.getByLabel("Record", { exact: true }).selectOption("an event");
  await record.getByLabel("Of").selectOption("page_view");
  await record.getByLabel("page", { exact: true }).fill("fibre");
  await record.getByRole("button", { name: "Record" }).click();
  await page.locator(".answer h2", { hasText: "Fibre at today's price" }).first().waitFor();
  // A rule is changed, and a mistake is shown in its place.
  await page.getByRole("button", { name: "service/line.yaml" }).click();
  const editor = page.getByLabel("Text of service/line.yaml");
  const text = await editor.inputValue();
  await editor.fill(text.replace("base: 40", "base: 100"));
  await page.locator(".answer h2", { hasText: "Measure the line" }).first().waitFor();
  await editor.fill(text.replace("base: 40", "base: many"));
  await page.getByText("service/line.yaml:").first().waitFor();
  await editor.fill(text.replace("base: 40", "base: 99"));
  await page.locator(".answer h2", { hasText: "Measure the line" }).first().waitFor();
  // The link follows the state a moment later, as it is compressed.
  const linked = await page.waitForFunction(async () => {
    const bytes = Uint8Array.from(atob(location.hash.slice(1).replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
    const text = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"))).text();
    return text.includes("base: 99") && location.hash;
  });
  const hash = await linked.jsonValue();
  const other = await context.newPage();
  await other.goto(pathToFileURL(PAGE).href + hash);
  await other.locator(".answer h2", { hasText: "Measure the line" }).first().waitFor();
  assert.equal(await other.locator("ol.plain-list li").count(), 3);
  await other.getByRole("button", { name: "service/line.yaml" }).click();
  assert.match(await other.getByLabel("Text of service/line.yaml").inputValue(), /base: 99/);
  assert.deepEqual(await accessibility(other), []);
  assert.deepEqual(requests.filter((url) => url.startsWith("http")), []);
  await context.close();
});

for (const [width, scheme] of [[1280, "light"], [1280, "dark"], [320, "light"], [320, "dark"]]) {
  test(`axe finds nothing, and nothing sticks out, ${width} px, ${scheme}`, { skip }, async () => {
    const context = await browser.newContext({ offline: true, viewport: { width, height: 900 }, colorScheme: scheme });
    const page = await context.newPage();
    await page.goto(pathToFileURL(PAGE).href);
    await page.getByRole("button", { name: "Say it, and ask again an hour later" }).click();
    await page.getByText("asked on web, and said").waitFor();
    await page.getByText("As tactful decide").click();
    assert.match(await page.getByRole("region", { name: "The answer as JSON" }).textContent(), /"actionId": "speed-test"/);
    assert.deepEqual(await accessibility(page), []);
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0);
    await context.close();
  });
}
