// With tokens: the console asks for one, and what it does not allow is not there.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { accessibility, folder, launch, open, run, settled, startServer } from "./support.mjs";

let server, browser, decision;
const tokens = {};

const CALLERS = {
  everything: ["decide", "outcomes", "events", "consent", "withdraw", "read", "simulate", "privacy", "rules", "admin", "watch"],
  lead: ["read"],
  marketer: ["rules", "simulate"],
  desk: ["read", "decide", "outcomes", "withdraw"],
  nobody: ["metrics"],
};

before(async () => {
  const file = join(folder(), "tokens.toml");
  for (const [name, scopes] of Object.entries(CALLERS)) {
    const made = await run("token", "new", "--tokens", file, "--name", name, ...scopes.flatMap((scope) => ["--scope", scope]));
    tokens[name] = /tct_\S+/.exec(made)[0];
  }
  [server, browser] = [await startServer("--tokens", file), await launch()];
  const asked = { customerId: "anna", channel: "web", context: { topic: { text: "speed" }, activity: { text: "browsing" } }, explain: "EXPLAIN_LEVEL_FULL" };
  decision = (await server.call("DecisionService/Decide", asked, tokens.everything)).decisionId;
});
after(async () => {
  await browser.close();
  await server.stop();
});

async function enter(name, hash = "#/") {
  const page = await open(browser, server.console + hash);
  await page.getByRole("heading", { name: "A token, please" }).waitFor();
  assert.deepEqual(await accessibility(page), []);
  await page.getByLabel("Token", { exact: true }).fill(tokens[name] ?? name);
  await page.keyboard.press("Enter");
  return page;
}
const screens = (page) => page.getByRole("navigation", { name: "Screens" }).getByRole("link").allTextContents();

const SEES = {
  everything: ["Why", "Customer", "What-if", "Rules", "Consent", "Live", "Health"],
  lead: ["Why", "Customer", "Consent", "Health"],
  marketer: ["What-if", "Rules", "Health"],
  nobody: ["Health"],
};
for (const [name, wanted] of Object.entries(SEES)) {
  test(`${name} sees ${wanted.join(", ")}`, async () => {
    const page = await enter(name);
    await page.getByRole("heading", { name: "Look instead of read" }).waitFor();
    assert.deepEqual(await screens(page), wanted);
    assert.deepEqual(await page.locator(".tiles strong").allTextContents(), wanted);
    assert.deepEqual(page.faults, []);
    await page.close();
  });
}

test("a screen that the token does not allow is not there", async () => {
  const page = await enter("marketer", "#/customer/anna");
  await page.getByRole("heading", { name: "Look instead of read" }).waitFor();
  assert.equal(await page.getByText("anna").count(), 0);
  await page.close();
});

test("inside a screen, controls that the token does not allow are not there", async () => {
  const lead = await enter("lead", `#/why/${decision}`);
  await lead.getByText("Every action, and where it stopped").waitFor();
  assert.equal(await lead.getByRole("link", { name: "open in what-if" }).count(), 0);
  await lead.goto(`${server.console}#/customer/anna`);
  await settled(lead);
  await lead.getByText("What may be used").waitFor();
  for (const gone of ["Ask and record", "Ask for the next step", "Record a consent", "Set attributes", "if nothing else happens"]) {
    assert.equal(await lead.getByText(gone).count(), 0, gone);
  }
  await lead.close();
  const desk = await enter("desk", "#/customer/anna");
  await desk.getByText("Ask for the next step").waitFor();
  assert.deepEqual(await desk.locator("summary").allTextContents(), ["Ask for the next step", "Withdraw a consent"]);
  // The rules may not be seen: names are typed.
  await desk.getByText("Ask for the next step").click();
  await desk.getByLabel("Channel").fill("web");
  await desk.getByLabel("Facts").fill("topic=speed, activity=browsing");
  await desk.getByRole("button", { name: "Decide" }).click();
  await desk.getByRole("button", { name: "presented", exact: true }).click();
  await desk.getByText("Recorded: presented").waitFor();
  await desk.close();
});

test("a wrong token is told, and a forgotten one is gone", async () => {
  const page = await enter("tct_wrong");
  await page.getByText("TOKEN_INVALID").waitFor();
  await page.getByLabel("Token", { exact: true }).fill(tokens.lead);
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Forget the token" }).click();
  await page.getByRole("heading", { name: "A token, please" }).waitFor();
  assert.equal(await page.evaluate(() => JSON.stringify(sessionStorage).includes("tct_") || JSON.stringify(localStorage).includes("tct_")), false);
  await page.close();
});
