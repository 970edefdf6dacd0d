// node bench/gpu/node.mjs MODEL-FOLDER [--backend webgpu|wasm] [--prompt-tokens 128] [--max-tokens 64]
//                        [--repeat 3] [--json]
//
// What `brink bench` measures of a language model, in Node with the browser's build over npm's webgpu
// (Dawn), and under the same names. Needs `make wasm` ($BRINK_WASM: another folder) and `npm run build` in
// web/.
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import "../../web/node/index.mjs";
import { Brink } from "../../web/sdk/dist/index.js";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    backend: { type: "string", default: "webgpu" },
    "prompt-tokens": { type: "string", default: "128" },
    "max-tokens": { type: "string", default: "64" },
    repeat: { type: "string", default: "3" },
    json: { type: "boolean", default: false },
  },
});
if (positionals.length !== 1) {
  console.error("usage: node bench/gpu/node.mjs MODEL-FOLDER [options]: see the file");
  process.exit(2);
}
const begun = performance.now();
const wasm = process.env.BRINK_WASM ? `${resolve(process.env.BRINK_WASM)}/` : new URL("../../build/web/", import.meta.url);
const wasmBase = typeof wasm === "string" ? pathToFileURL(wasm) : wasm;
const engine = await Brink.create({ backend: values.backend, wasmBase });
const model = await engine.load(pathToFileURL(`${resolve(positionals[0])}/`));
const load_ms = performance.now() - begun;
const tokens = Array.from({ length: Number(values["prompt-tokens"]) }, (_, i) => 100 + i);
const runs = [];
for (let i = 0; i <= Number(values.repeat); i++) {
  const start = performance.now();
  const generation = model.generate({ tokens, maxTokens: Number(values["max-tokens"]), ignoreEnd: true });
  await generation.text();
  runs.push({ ms: performance.now() - start, ...(await generation.stats) });
}
const median = (list) => list.sort((a, b) => a - b)[Math.floor(list.length / 2)];
const steady = runs.slice(1);
const { backend, gpu, variant } = engine.info;
const result = {
  backend,
  adapter: gpu?.name || gpu?.vendor || variant,
  variant,
  load_ms,
  first_ms: runs[0].ms,
  median_ms: median(steady.map((run) => run.ms)),
  prefill_tokens_per_s: median(steady.map((run) => run.prefillTokensPerSecond)),
  decode_tokens_per_s: median(steady.map((run) => run.decodeTokensPerSecond)),
};
if (values.json) console.log(JSON.stringify(result));
else
  console.log(
    `${result.adapter}: prefill ${result.prefill_tokens_per_s.toFixed(1)} tokens/s, ` +
      `decode ${result.decode_tokens_per_s.toFixed(1)} tokens/s, first ${result.first_ms.toFixed(0)} ms`,
  );
engine.dispose();
process.exit(0);
