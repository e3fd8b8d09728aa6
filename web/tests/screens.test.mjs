// Every screen against a real server with the sample rules and 2,000 customers: it shows what it should, axe finds nothing,
// nothing sticks out, and nothing is asked of another origin; light and dark, 320 and 1280 pixels.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { customerId, populate } from "./population.mjs";
import { accessibility, launch, open, settled, startServer } from "./support.mjs";

let server, browser, decision;

before(async () => {
  [server, browser] = [await startServer("--sample-decisions", "4"), await launch()];
  await populate(server);
  for (const customerId of ["anna", "carla"]) {
    await server.call("ConsentService/RecordConsent", { customerId, changes: [{ purpose: "personalisation", status: "CONSENT_STATUS_GIVEN" }], source: { evidence: "form-4711" } });
    await server.call("JourneyService/SetAttributes", { customerId, attributes: { "customer.contract": { text: "dsl" }, "customer.age": { number: 34 } } });
    await server.call("JourneyService/RecordEvents", { events: [{ customerId, type: "page_view", fields: { page: { text: "fibre" } } }] });
  }
  const context = { topic: { text: "speed" }, activity: { text: "browsing" } };
  const asked = { customerId: "anna", channel: "web", context, explain: "EXPLAIN_LEVEL_FULL" };
  decision = (await server.call("DecisionService/Decide", asked)).decisionId;
  const outcome = { customerId: "anna", decisionId: decision, actionId: "fibre-upgrade", outcome: "OUTCOME_REJECTED" };
  await server.call("DecisionService/RecordOutcomes", { outcomes: [outcome] });
  await server.call("JourneyService/RecordEvents", { events: [{ customerId: "ben", type: "complaint" }] });
});
after(async () => {
  await browser.close();
  await server.stop();
});

const SCREENS = {
  home: ["#/", /Look instead of read/, /Running/],
  why: [() => `#/why/${decision}`, /Fibre at today’s price|Fibre at today's price/, /you asked about speed/],
  "why, unknown": ["#/why/01a22dce-a0e3-7000-8987-c32f20de3701", /Why/, /no decision/],
  "why, empty": ["#/why", /Why was this said/, /id of a decision[\s\S]*newest decisions[\s\S]*fibre-upgrade[\s\S]*anna on web/],
  customer: ["#/customer/anna", /anna/, /broadband[\s\S]*fibre-upgrade: 1 per 30 days[\s\S]*fibre-upgrade: rejected \(web\)[\s\S]*fibre-upgrade \(web\)[\s\S]*if nothing else happens/],
  "customer, hurt": ["#/customer/ben", /ben/, /complaint: 80.0 points of hurt/],
  "one customer of many": [() => `#/customer/${customerId(1_950)}`, /xx1950/, /What may be used[\s\S]*What happened/],
  "what-if, supposing": [() => `#/what-if?customer=anna&channel=web&c.topic=t:speed&s.personalisation=withdrawn&of=${decision}`, /What if/, /Consents \(1 supposition\)[\s\S]*What would be[\s\S]*Measure the line/],
  "what-if": [() => `#/what-if?customer=anna&channel=web&c.topic=t:speed&of=${decision}`, /What if/, /What was[\s\S]*What would be/],
  rules: ["#/rules", /Rules/, /24 actions[\s\S]*No problem[\s\S]*Of 2\u202f001 decisions in the log, [1-9][\s\S]*never won[\s\S]*always won/],
  consent: ["#/consent/anna", /anna/, /form-4711/],
  live: ["#/live", /Live/, /0 decisions/],
  health: ["#/health", /Health/, /The server takes calls/],
};

for (const [name, [hash, heading, content]] of Object.entries(SCREENS)) {
  for (const [width, scheme] of [[1280, "light"], [1280, "dark"], [320, "light"], [320, "dark"]]) {
    test(`${name}, ${width} px, ${scheme}`, async () => {
      const page = await open(browser, server.console + (typeof hash === "function" ? hash() : hash), { width, scheme });
      await settled(page);
      assert.match(await page.textContent("h1"), heading);
      await page.waitForFunction((pattern) => new RegExp(pattern).test(document.querySelector("main").textContent), content.source);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(over <= 0, `the page is ${over} px too wide`);
      assert.deepEqual(await accessibility(page), []);
      assert.deepEqual(page.faults, []);
      await page.close();
    });
  }
}

test("what if a consent were withdrawn, and given again", async () => {
  const page = await open(browser, `${server.console}#/what-if?customer=carla&channel=web&c.topic=t:speed&c.activity=t:browsing`);
  const answer = page.getByRole("region", { name: "What would be" });
  await answer.getByRole("heading", { name: /Fibre/ }).first().waitFor();
  await page.getByText("Consents as they are").click();
  await page.getByLabel("personalisation", { exact: true }).selectOption("withdrawn");
  await answer.getByRole("heading", { name: /Measure the line/ }).first().waitFor();
  assert.match(page.url(), /s\.personalisation=withdrawn/);
  await page.reload();
  await answer.getByRole("heading", { name: /Measure the line/ }).first().waitFor();
  await page.getByLabel("personalisation", { exact: true }).selectOption("as it is: may be used");
  await answer.getByRole("heading", { name: /Fibre/ }).first().waitFor();
  const { standings } = await server.call("ConsentService/GetConsent", { customerId: "carla" });
  assert.equal(standings.find((one) => one.purpose === "personalisation").usable, true, "nothing was recorded");
  assert.deepEqual(page.faults, []);
  await page.close();
});

test("rules that always won and never won are those of the report", async () => {
  const page = await open(browser, `${server.console}#/rules?only=always+won`);
  const detail = page.locator(".detail", { hasText: "Won, where it had a score" });
  await detail.waitFor();
  assert.match(await detail.textContent(), /Won, where it had a score([1-9]\d*) of \1 \(100 %\)/);
  await page.getByRole("button", { name: /^never won/ }).click();
  await page.waitForFunction(() => /Won, where it had a score0 of [1-9]/.test(document.querySelector(".detail").textContent));
  await page.close();
});
