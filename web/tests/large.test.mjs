// Every screen with 10,000 actions, and names of 100 characters: nothing sticks out, axe finds nothing, and only rows in
// sight exist; 1280 pixels light and 320 dark. (many.test.mjs looks for one action among them.)
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { accessibility, folder, launch, open, settled, startServer } from "./support.mjs";

const long = (kind, number = 0) => `${kind}_${"a_very_long_name_".repeat(6).slice(0, 94 - kind.length)}${String(number).padStart(5, "0")}`;
const ACTIONS = 10_000;
const [customerId, channel, purpose, topic] = [long("customer"), long("channel"), long("purpose"), long("topic")];

function rules() {
  const path = join(folder(), "rules");
  mkdirSync(path);
  writeFileSync(
    join(path, "base.yaml"),
    `purposes:\n  ${purpose}: {basis: consent}\nchannels:\n  ${channel}: {direction: inbound, interruption: 2}\ncontext:\n  ${topic}: {type: text, personal: false}\npolicy:\n  arbitration: {personal_discount: 0.5, weights: {personal: 20, pressure: 1, hurt: 1}, threshold: 0}\n  pressure: {half_life: 7 days, per_contact: {${channel}: 1}}\n  hurt: {half_life: 30 days}\n  time_zone: Europe/Berlin\n`,
  );
  const action = (number) =>
    `  - {id: ${long("action", number)}, title: ${long("title", number)}, kind: information, purpose: ${purpose}, applicable: ['context.${topic} != "${number % 2 ? "none" : "some"}"'], relevance: {base: ${5 + (number % 90)}}, intrusiveness: 3, treatments: {${channel}: {text: ${long("text", number)}}}}`;
  for (let file = 0; file < 10; file++) {
    writeFileSync(join(path, `actions-${file}.yaml`), `actions:\n${Array.from({ length: ACTIONS / 10 }, (_, number) => action(file * 1_000 + number)).join("\n")}\n`);
  }
  return path;
}

let server, browser, decision;
before(async () => {
  [server, browser] = [await startServer("--rules", rules(), "--once", "--sample-decisions", "1"), await launch()];
  await server.call("ConsentService/RecordConsent", { customerId, changes: [{ purpose, status: "CONSENT_STATUS_GIVEN" }], source: { evidence: long("evidence"), actor: long("actor") } });
  decision = (await server.call("DecisionService/Decide", { customerId, channel, context: { [topic]: { text: "some" } }, explain: "EXPLAIN_LEVEL_FULL" })).decisionId;
  const outcome = { decisionId: decision, customerId, actionId: long("action", 89), outcome: "OUTCOME_CLICKED" };
  await server.call("DecisionService/RecordOutcomes", { outcomes: [outcome] });
});
after(async () => {
  await browser.close();
  await server.stop();
});

const SCREENS = {
  home: () => "#/",
  why: () => `#/why/${decision}`,
  "why, empty": () => "#/why",
  customer: () => `#/customer/${customerId}`,
  "what-if": () => `#/what-if?customer=${customerId}&channel=${channel}&s.${purpose}=withdrawn&of=${decision}`,
  rules: () => "#/rules",
  consent: () => `#/consent/${customerId}`,
  live: () => "#/live",
  health: () => "#/health",
};

for (const [name, hash] of Object.entries(SCREENS)) {
  for (const [width, scheme] of [[1280, "light"], [320, "dark"]]) {
    test(`${name}, ${width} px, ${scheme}`, async () => {
      const page = await open(browser, server.console + hash(), { width, scheme });
      await settled(page);
      if (name === "live") {
        await page.getByText("watching").waitFor();
        await server.call("DecisionService/Decide", { customerId, channel });
        await page.locator(".feed-row").first().waitFor();
      }
      const [over, drawn] = await page.evaluate(() => [document.documentElement.scrollWidth - innerWidth, document.querySelectorAll('[role="option"]').length]);
      assert.ok(over <= 0, `${over} px too wide`);
      assert.ok(drawn < 80, `${drawn} rows are drawn`);
      assert.deepEqual(await accessibility(page), []);
      if (process.env.SHOTS) await page.screenshot({ path: join(process.env.SHOTS, `large-${name}-${width}.png`), fullPage: true });
      assert.deepEqual(page.faults, []);
      await page.close();
    });
  }
}
