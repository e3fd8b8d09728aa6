// The story of the README, by mouse and by keyboard alone: the offer comes with the consent and goes with it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open, settled, startServer } from "./support.mjs";

let server, browser;

before(async () => {
  [server, browser] = [await startServer(), await launch()];
});
after(async () => {
  await browser.close();
  await server.stop();
});

/** What a person does, told in labels; `hand` does it by mouse or by keyboard. */
async function story(hand) {
  const ask = async (title) => {
    await hand.choose("Channel", "web");
    await hand.type("topic", "speed");
    await hand.choose("activity", "browsing");
    await hand.press("Decide");
    await hand.sees(new RegExp(`Say ${title} to ${hand.customer} on web`));
  };
  const consent = async (change) => {
    await hand.choose("Change", change);
    await hand.choose("Purpose", "personalisation");
    await hand.type("Evidence", "form-4711");
    await hand.press("Record");
    await hand.sees(new RegExp(`Recorded: ${change}`));
  };
  await hand.within("Ask for the next step", () => ask("Measure the line"));
  await hand.within("Record a consent", () => consent("given"));
  await hand.within("Set attributes", async () => {
    await hand.choose("customer.contract", "dsl");
    await hand.type("customer.age", "34");
    await hand.press("Store");
    await hand.sees(/Stored/);
  });
  await hand.within("Record an event", async () => {
    await hand.choose("Event", "page_view");
    await hand.type("page", "fibre");
    await hand.press("Record");
    await hand.sees(/Recorded/);
  });
  await hand.within("Ask for the next step", () => ask("Fibre at today.s price"));
  await hand.within("Record a consent", () => consent("withdrawn"));
  await hand.within("Ask for the next step", () => ask("Measure the line"));
}

test("the story of the README by mouse", async () => {
  const page = await open(browser, `${server.console}#/customer/mia`);
  await settled(page);
  let part;
  await story({
    customer: "mia",
    async within(title, act) {
      part = page.locator("details", { has: page.locator("summary", { hasText: title }) });
      if ((await part.getAttribute("open")) === null) await part.locator("summary").click();
      await act();
    },
    choose: (label, value) => part.getByLabel(label, { exact: true }).selectOption(value),
    type: (label, text) => part.getByLabel(label, { exact: true }).fill(text),
    press: (name) => part.getByRole("button", { name, exact: true }).click(),
    sees: (text) => part.getByText(text).first().waitFor(),
  });
  assert.deepEqual(page.faults, []);
  await page.close();
});

test("the story of the README by keyboard alone", async () => {
  const page = await open(browser, `${server.console}#/`);
  await settled(page);
  await page.keyboard.press("/");
  await page.keyboard.type("ken");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector("h1")?.textContent === "ken");
  /** Tabs on to what has a name, inside the open part. */
  const reach = async (name) => {
    for (let presses = 0; presses < 250; presses++) {
      await page.keyboard.press("Tab");
      const focused = await page.evaluate(() => {
        const here = document.activeElement;
        const label = here?.id ? document.querySelector(`label[for="${CSS.escape(here.id)}"]`)?.textContent : "";
        return { name: label || here?.textContent, part: here?.closest("details")?.querySelector("summary")?.textContent, kind: here?.tagName };
      });
      if (focused.name === name && (focused.kind === "SUMMARY" || focused.part === part)) return;
    }
    assert.fail(`${name} is not reached`);
  };
  let part = "";
  await story({
    customer: "ken",
    async within(title, act) {
      part = title;
      await reach(title);
      if (!(await page.evaluate(() => document.activeElement.parentElement.open))) await page.keyboard.press("Enter");
      await act();
    },
    async choose(label, value) {
      await reach(label);
      // Letters typed with a pause between them would begin again: a slow machine makes one.
      await page.keyboard.press("Home");
      for (let presses = 0; presses < 50; presses++) {
        if (await page.evaluate((value) => document.activeElement.value === value, value)) return;
        await page.keyboard.press("ArrowDown");
      }
      assert.fail(`${label} has no ${value}`);
    },
    async type(label, text) {
      await reach(label);
      await page.keyboard.press("Control+a");
      await page.keyboard.type(text);
    },
    async press(name) {
      await reach(name);
      await page.keyboard.press("Enter");
    },
    async sees(text) {
      await page.locator("details", { has: page.locator("summary", { hasText: part }) }).getByText(text).first().waitFor();
    },
  });
  assert.deepEqual(page.faults, []);
  await page.close();
});
