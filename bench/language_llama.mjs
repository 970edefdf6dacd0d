/* language_llama.mjs — the llama.cpp side of the language suite: node-llama-cpp's prebuilt addon,
   which finds the library for this processor itself, called without node-llama-cpp's own layers.

   node language_llama.mjs GGUF THREADS [CONTEXT]: the same lines as language_brink.c. Only llama_decode is
   timed, not the choice of the token. Flash attention is left to llama.cpp ("auto"), weights are
   mapped, keys and values are f16, a batch takes the whole prompt: its defaults. */
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { getBinsDir } from "@node-llama-cpp/linux-x64";

const [gguf, threads, most = 1024] = process.argv.slice(2);
const CONTEXT = Number(most);
const require = createRequire(import.meta.url);
const bins = join(getBinsDir().binsDir, "linux-x64");
const say = (object) => process.stdout.write(`${JSON.stringify(object)}\n`);

let addon, model, context, sampler;

async function load() {
  const start = performance.now();
  addon = require(join(bins, "llama-addon.node"));
  addon.setLogger(() => {});
  addon.setLoggerLogLevel(1);
  addon.loadBackends();
  addon.loadBackends(bins);
  await addon.init();
  model = new addon.AddonModel(gguf, { addonExports: addon, gpuLayers: 0, useMmap: true });
  if (!(await model.init())) throw new Error(`${gguf}: llama.cpp cannot load it`);
  context = new addon.AddonContext(model, {
    contextSize: CONTEXT,
    batchSize: CONTEXT,
    sequences: 1,
    flashAttention: "auto",
    threads: Number(threads),
  });
  if (!(await context.init())) throw new Error("llama.cpp cannot make a context");
  const load_ms = performance.now() - start;
  sampler = new addon.AddonSampler(model);
  sampler.applyConfig({ temperature: 0 });
  say({ load_ms, system: addon.systemInfo(), threads: context.getThreads() });
}

/* Decodes `ids` at `position`; resolves to the greedy next token and the ms that decoding took. */
async function decode(ids, position) {
  context.initBatch(ids.length);
  const [index] = context.addToBatch(0, position, Uint32Array.from(ids), Uint32Array.of(ids.length - 1));
  const start = performance.now();
  await context.decodeBatch();
  const ms = performance.now() - start;
  return { ms, token: await context.sampleToken(index, sampler) };
}

async function generate(line) {
  const [count, list] = line.split(" ");
  const ids = list.split(",").map(Number);
  context.disposeSequence(0);
  const first = await decode(ids, 0);
  const tokens = [first.token];
  let decode_ms = 0;
  while (tokens.length < Number(count)) {
    const next = await decode([tokens.at(-1)], ids.length + tokens.length - 1);
    decode_ms += next.ms;
    tokens.push(next.token);
  }
  say({ prefill_ms: first.ms, decode_ms, steps: tokens.length - 1, tokens });
}

say({});
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "load") await load();
  else await generate(line);
}
process.exit(0);
