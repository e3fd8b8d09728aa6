// The agent card: a step with its buttons, silence, and what it does when the server is late or gone; embedded by a listed
// origin and by no other.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { accessibility, launch, open, startServer, waitWithoutEnd } from "./support.mjs";

let server, browser, desk, deskAddress;

before(async () => {
  desk = createServer((request, response) => {
    response.setHeader("content-type", "text/html");
    response.end(`<title>Desk</title><iframe title="Next step" src="${server.console}card.html?wait"></iframe><script>
      addEventListener("message", (event) => {
        if (event.data.tactful === "ready") event.source.postMessage({ tactful: { customer: "eva", channel: "web", context: { topic: "speed", activity: "browsing" } } }, "*");
      });</script>`);
  });
  await new Promise((listening) => desk.listen(0, "127.0.0.1", listening));
  deskAddress = `http://127.0.0.1:${desk.address().port}`;
  [server, browser] = [await startServer("--allow-origin", deskAddress), await launch()];
});
after(async () => {
  await browser.close();
  await server.stop();
  desk.close();
});

const link = (customer) => `${server.console}card.html#customer=${customer}&channel=web&topic=speed&activity=browsing`;
const card = (customer, options) => open(browser, link(customer), { ...options, prepare: waitWithoutEnd });

for (const [width, scheme] of [[320, "light"], [320, "dark"], [1280, "light"], [1280, "dark"]]) {
  test(`a step and its three buttons, ${width} px, ${scheme}`, async () => {
    const customer = `carl-${width}-${scheme}`;
    const page = await card(customer, { width, scheme });
    await page.getByRole("heading", { name: /Measure your line now/ }).waitFor();
    assert.deepEqual(await page.getByRole("button").allTextContents(), ["said", "not now", "wrong"]);
    assert.deepEqual(await accessibility(page), []);
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0);
    await page.getByRole("button", { name: "said" }).click();
    await page.getByText("Noted: said.").waitFor();
    const { limits } = await server.call("JourneyService/GetCustomer", { customerId: customer });
    assert.equal(limits.find((limit) => limit.limit.startsWith("speed-test"))?.used, 1);
    assert.deepEqual(page.faults, []);
    await page.close();
  });
}

test("wrong gives the contact back, by keyboard", async () => {
  const page = await card("wanda");
  await page.getByRole("button", { name: "wrong" }).focus();
  await page.keyboard.press("Enter");
  await page.getByText("does not count").waitFor();
  const { limits } = await server.call("JourneyService/GetCustomer", { customerId: "wanda" });
  assert.equal(limits.find((limit) => limit.limit.startsWith("speed-test"))?.used ?? 0, 0);
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "said" }).waitFor();
  await page.close();
});

test("silence, no answer and a late answer are the same: listen", async () => {
  const silent = await open(browser, `${server.console}card.html#customer=zoe&channel=email`);
  await silent.getByRole("heading", { name: "Nothing to push: listen." }).waitFor();
  await silent.close();
  for (const answer of [(route) => route.abort(), () => {}]) {
    const page = await browser.newPage();
    await page.route("**/Decide", answer);
    await page.goto(link("zoe"));
    await page.getByRole("heading", { name: "Nothing to push: listen." }).waitFor();
    assert.equal(await page.getByRole("button", { name: "said" }).count(), 0);
    await page.close();
  }
});

test("a listed origin embeds the card, and no other page the console", async () => {
  const page = await browser.newPage();
  await waitWithoutEnd(page);
  await page.goto(deskAddress);
  await page.frameLocator("iframe").getByRole("heading", { name: /Measure your line now/ }).waitFor();
  const refused = new Promise((heard) => page.on("console", (message) => /frame-ancestors/.test(message.text()) && heard()));
  await page.goto(deskAddress.replace("127.0.0.1", "localhost"));
  await refused;
  assert.equal(await page.frameLocator("iframe").getByRole("heading").count(), 0);
  await page.close();
});
