// The page of an export: a year of history, in both languages, read by axe at all widths, and printed.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { accessibility, folder, launch, open, run, startServer } from "./support.mjs";

const HOSTILE = `<img src=x onerror=alert(1)>"'&`;
const DAY = 86_400_000;
let server, browser;

before(async () => {
  [server, browser] = [await startServer(), await launch()];
  const at = (days) => new Date(Date.now() - days * DAY).toISOString();
  const consent = (purpose, status, days) => ({
    purpose, status, at: at(days), evidence: `form-${days}`, language: "de", expression: HOSTILE, notice: `notices/${purpose === "personalisation" ? purpose : "marketing-email"}-v1.md`,
  });
  const lines = [
    {
      customer: "anna",
      time_zone: "Europe/Vienna",
      consents: [consent("personalisation", "given", 360), consent("marketing.email", "given", 350), consent("marketing.email", "withdrawn", 10)],
      attributes: { "customer.contract": "dsl", "customer.age": 34, "customer.contract_ends": at(-90) },
      events: [
        ...Array.from({ length: 12 }, (_, month) => ({ type: "complaint", at: at(355 - 30 * month) })),
        ...Array.from({ length: 80 }, (_, day) => ({ type: "page_view", at: at(80 - day), fields: { page: day % 7 ? "prices" : HOSTILE } })),
      ],
      contacts: Array.from({ length: 12 }, (_, month) => ({ action: "newsletter", channel: "email", at: at(350 - 30 * month) })),
      outcomes: [{ action: "newsletter", outcome: "clicked", at: at(12) }],
    },
  ];
  const file = join(folder(), "anna.jsonl");
  writeFileSync(file, lines.map((line) => JSON.stringify(line)).join("\n"));
  await run("import", file, "--server", server.address);
  await run("decide", "--customer", "anna", "--channel", "web", "--context", "topic=speed", "--context", "activity=browsing", "--server", server.address);
});

after(async () => {
  await browser.close();
  await server.stop();
});

for (const [language, heading] of [["de", "Was wir über Sie gespeichert haben"], ["en", "What we hold about you"]]) {
  test(`a year of history in ${language}`, async () => {
    const to = join(folder(), language);
    await run("customer", "export", "anna", to, "--language", language, "--server", server.address);
    const url = pathToFileURL(join(to, "index.html")).href;
    for (const [width, scheme] of [[1280, "light"], [1280, "dark"], [320, "light"]]) {
      const page = await open(browser, url, { width, scheme, bypassCSP: true });
      assert.equal(await page.textContent("h1"), heading);
      assert.equal(await page.getAttribute("html", "lang"), language);
      assert.deepEqual(await accessibility(page), [], `${language} at ${width}, ${scheme}`);
      const levels = await page.$$eval("h1, h2, h3, h4", (all) => all.map((one) => Number(one.tagName[1])));
      assert.equal(levels[0], 1);
      assert.ok(levels.every((level, place) => place === 0 || level <= levels[place - 1] + 1), `no level is left out: ${levels}`);
      assert.doesNotMatch(await page.textContent("blockquote"), /\*\*|^#/m, "a notice is formatted");
      assert.equal(await page.locator("img, script").count(), 0, "nothing of a customer is taken for markup");
      const scrolls = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
      assert.equal(scrolls, false, `the page is not wider than ${width}`);
      assert.deepEqual(page.faults, []);
      await page.close();
    }
    const page = await open(browser, url);
    const pdf = await page.pdf({ format: "A4" });
    assert.ok(pdf.length > 20_000);
    await page.emulateMedia({ media: "print" });
    const parted = await page.$$eval("h2, h3, h4, thead, h2 + .soft, h3 + .soft", (all) =>
      all.filter((one) => getComputedStyle(one).breakAfter !== "avoid").map((one) => one.textContent));
    assert.deepEqual(parted, [], "no heading stands alone at the end of a page");
    if (process.env.SHOTS) {
      mkdirSync(process.env.SHOTS, { recursive: true });
      writeFileSync(join(process.env.SHOTS, `export-${language}.pdf`), pdf);
      await page.emulateMedia({ media: "screen" });
      await page.screenshot({ path: join(process.env.SHOTS, `export-${language}.png`), fullPage: true });
    }
  });
}
