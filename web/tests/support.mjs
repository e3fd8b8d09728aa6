// Starts a server of its own on a free port, and Chromium; calls the API as any client does.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { chromium } from "playwright-core";

const ROOT = resolve(import.meta.dirname, "../..");
const BINARY = process.env.TACTFUL ?? join(ROOT, "target/debug/tactful");
const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
const AXE = readFileSync(join(import.meta.dirname, "../node_modules/axe-core/axe.min.js"), "utf8");

export const RULES = join(ROOT, "rules");

/** A folder that goes when the process ends. */
export function folder() {
  const path = mkdtempSync(join(tmpdir(), "tactful-web-"));
  process.on("exit", () => rmSync(path, { recursive: true, force: true }));
  return path;
}

export async function startServer(...flags) {
  const data = folder();
  const rules = flags.includes("--rules") ? [] : ["--rules", RULES];
  const args = ["serve", "--listen", "127.0.0.1:0", "--data", join(data, "data"), "--keys", join(data, "keys"), ...rules, ...flags];
  const child = spawn(BINARY, args, { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  const address = await new Promise((found, failed) => {
    const hear = (chunk) => {
      said += chunk;
      const line = /^listening +(\S+)/m.exec(said);
      if (line && /^try/m.test(said)) found(`http://${line[1]}`);
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.on("exit", (code) => failed(new Error(`the server ended with ${code}:\n${said}`)));
  });
  process.on("exit", () => child.kill("SIGKILL"));
  return {
    address,
    data,
    said: () => said,
    console: `${address}/console/`,
    call: (method, body, token) => call(address, method, body, token),
    stop: () => {
      const ended = new Promise((done) => child.on("exit", done));
      child.kill();
      return ended;
    },
  };
}

/** One call of the public API, as JSON. */
export async function call(address, method, body, token) {
  const headers = { "content-type": "application/json", ...(token ? { authorization: `Bearer ${token}` } : {}) };
  const response = await fetch(`${address}/tactful.v1.${method}`, { method: "POST", headers, body: JSON.stringify(body) });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${method}: ${answer.message}`);
  return answer;
}

/** A command of the same binary. */
export function run(...args) {
  return new Promise((done, failed) => {
    const child = spawn(BINARY, args, { stdio: ["ignore", "pipe", "pipe"] });
    let out = "";
    child.stdout.on("data", (chunk) => (out += chunk));
    child.stderr.on("data", (chunk) => (out += chunk));
    child.on("close", (code) => (code === 0 ? done(out) : failed(new Error(out))));
  });
}

/** A generator of numbers from 0 to 1 that is the same in each run (mulberry32). */
export function random(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Acts on the numbers below `count`, at most `most` at once. */
export async function inParallel(count, most, act) {
  let next = 0;
  const worker = async () => {
    while (next < count) await act(next++);
  };
  await Promise.all(Array.from({ length: most }, worker));
}

const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

/** How long a slow machine may take to show what a test waits for, in milliseconds. */
const PATIENCE = 180_000;

export async function launch() {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS, timeout: PATIENCE });
  const { newContext } = browser;
  // `newPage` makes its context with it, too.
  browser.newContext = async (...options) => {
    const context = await newContext.apply(browser, options);
    context.setDefaultTimeout(PATIENCE);
    return context;
  };
  return browser;
}

/** The next page waits for its answers without end: on a slow machine none of them is a late one. */
export const waitWithoutEnd = (page) =>
  page.addInitScript(() => {
    AbortSignal.timeout = () => new AbortController().signal;
    const send = globalThis.fetch;
    globalThis.fetch = (to, { headers: { "connect-timeout-ms": _, ...headers } = {}, ...options } = {}) => send(to, { ...options, headers });
  });

/** A page that notes what must not happen: errors, requests to another origin, violations of the policy. */
export async function open(browser, url, { width = 1280, height = 900, scheme = "light", prepare = () => {}, ...others } = {}) {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme: scheme, ...others });
  await prepare(page);
  const faults = [];
  const origin = new URL(url).origin;
  page.on("request", (request) => {
    const to = new URL(request.url());
    if (to.protocol.startsWith("http") && to.origin !== origin) faults.push(`a request to ${request.url()}`);
  });
  page.on("pageerror", (error) => faults.push(`an error: ${error.message}`));
  page.on("console", (message) => {
    if (/Content Security Policy|Trusted/i.test(message.text())) faults.push(message.text());
  });
  page.on("dialog", (dialog) => {
    faults.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.goto(url);
  return Object.assign(page, { faults });
}

/** What axe finds wrong with a page, each in a line. */
export async function accessibility(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  return violations.flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.html.slice(0, 160)} ${node.failureSummary ?? ""}`));
}

/** Waits until a page shows what it asked for. */
export async function settled(page) {
  await page.waitForSelector("h1");
  await page.waitForFunction(() => !document.querySelector('[role="status"].quiet'));
}
