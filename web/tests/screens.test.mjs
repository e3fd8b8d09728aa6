// Every screen against a real server with the sample rules: it shows what it should, axe finds nothing, nothing sticks out,
// and nothing is asked of another origin; light and dark, 320 and 1280 pixels.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { accessibility, launch, open, settled, startServer } from "./support.mjs";

let server, browser, decision;

before(async () => {
  [server, browser] = [await startServer(), await launch()];
  const context = { topic: { text: "speed" }, activity: { text: "browsing" } };
  const asked = { customerId: "anna", channel: "web", context, explain: "EXPLAIN_LEVEL_FULL" };
  await server.call("ConsentService/RecordConsent", { customerId: "anna", changes: [{ purpose: "personalisation", status: "CONSENT_STATUS_GIVEN" }], source: { evidence: "form-4711" } });
  await server.call("JourneyService/SetAttributes", { customerId: "anna", attributes: { "customer.contract": { text: "dsl" }, "customer.age": { number: 34 } } });
  await server.call("JourneyService/RecordEvents", { events: [{ customerId: "anna", type: "page_view", fields: { page: { text: "fibre" } } }] });
  decision = (await server.call("DecisionService/Decide", asked)).decisionId;
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
  customer: ["#/customer/anna", /anna/, /broadband[\s\S]*fibre-upgrade: 1 per 30 days[\s\S]*fibre-upgrade \(web\)[\s\S]*if nothing else happens/],
  "what-if": [() => `#/what-if?customer=anna&channel=web&c.topic=t:speed&of=${decision}`, /What if/, /What was[\s\S]*What would be/],
  rules: ["#/rules", /Rules/, /24 actions[\s\S]*No problem[\s\S]*Of 1 decision in the log, 0 silences/],
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
