/* size.mjs — what a page downloads to run a model, brotli-compressed (quality 11), beside its peers.

   Wasm alone, and wasm with the scripts that load it. One page loads one variant. brink: the SDK and
   its worker, as built. wllama: its minified module, which carries its workers. onnxruntime-web: its
   wasm backend alone. transformers.js: its module, and the wasm that it asks for. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { fromRoot, out, root, save, table } from "./lib.mjs";
import { modules } from "./serve.mjs";

const LIMIT = 700; // kB of brotli: the budget of the design

// compressing a peer's 25 MB takes minutes: what was found for the same bytes is kept
const known = join(out, "size-known.json");
const found = existsSync(known) ? JSON.parse(readFileSync(known, "utf8")) : {};

function size(...path) {
  const data = readFileSync(join(...path));
  const key = createHash("sha256").update(data).digest("hex");
  return (found[key] ??= compress(data));
}
function compress(data) {
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_SIZE_HINT]: data.length };
  return { bytes: data.length, brotli: brotliCompressSync(data, { params }).length };
}
const sum = (sizes) => sizes.reduce((total, s) => total + s.brotli, 0);

const folder = fromRoot("BRINK_WASM", "build/web"), sdk = join(root, "web/sdk/dist");
const wllama = join(modules, "@wllama/wllama/esm"), ort = join(modules, "onnxruntime-web/dist");
const transformers = join(modules, "@huggingface/transformers");
const scripts = [size(sdk, "index.js"), size(sdk, "worker.js")];
const threaded = {
  wllama: { wasm: size(wllama, "multi-thread/wllama.wasm"), scripts: [size(wllama, "index.min.js")] },
  "onnxruntime-web": { wasm: size(ort, "ort-wasm-simd-threaded.wasm"), scripts: [size(ort, "ort.wasm.min.mjs"), size(ort, "ort-wasm-simd-threaded.mjs")] },
  "transformers.js": {
    wasm: size(transformers, "node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.asyncify.wasm"),
    scripts: [size(transformers, "dist/transformers.min.js"), size(transformers, "node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.asyncify.mjs")],
  },
};
const single = { wllama: { wasm: size(wllama, "single-thread/wllama.wasm"), scripts: threaded.wllama.scripts } };

const files = {}, figures = [];
for (const name of ["brink", "brink-relaxed", "brink-threads", "brink-relaxed-threads"]) {
  files[name] = size(folder, `${name}.wasm`);
  const kB = files[name].brotli / 1000;
  for (const [peer, parts] of Object.entries(name.includes("threads") ? threaded : single)) {
    const medians = { brink: kB, [peer]: parts.wasm.brotli / 1000 };
    const asked = peer === "wllama" ? { limit: LIMIT, unit: "kB" } : {};
    figures.push({ what: `${name}.wasm / ${peer}`, better: "lower", peer, ratio: kB / medians[peer], medians, ...asked });
    if (name !== "brink-relaxed-threads") continue;
    const all = { brink: (files[name].brotli + sum(scripts)) / 1000, [peer]: (parts.wasm.brotli + sum(parts.scripts)) / 1000 };
    figures.push({ what: "  with scripts", better: "lower", peer, ratio: all.brink / all[peer], medians: all });
  }
}
writeFileSync(known, JSON.stringify(found));
const title = "brotli size, brink / peer";
table(title, figures.map(({ peer, ...figure }) => figure));
for (const [name, { bytes, brotli }] of Object.entries(files))
  console.log(`  ${name}: ${Math.round(brotli / 1000)} kB of brotli, ${Math.round(bytes / 1000)} kB of wasm`);
for (const [name, { wasm, scripts }] of Object.entries(threaded))
  console.log(`  ${name}: ${Math.round(wasm.brotli / 1000)} kB of brotli, with scripts ${Math.round((wasm.brotli + sum(scripts)) / 1000)} kB`);
console.log(`  brink's scripts: ${Math.round(sum(scripts) / 1000)} kB`);
save("size", { groups: [{ title, figures }], files, scripts, threaded, single });
if (Object.values(files).some(({ brotli }) => brotli > LIMIT * 1000)) throw new Error(`a build is larger than ${LIMIT} kB`);
