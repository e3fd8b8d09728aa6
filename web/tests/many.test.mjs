// Many of everything: 2,000 customers in the feed, 10,000 actions, names of 100 characters.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { accessibility, folder, launch, open, settled, startServer } from "./support.mjs";

const CUSTOMERS = 2_000;
const ACTIONS = 10_000;
const LONG = (number) => `${"a-very-long-name-of-an-action-or-a-customer-".repeat(3).slice(0, 94)}-${String(number).padStart(5, "0")}`;

let sample, large, browser;

function manyRules() {
  const rules = join(folder(), "rules");
  mkdirSync(rules);
  writeFileSync(
    join(rules, "base.yaml"),
    "purposes:\n  service: {basis: contract}\nchannels:\n  web: {direction: inbound, interruption: 2}\ncontext:\n  topic: {type: text, personal: false}\npolicy:\n  arbitration: {personal_discount: 0.5, weights: {personal: 20, pressure: 1, hurt: 1}, threshold: 0}\n  pressure: {half_life: 7 days, per_contact: {web: 1}}\n  hurt: {half_life: 30 days}\n  time_zone: Europe/Berlin\n",
  );
  for (let file = 0; file < 10; file++) {
    const actions = [];
    for (let number = 0; number < ACTIONS / 10; number++) {
      const id = LONG(file * 1_000 + number);
      const when = number % 2 ? `      - context.topic == "t${number}"` : "      - context.topic != \"none\"";
      actions.push(`  - id: ${id}\n    title: ${id}\n    kind: information\n    purpose: service\n    applicable:\n${when}\n    relevance: {base: ${5 + (number % 90)}}\n    intrusiveness: 3\n    treatments:\n      web: {text: Step ${number}}`);
    }
    writeFileSync(join(rules, `actions-${file}.yaml`), `actions:\n${actions.join("\n")}\n`);
  }
  return rules;
}

before(async () => {
  [sample, browser] = [await startServer(), await launch()];
});
after(async () => {
  await browser.close();
  await sample.stop();
  await large?.stop();
});

async function inParallel(count, most, act) {
  let next = 0;
  const worker = async () => {
    while (next < count) await act(next++);
  };
  await Promise.all(Array.from({ length: most }, worker));
}

test("decisions about 2,000 customers stream in, and only rows in sight exist", async () => {
  const page = await open(browser, `${sample.console}#/live`);
  await page.getByText("watching").waitFor();
  await inParallel(CUSTOMERS, 16, (number) =>
    sample.call("DecisionService/Decide", { customerId: number % 2 ? LONG(number) : `customer-${number}`, channel: number % 3 ? "web" : "phone", context: { topic: { text: "speed" }, activity: { text: "browsing" } } }),
  );
  // Every decision is a row, or counted as missed where this machine is too slow for the stream.
  const told = (count) => {
    const [, rows, , missed] = /^(\d+) decisions, (.*) silent(?:, (\d+) missed)?/.exec(document.querySelector("main .lead").textContent.replaceAll("\u202f", "")) ?? [];
    return Number(rows) + Number(missed ?? 0) === count && Number(rows);
  };
  const size = await (await page.waitForFunction(told, CUSTOMERS, { timeout: 120_000 })).jsonValue();
  assert.equal(await page.evaluate(() => Number(document.querySelector('[role="option"]').getAttribute("aria-setsize"))), size);
  const drawn = () => page.locator('[role="option"]').count();
  assert.ok((await drawn()) < 40);
  const list = page.getByRole("listbox", { name: "Decisions, newest first" });
  await list.focus();
  await page.keyboard.press("End");
  await page.waitForFunction((size) => document.querySelector('[aria-selected="true"]')?.getAttribute("aria-posinset") === String(size), size);
  assert.ok((await drawn()) < 40);
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => location.hash.startsWith("#/why/"));
  assert.deepEqual(page.faults, []);
  await page.close();
});

test("10,000 actions with names of 100 characters", async () => {
  large = await startServer("--rules", manyRules(), "--once");
  const { decisionId } = await large.call("DecisionService/Decide", { customerId: LONG(1), channel: "web", context: { topic: { text: "t7" } }, explain: "EXPLAIN_LEVEL_FULL" });
  for (const width of [1280, 320]) {
    for (const hash of [`#/why/${decisionId}`, "#/rules", `#/customer/${LONG(1)}`]) {
      const page = await open(browser, large.console + hash, { width });
      await settled(page);
      await page.waitForLoadState("networkidle");
      const [over, drawn] = await page.evaluate(() => [document.documentElement.scrollWidth - innerWidth, document.querySelectorAll('[role="option"]').length]);
      assert.ok(over <= 0, `${hash} at ${width}: ${over} px too wide`);
      assert.ok(drawn < 60, `${drawn} rows are drawn`);
      if (width === 320) assert.deepEqual(await accessibility(page), []);
      assert.deepEqual(page.faults, []);
      if (hash.startsWith("#/why")) {
        await page.getByLabel("Find an action").fill("09999");
        await page.waitForFunction(() => document.querySelectorAll('[role="option"]').length === 1);
        assert.match(await page.locator(".detail h3").textContent(), /09999$/);
      }
      await page.close();
    }
  }
});
