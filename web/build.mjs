// Builds the pages: `node build.mjs` the console and the card into dist/, `node build.mjs playground ENGINE.wasm` the
// playground into playground/dist/. Names have no hash and nothing is shared, so that the binary can list the files; the
// server sends each with an ETag.
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { deflateRawSync } from "node:zlib";
import { build } from "vite";

const [what, engine] = process.argv.slice(2);
const outDir = what === "playground" ? "playground/dist" : "dist";
const pages = what === "playground" ? { playground: "playground.html" } : { console: "index.html", card: "card.html" };

await rm(outDir, { recursive: true, force: true });
await mkdir(outDir, { recursive: true });
for (const [page, input] of Object.entries(pages)) {
  await build({
    configFile: false,
    base: "./",
    publicDir: page === "console" ? "public" : false,
    logLevel: "warn",
    oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
    build: {
      outDir,
      emptyOutDir: false,
      target: "es2022",
      modulePreload: false,
      assetsInlineLimit: 0,
      reportCompressedSize: false,
      chunkSizeWarningLimit: 1_000,
      rolldownOptions: {
        input,
        output: { entryFileNames: `${page}.js`, assetFileNames: `${page}.[ext]`, codeSplitting: false },
      },
    },
  });
}
if (what === "playground") await asOneFile();

/** One file that also works when it is opened from a disk: script, style and engine are in it. */
async function asOneFile() {
  const [html, script, style, wasm] = await Promise.all([
    readFile(`${outDir}/playground.html`, "utf8"),
    readFile(`${outDir}/playground.js`, "utf8"),
    readFile(`${outDir}/playground.css`, "utf8"),
    readFile(engine),
  ]);
  const packed = deflateRawSync(wasm, { level: 9 }).toString("base64");
  const whole = html
    .replace(/\s*<script type="module"[^>]*><\/script>/, "")
    .replace(/\s*<link rel="stylesheet"[^>]*>/, () => `\n    <style>${style}</style>`)
    .replace("</body>", () => {
      const safe = script.replaceAll("</script", "<\\/script");
      return `  <script type="text/plain" id="engine">${packed}</script>\n    <script type="module">${safe}</script>\n  </body>`;
    });
  await rm(outDir, { recursive: true });
  await mkdir(outDir);
  await writeFile(`${outDir}/index.html`, whole);
}
