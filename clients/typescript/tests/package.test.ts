// The packed package in an empty folder: its README is checked with the types and run against a server.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { folder, PATIENCE, run, startServer } from "./support.js";

const PACKAGE = resolve(import.meta.dirname, "..");
const { devDependencies: known } = JSON.parse(readFileSync(join(PACKAGE, "package.json"), "utf8")) as { devDependencies: Record<string, string> };

test("the README runs with the package installed into an empty folder", async (t) => {
  const work = folder(t);
  const npm = (...args: string[]) => run("npm", "--prefix", work, "--silent", ...args);
  const packed = (await run("npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", work, PACKAGE)).trim();
  writeFileSync(join(work, "package.json"), JSON.stringify({ private: true, type: "module" }));
  const types = ["typescript", "@types/node"].map((name) => `${name}@${known[name]}`);
  await npm("install", "--no-fund", "--no-audit", "--prefer-offline", join(work, packed), ...types);

  const server = await startServer(t);
  const story = snippets()
    .replace('connect("http://127.0.0.1:50051")', `connect("${server.url}", ${JSON.stringify(PATIENCE)})`)
    .replace('"ca.pem"', '"package.json"');
  writeFileSync(join(work, "story.ts"), story);
  const compilerOptions = { strict: true, noUncheckedIndexedAccess: true, module: "nodenext", target: "es2022", types: ["node"] };
  writeFileSync(join(work, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["story.ts"] }));
  await run(join(work, "node_modules/.bin/tsc"), "-p", work);
  assert.equal(await run(process.execPath, join(work, "story.js")), [
    "speed-test: Measure your line now: half a minute, and nothing is kept.",
    "true",
    "may be used: true",
    "UNKNOWN_CHANNEL InvalidArgument channel",
    "[ 'speed-test' ]",
    "",
  ].join("\n"));
});

/** The README's code, as one program. */
function snippets(): string {
  const blocks = [...readFileSync(join(PACKAGE, "README.md"), "utf8").matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code);
  assert(blocks.length > 5);
  return blocks.join("\n");
}
