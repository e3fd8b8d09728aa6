// Takes the pictures of docs/console: every screen at 1280 and 320 pixels, light and dark, on a server with 2,000 customers.
// `npm run shots [FOLDER]`; with WHOLE=1, each page from its top to its end.
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { populate } from "./tests/population.mjs";
import { launch, settled, startServer } from "./tests/support.mjs";

const to = resolve(process.argv[2] ?? join(import.meta.dirname, "../docs/console"));
const [server, browser] = [await startServer("--sample-decisions", "4"), await launch()];
await populate(server);
const browsing = { topic: { text: "speed" }, activity: { text: "browsing" } };
const decide = (customerId, channel = "web", context = browsing) => server.call("DecisionService/Decide", { customerId, channel, context, explain: "EXPLAIN_LEVEL_FULL" });
const consent = (purpose, status, evidence) =>
  server.call("ConsentService/RecordConsent", { customerId: "anna", changes: [{ purpose, status: `CONSENT_STATUS_${status}`, language: "de", expression: "ticked a box" }], source: { channel: "web", evidence } });
await consent("personalisation", "GIVEN", "form-4711");
await consent("marketing.email", "GIVEN", "form-4712");
await consent("marketing.email", "WITHDRAWN", "letter-17");
await server.call("JourneyService/SetAttributes", { customerId: "anna", attributes: { "customer.contract": { text: "dsl" }, "customer.age": { number: 34 } } });
await server.call("JourneyService/RecordEvents", { events: [{ customerId: "anna", type: "page_view", fields: { page: { text: "fibre" } } }] });
const { decisionId } = await decide("anna");
await server.call("DecisionService/RecordOutcomes", { outcomes: [{ customerId: "anna", decisionId, actionId: "fibre-upgrade", outcome: "OUTCOME_NOT_NOW" }] });
await server.call("JourneyService/RecordEvents", { events: [{ customerId: "anna", type: "outage" }] });
await decide("anna", "phone");
await decide("anna", "web", { ...browsing, activity: { text: "checkout" } });

const PAGES = {
  home: "#/",
  why: `#/why/${decisionId}`,
  customer: "#/customer/anna",
  "what-if": `#/what-if?customer=anna&channel=web&c.topic=t:speed&c.activity=t:browsing&s.personalisation=withdrawn&of=${decisionId}`,
  rules: "#/rules",
  consent: "#/consent/anna",
  live: "#/live",
  health: "#/health",
  card: `card.html#customer=customer-1&channel=web&topic=speed&activity=browsing`,
  playground: pathToFileURL(resolve(import.meta.dirname, "playground/dist/index.html")).href,
};
/** What is done before the picture is taken. */
const PREPARED = {
  live: async (page) => {
    await page.getByText("watching").waitFor();
    for (let number = 1; number <= 24; number++) await decide(`customer-${number}`, number % 3 ? "web" : "phone", { topic: { text: ["speed", "price", "moving"][number % 3] }, activity: { text: "browsing" } });
    await page.locator(".feed-row").nth(10).waitFor();
    await page.keyboard.press("Escape");
  },
  consent: async (page) => {
    await page.getByRole("button", { name: "Get the receipt and check it" }).first().click();
    await page.locator(".notice.good").first().waitFor();
  },
  card: (page) => page.getByRole("button", { name: "said" }).waitFor(),
  playground: (page) => page.locator(".answer h2").first().waitFor(),
};

mkdirSync(to, { recursive: true });
let bytes = 0;
for (const [name, link] of Object.entries(PAGES)) {
  for (const width of name === "card" ? [320] : [1280, 320]) {
    for (const scheme of ["light", "dark"]) {
      const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: scheme });
      const page = await context.newPage();
      await page.goto(link.startsWith("file:") ? link : server.console + link);
      await (PREPARED[name] ?? settled)(page);
      // A feed stays open.
      if (name !== "live") await page.waitForLoadState("networkidle");
      const height = await page.evaluate(() => document.documentElement.scrollHeight);
      const clip = { x: 0, y: 0, width, height: process.env.WHOLE ? height : Math.min(height, name === "card" ? 300 : width === 1280 ? 1_150 : 900), scale: 1 };
      const cdp = await context.newCDPSession(page);
      const { data } = await cdp.send("Page.captureScreenshot", { format: "webp", quality: 70, clip, captureBeyondViewport: true });
      const picture = Buffer.from(data, "base64");
      bytes += picture.length;
      writeFileSync(join(to, `${name}-${width}-${scheme}.webp`), picture);
      await context.close();
    }
  }
}
console.log(`${bytes} bytes`);
await browser.close();
await server.stop();
