// The web shop of examples/web-shop in Chromium: the step, its outcomes, Sec-GPC, and nothing when Tactful is silent, late or
// gone.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { folder, launch, RULES, run, startServer, waitWithoutEnd } from "./support.mjs";

const SHOP = resolve(import.meta.dirname, "../../examples/web-shop/shop.mjs");
let server, browser, shop, address, reader;

/** A shop that calls Tactful at an address; the port of the origin is known before Tactful starts. */
async function startShop(keys, port, tactful) {
  const child = spawn(process.execPath, [SHOP, "serve", "--keys", keys, "--port", String(port), "--tactful", tactful], { stdio: ["ignore", "pipe", "inherit"] });
  process.on("exit", () => child.kill("SIGKILL"));
  const listening = await new Promise((heard) => child.stdout.once("data", (line) => heard(String(line).trim())));
  return { child, address: listening };
}

before(async () => {
  const work = folder();
  const keys = join(work, "keys");
  await new Promise((done) => spawn(process.execPath, [SHOP, "keys", "--keys", keys]).on("exit", done));
  const tokens = join(work, "tokens.toml");
  const made = await run("token", "new", "--tokens", tokens, "--name", "test", "--scope", "read", "--scope", "rules");
  reader = /tct_\S+/.exec(made)[0];
  // A port for the shop: one that was free a moment ago, as Tactful must know the origin first.
  const probe = await startShop(keys, 0, "http://127.0.0.1:1");
  const port = new URL(probe.address).port;
  await new Promise((done) => {
    probe.child.on("exit", done);
    probe.child.kill();
  });
  address = `http://127.0.0.1:${port}`;
  server = await startServer("--rules", RULES, "--skip-tests", "--tokens", tokens, "--jwks", join(keys, "jwks.json"), "--issuer", "web-shop", "--audience", "tactful", "--allow-origin", address);
  shop = await startShop(keys, port, server.address);
  browser = await launch();
});
after(async () => {
  await browser.close();
  shop.child.kill();
  await server.stop();
});

async function visit(customer, options = {}, prepare = waitWithoutEnd) {
  const context = await browser.newContext(options);
  await context.addCookies([{ name: "visitor", value: customer, url: address }]);
  const page = await context.newPage();
  await prepare(page);
  return page;
}

const limits = async (customer) => {
  const { limits } = await server.call("JourneyService/GetCustomer", { customerId: customer }, reader);
  return Object.fromEntries(limits.map(({ limit, used }) => [limit, used ?? 0]));
};
const used = async (customer) => (await limits(customer))["speed-test: 2 per day"] ?? 0;
const recorded = (page, outcome) => page.waitForResponse((response) => response.url().endsWith("RecordOutcomes") && response.request().postData().includes(`OUTCOME_${outcome}`));

test("the step is shown, and what became of it is recorded", async () => {
  const page = await visit("paula");
  const [presented] = await Promise.all([recorded(page, "PRESENTED"), page.goto(address)]);
  assert.equal((await presented.json()).results[0].accepted, true);
  const aside = page.getByRole("complementary", { name: "For you" });
  assert.match(await aside.textContent(), /Measure your line now/);
  const [clicked] = await Promise.all([recorded(page, "CLICKED"), aside.getByRole("button", { name: "Tell me more" }).click()]);
  assert.equal((await clicked.json()).results[0].accepted, true);
  await Promise.all([recorded(page, "DISMISSED"), aside.getByRole("button", { name: "No, thanks" }).click()]);
  assert.equal(await page.locator("aside").isVisible(), false);
  assert.equal(await used("paula"), 1);
  await page.context().close();
});

test("a step that was never in sight does not count", async () => {
  const page = await visit("otto", { viewport: { width: 800, height: 90 } });
  await page.goto(address);
  await page.waitForSelector("aside:not([hidden])", { state: "attached" });
  assert.equal(await used("otto"), 1);
  await page.goto("about:blank");
  // The beacon outlives its page, and no event tells when it is answered.
  while ((await used("otto")) !== 0) await new Promise((soon) => setImmediate(soon));
  await page.context().close();
});

test("Sec-GPC is an objection before anything is decided", async () => {
  for (const [customer, options, gpc] of [["greta", { extraHTTPHeaders: { "sec-gpc": "1" } }, true], ["gustav", {}, false]]) {
    const page = await visit(customer, options);
    const [answer] = await Promise.all([page.waitForResponse((response) => response.url().endsWith("/Decide")), page.goto(address)]);
    assert.equal(answer.status(), 200);
    const { standings } = await server.call("ConsentService/GetConsent", { customerId: customer }, reader);
    const own = standings.find((standing) => standing.purpose === "own_products");
    assert.equal(own.usable ?? false, !gpc, JSON.stringify(own));
    await page.context().close();
  }
});

test("the token of a page is for its own customer", async () => {
  const page = await visit("ida");
  await page.goto(address);
  const session = await page.evaluate(async () => (await fetch("/next-step", { method: "POST" })).json());
  assert.equal(session.customer, "ida");
  await assert.rejects(server.call("DecisionService/Decide", { customerId: "paula", channel: "web" }, session.token), /another customer/);
  await assert.rejects(server.call("DecisionService/Decide", { customerId: "ida", channel: "phone" }, session.token), /other channels/);
  await assert.rejects(server.call("JourneyService/GetCustomer", { customerId: "ida" }, session.token), /scope `read`/);
  await page.context().close();
});

const NOTHING = {
  silent: (route) => route.fulfill({ json: { silence: { reason: "SILENCE_REASON_BELOW_THRESHOLD" } }, headers: { "access-control-allow-origin": "*" } }),
  late: () => {},
  gone: (route) => route.abort("connectionrefused"),
  broken: (route) => route.fulfill({ status: 500, body: "<b>", headers: { "access-control-allow-origin": "*" } }),
};
for (const [name, answer] of Object.entries(NOTHING)) {
  test(`the page is as if nothing were asked when Tactful is ${name}`, async () => {
    const errors = [];
    const page = await visit("nora", {}, async (page) => {
      page.on("pageerror", (error) => errors.push(error.message));
      await page.addInitScript(patienceOfTheTest);
      await page.route("**/Decide", answer);
    });
    const isDecide = (request) => request.url().endsWith("/Decide");
    const asked = page.waitForRequest(isDecide);
    const ended = page.waitForEvent(name === "late" || name === "gone" ? "requestfailed" : "requestfinished", isDecide);
    await page.goto(address);
    await asked;
    if (name === "late") assert.equal(await page.evaluate(() => globalThis.loseIt()), 800);
    await ended;
    assert.equal(await page.locator("aside").isVisible(), false);
    assert.deepEqual(errors, []);
    await page.context().close();
  });
}

/** A page that waits until the test says that it was too long: on a slow machine, every answer is late. */
function patienceOfTheTest() {
  AbortSignal.timeout = (milliseconds) => {
    const waiting = new AbortController();
    globalThis.loseIt = () => {
      waiting.abort(new DOMException("too late", "TimeoutError"));
      return milliseconds;
    };
    return waiting.signal;
  };
}
