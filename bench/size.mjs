/* size.mjs — what a page downloads to run a model, brotli-compressed (quality 11), beside wllama.

   Wasm alone, and wasm with the scripts that load it (brink: the SDK and its worker, as built;
   wllama: its minified module, which carries its workers). One page loads one variant. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { fromRoot, root, save, table } from "./lib.mjs";

function size(path) {
  const data = readFileSync(path);
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_SIZE_HINT]: data.length };
  return { bytes: data.length, brotli: brotliCompressSync(data, { params }).length };
}

const wasm = fromRoot("BRINK_WASM", "build/web");
const wllama = join(root, "bench/node_modules/@wllama/wllama/esm");
const sdk = join(root, "web/sdk/dist");
const scripts = ["index.js", "worker.js"].map((name) => join(sdk, name)).filter(existsSync);
const script = { brink: scripts.map(size).reduce((sum, s) => sum + s.brotli, 0), peer: size(join(wllama, "index.min.js")).brotli };
const peers = { single: size(join(wllama, "single-thread/wllama.wasm")), threads: size(join(wllama, "multi-thread/wllama.wasm")) };
const files = {};
const rows = [];
for (const name of ["brink", "brink-relaxed", "brink-threads", "brink-relaxed-threads"]) {
  files[name] = size(join(wasm, `${name}.wasm`));
  const kind = name.includes("threads") ? "threads" : "single";
  rows.push([`${name}.wasm / wllama ${kind === "single" ? "single-thread" : "multi-thread"}`, files[name].brotli / peers[kind].brotli, "lower"]);
  if (name.includes("relaxed"))
    rows.push(["  with scripts", (files[name].brotli + script.brink) / (peers[kind].brotli + script.peer), "lower"]);
}
table("brotli size, brink / wllama", rows);
for (const [name, { bytes, brotli }] of [...Object.entries(files), ...Object.entries(peers).map(([k, v]) => [`wllama ${k}`, v])])
  console.log(`  ${name}: ${Math.round(brotli / 1000)} kB of brotli, ${Math.round(bytes / 1000)} kB of wasm`);
console.log(`  scripts: brink ${Math.round(script.brink / 1000)} kB of brotli, wllama ${Math.round(script.peer / 1000)} kB`);
save("size", { files, peers, script });
