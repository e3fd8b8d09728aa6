// How fast the console is beside a page that is empty, both from the same server, by turns: the first view, and frames while
// a feed of 10,000 rows scrolls. Prints; judges nothing, as the times are those of the machine. `npm run bench`.
import { inParallel, launch, startServer } from "./tests/support.mjs";

const VIEWS = 15;
const ROWS = 10_000;
const SECONDS = 4;
/** The smallest page of the server. */
const EMPTY = "icon.svg";

const sorted = (numbers) => [...numbers].sort((a, b) => a - b);
const at = (numbers, share) => sorted(numbers)[Math.min(numbers.length - 1, Math.floor(numbers.length * share))];
const ms = (number) => `${number.toFixed(number < 100 ? 1 : 0)} ms`;

/** Runs before a page: notes when the first thing is drawn that has been waited for. */
function whenDrawn(selector) {
  const found = new Promise((found) => {
    const look = () => (document.querySelector(selector) ? found() : requestAnimationFrame(look));
    look();
  });
  globalThis.drawn = found.then(() => new Promise((drawn) => requestAnimationFrame(() => setTimeout(() => drawn(performance.now())))));
}

async function firstView(browser, url, selector) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  await page.addInitScript(whenDrawn, selector);
  const begun = performance.now();
  await page.goto(url);
  const inPage = await page.evaluate(() => globalThis.drawn);
  const whole = performance.now() - begun;
  const requests = await page.evaluate(() => performance.getEntriesByType("resource").map(({ name, startTime, responseEnd }) => [name.replace(/.*\//, ""), startTime, responseEnd]));
  await context.close();
  return { inPage, whole, requests };
}

async function firstViews(browser, server) {
  const pages = { empty: [server.console + EMPTY, "svg"], "#/": [server.console, "main h1"], "#/live": [`${server.console}#/live`, "main h1"], "#/rules": [`${server.console}#/rules`, "main h1"] };
  const seen = Object.fromEntries(Object.keys(pages).map((name) => [name, []]));
  for (let round = 0; round < VIEWS; round++) {
    for (const [name, page] of Object.entries(pages)) seen[name].push(await firstView(browser, ...page));
  }
  console.log(`first view, each in a new context, ${VIEWS} by turns: median (least, most) since the navigation began`);
  for (const [name, views] of Object.entries(seen)) {
    const times = views.map((view) => view.inPage);
    console.log(`  ${name.padEnd(8)} ${ms(at(times, 0.5))} (${ms(at(times, 0))}, ${ms(at(times, 1))})`);
  }
  for (const [name, begun, ended] of seen["#/"][VIEWS - 1].requests) console.log(`    ${name.padEnd(14)} from ${ms(begun)} to ${ms(ended)}`);
}

/** Times between frames while a page scrolls by itself; a page without a list only draws frames. */
const frames = (page, seconds) =>
  page.evaluate(
    (seconds) =>
      new Promise((done) => {
        const list = document.querySelector('[role="listbox"]');
        const times = [];
        let [last, way] = [performance.now(), 37];
        const ends = last + seconds * 1_000;
        const frame = (now) => {
          times.push(now - last);
          last = now;
          if (list) {
            if (list.scrollTop + list.clientHeight >= list.scrollHeight - 40) way = -1_411;
            if (list.scrollTop <= 0) way = 1_217;
            list.scrollTop += way;
          }
          if (now < ends) requestAnimationFrame(frame);
          else done(times.slice(2));
        };
        requestAnimationFrame(frame);
      }),
    seconds,
  );

async function scrolling(browser, server) {
  const feed = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  await feed.goto(`${server.console}#/live`);
  await feed.getByText("watching").waitFor();
  const rows = () => feed.evaluate(() => Number(document.querySelector('[role="option"]')?.getAttribute("aria-setsize") ?? 0));
  // The server tells a slow watcher how many it missed: ask on until all rows are there.
  for (let asked = 0; (await rows()) < ROWS; asked += 500) {
    await inParallel(500, 8, (number) => server.call("DecisionService/Decide", { customerId: `customer-${asked + number}`, channel: "phone" }));
  }
  const empty = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  await empty.goto(server.console + EMPTY);
  console.log(`\nframes during ${SECONDS} s, by turns: 50 %, 95 %, 99 % and the longest, and how many were longer than 1/50 s`);
  for (let round = 0; round < 3; round++) {
    for (const [name, page] of [["empty", empty], [`${await rows()} rows`, feed]]) {
      await page.bringToFront();
      const times = await frames(page, SECONDS);
      const late = times.filter((time) => time > 20).length;
      console.log(`  ${name.padEnd(12)} ${[0.5, 0.95, 0.99, 1].map((share) => ms(at(times, share))).join("  ")}  ${late} of ${times.length}`);
    }
  }
  console.log(`  rows drawn: ${await feed.locator('[role="option"]').count()}`);
}

const [server, browser] = [await startServer(), await launch()];
await firstViews(browser, server);
await scrolling(browser, server);
await browser.close();
await server.stop();
