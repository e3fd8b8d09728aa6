// What others wrote is text: markup and scripts in every field that a page shows stay inert.
import assert from "node:assert/strict";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { folder, launch, open, RULES, settled, startServer } from "./support.mjs";

const CORPUS = [
  "<script>globalThis.pwned=1</script>",
  "<img src=x onerror=globalThis.pwned=1>",
  "<svg/onload=globalThis.pwned=1>",
  "\"><iframe srcdoc='<script>parent.pwned=1</script>'>",
  "javascript:globalThis.pwned=1",
  "'-globalThis.pwned=1-'",
  "${globalThis.pwned=1}{{constructor.constructor('globalThis.pwned=1')()}}",
  "</title><style>*{display:none}</style><base href=//evil.example>",
  "<a href=\"javascript:globalThis.pwned=1\">x</a><details open ontoggle=globalThis.pwned=1>",
];
const ALL = CORPUS.join(" ");

let server, browser, decision, rules;

before(async () => {
  rules = folder();
  cpSync(RULES, rules, { recursive: true });
  // Texts of the rules, too.
  const file = join(rules, "service/line.yaml");
  const changed = readFileSync(file, "utf8").replace(/^( +)title: Measure the line$/m, (_, indent) => `${indent}title: ${JSON.stringify(ALL)}`);
  assert.ok(changed.includes("pwned"));
  writeFileSync(file, changed);
  server = await startServer("--rules", rules, "--skip-tests");
  browser = await launch();
  for (const customerId of [...CORPUS, "anna"]) {
    const source = { channel: ALL, actor: CORPUS[0], evidence: ALL };
    const change = { purpose: "personalisation", status: "CONSENT_STATUS_GIVEN", notice: ALL, expression: ALL, language: "de" };
    await server.call("ConsentService/RecordConsent", { customerId, changes: [change], source });
    await server.call("JourneyService/SetAttributes", { customerId, attributes: { "customer.product": { text: ALL }, "customer.contract": { text: "dsl" } } }).catch(() => {});
    await server.call("JourneyService/RecordEvents", { events: [{ customerId, type: "page_view", fields: { page: { text: ALL } } }] });
  }
  const asked = { customerId: CORPUS[1], channel: "web", context: { topic: { text: "speed" }, activity: { text: "browsing" } }, explain: "EXPLAIN_LEVEL_FULL" };
  decision = (await server.call("DecisionService/Decide", asked)).decisionId;
});
after(async () => {
  await browser.close();
  await server.stop();
});

const id = encodeURIComponent;
const pages = {
  why: () => `#/why/${decision}`,
  "why of markup": () => `#/why/${id(ALL)}`,
  "what-if": () => `#/what-if?customer=${id(CORPUS[1])}&channel=web&c.topic=t:${id(ALL)}&of=${decision}`,
  "what-if of supposed markup": () => `#/what-if?customer=anna&channel=web&s.${id(ALL)}=given&s.personalisation=${id(ALL)}`,
  "rules, only markup": () => `#/rules?only=${id(ALL)}`,
  rules: () => `#/rules?find=${id(ALL)}`,
  "an unknown screen": () => `#/${id(ALL)}/${id(ALL)}?${id(ALL)}`,
};
for (const [index, customer] of CORPUS.entries()) {
  pages[`customer ${index}`] = () => `#/customer/${id(customer)}`;
  pages[`consent ${index}`] = () => `#/consent/${id(customer)}?purpose=${id(customer)}`;
}
pages["consent of anna"] = () => "#/consent/anna";

async function isInert(page, name) {
  const found = await page.evaluate(() => ({
    pwned: globalThis.pwned,
    scripts: document.querySelectorAll("script, iframe, base, style, [onerror], [onload], [ontoggle]").length,
    links: [...document.querySelectorAll("a[href]")].filter((link) => /^\s*javascript:/i.test(link.getAttribute("href"))).length,
    images: document.querySelectorAll("img:not(.brand img)").length,
  }));
  assert.deepEqual(found, { pwned: undefined, scripts: 1, links: 0, images: 0 }, name);
  assert.deepEqual(page.faults, [], name);
}

for (const [name, hash] of Object.entries(pages)) {
  test(`${name} is inert`, async () => {
    const page = await open(browser, server.console + hash());
    await settled(page);
    await page.waitForLoadState("networkidle");
    await isInert(page, name);
    await page.close();
  });
}

test("the live feed is inert", async () => {
  const page = await open(browser, `${server.console}#/live`);
  await page.getByText("watching").waitFor();
  for (const customerId of CORPUS) await server.call("DecisionService/Decide", { customerId, channel: "phone" });
  await page.locator(".feed-row").nth(CORPUS.length - 1).waitFor();
  await isInert(page, "live");
  await page.close();
});

test("a mistake in a rule file is shown as text", async () => {
  writeFileSync(join(rules, "broken.yaml"), `actions:\n  - id: broken\n    kind: ${JSON.stringify(ALL)}\n    ${JSON.stringify(CORPUS[1])}: 1\n`);
  await server.call("RuleService/ReloadRules", {});
  const page = await open(browser, `${server.console}#/rules`);
  await page.getByText("refused").first().waitFor();
  await page.locator(".diagnostics li").first().waitFor();
  await isInert(page, "rules");
  await page.close();
});
