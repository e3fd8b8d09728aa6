// The package in Chromium: bundled, on a page of another origin, with a token that is bound to one customer.
import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { folder, startMute, startServer } from "./support.js";

const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
const FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

test("a page decides, records, and stays calm", { skip: CHROMIUM ? false : "Chromium is not here" }, async (t) => {
  const work = folder(t);
  const page = createServer((request, response) => {
    response.setHeader("content-type", request.url === "/page.js" ? "text/javascript" : "text/html");
    response.end(request.url === "/page.js" ? script : "<!doctype html><title>shop</title>");
  }).listen(0, "127.0.0.1");
  t.after(() => page.close());
  const script = await bundled();
  const origin = `http://127.0.0.1:${(page.address() as AddressInfo).port}`;
  const [jwks, token] = signed(join(work, "jwks.json"));
  const callers = ["--jwks", jwks, "--issuer", "shop", "--audience", "tactful"];
  const server = await startServer(t, ...callers, "--allow-origin", origin);

  const browser = await chromium.launch({ executablePath: CHROMIUM as string, args: FLAGS });
  t.after(() => browser.close());
  const tab = await browser.newPage();
  await tab.goto(origin);
  const told = await tab.evaluate(
    async ([url, mute, token]) => {
      const path = "/page.js";
      const { tell } = (await import(path)) as typeof import("./page/page.js");
      return tell(url, mute, token);
    },
    [server.url, await startMute(t), token] as const,
  );
  assert.deepEqual(told, {
    action: "speed-test",
    accepted: true,
    other: "PermissionDenied OTHER_CUSTOMER",
    late: "TOO_LATE",
    gone: "UNAVAILABLE",
    refused: "TypeError: `ca` is for Node: a browser has certificates of its own",
  });
});

async function bundled(): Promise<string> {
  const entryPoints = [resolve(import.meta.dirname, "page/page.js")];
  const { outputFiles } = await build({ entryPoints, bundle: true, format: "esm", platform: "browser", write: false });
  return outputFiles[0]?.text ?? "";
}

/** A file with the key of a shop, and the shop's token for paula. */
function signed(jwks: string): [string, string] {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  writeFileSync(jwks, JSON.stringify({ keys: [{ ...publicKey.export({ format: "jwk" }), kid: "1", alg: "ES256", use: "sig" }] }));
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: "shop", aud: "tactful", sub: "page", scope: "decide outcomes", tactful_customer: "paula", tactful_channels: ["web"], nbf: now, exp: now + 300 };
  const coded = [{ alg: "ES256", typ: "JWT", kid: "1" }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  const signature = sign("sha256", Buffer.from(coded), { key: privateKey, dsaEncoding: "ieee-p1363" });
  return [jwks, `${coded}.${signature.toString("base64url")}`];
}
