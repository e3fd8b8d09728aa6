// The proof is checked in the page: it holds for the receipt of the server, and for none that was changed.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open, settled, startServer } from "./support.mjs";

let server, browser;

before(async () => {
  [server, browser] = [await startServer(), await launch()];
  for (let round = 0; round < 7; round++) {
    const status = round % 2 ? "CONSENT_STATUS_WITHDRAWN" : "CONSENT_STATUS_GIVEN";
    await server.call("ConsentService/RecordConsent", { customerId: "anna", changes: [{ purpose: "personalisation", status }], source: { evidence: `form-${round}` } });
  }
});
after(async () => {
  await browser.close();
  await server.stop();
});

test("every receipt is verified", async () => {
  const page = await open(browser, `${server.console}#/consent/anna`);
  await settled(page);
  await page.locator("article").nth(6).waitFor();
  for (const button of await page.getByRole("button", { name: "Get the receipt and check it" }).all()) await button.focus();
  for (let round = 0; round < 7; round++) await page.getByRole("button", { name: "Get the receipt and check it" }).first().click();
  await page.locator(".notice.good").nth(6).waitFor();
  const told = await page.locator(".notice.good").allTextContents();
  assert.deepEqual(told.map((text) => /record (\d+) of 7/.exec(text)?.[1]), ["7", "6", "5", "4", "3", "2", "1"]);
  assert.deepEqual(page.faults, []);
  await page.close();
});

const CHANGES = {
  "another index": (proof) => proof.replace(/^index (\d+)$/m, (_, index) => `index ${Number(index) ^ 1}`),
  "another record": (proof) => proof.replace(/^extra (.*)$/m, (_, extra) => `extra ${Buffer.from(Buffer.from(extra, "base64").map((byte, at) => (at === 200 ? byte ^ 1 : byte))).toString("base64")}`),
  "another size": (proof) => proof.replace(/^7$/m, "8"),
  "a hash less": (proof) => proof.replace(/^(index .*)\n.*$/m, "$1"),
  "another signature": (proof) => proof.replace(/(— \S+ \S{20})(\S)/, (_, before, letter) => before + (letter === "A" ? "B" : "A")),
  "no signature": (proof) => proof.replace(/^— .*\n$/m, ""),
};

for (const [name, change] of Object.entries(CHANGES)) {
  test(`a receipt with ${name} is not verified`, async () => {
    const page = await open(browser, `${server.console}#/`);
    await page.route("**/GetReceipt", async (route) => {
      const answer = await (await route.fetch()).json();
      const changed = change(answer.tlogProof);
      assert.notEqual(changed, answer.tlogProof);
      await route.fulfill({ json: { ...answer, tlogProof: changed } });
    });
    await page.goto(`${server.console}#/consent/anna`);
    await page.getByRole("button", { name: "Get the receipt and check it" }).first().click();
    await page.getByText("Not verified:").waitFor();
    assert.equal(await page.locator(".notice.good").count(), 0);
    await page.close();
  });
}
