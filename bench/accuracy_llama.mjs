/* accuracy_llama.mjs — llama.cpp's side of the suite accuracy: node accuracy_llama.mjs GGUF THREADS
   reads lists of ids, one JSON array a line, and answers each with the natural logarithm of the
   probability of every id but the first, given those before it.

   The addon gives no logits. It gives the probabilities that its sampler works with, and a sampler
   with temperature 1 and nothing cut off leaves those of the model: the softmax of all logits. */
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { getBinsDir } from "@node-llama-cpp/linux-x64";

const [gguf, threads] = process.argv.slice(2);
const bins = join(getBinsDir().binsDir, "linux-x64");
const addon = createRequire(import.meta.url)(join(bins, "llama-addon.node"));
addon.setLogger(() => {});
addon.setLoggerLogLevel(1);
addon.loadBackends();
addon.loadBackends(bins);
await addon.init();
const model = new addon.AddonModel(gguf, { addonExports: addon, gpuLayers: 0, useMmap: true });
if (!(await model.init())) throw new Error(`${gguf}: llama.cpp cannot load it`);
const context = new addon.AddonContext(model, { contextSize: 1024, batchSize: 1024, sequences: 1, threads: Number(threads) });
if (!(await context.init())) throw new Error("llama.cpp cannot make a context");
const sampler = new addon.AddonSampler(model);
sampler.applyConfig({ temperature: 1, topK: 0, topP: 1, minP: 0, seed: 1 });

for await (const line of createInterface({ input: process.stdin })) {
  const ids = JSON.parse(line);
  context.disposeSequence(0);
  context.initBatch(ids.length);
  const indices = context.addToBatch(0, 0, Uint32Array.from(ids), Uint32Array.from(ids.keys()));
  await context.decodeBatch();
  const logs = [];
  for (let k = 0; k + 1 < ids.length; k++) {
    const [, list] = await context.sampleToken(indices[k], sampler, true, false); // token, probability, token, …
    let sum = 0, p = 0;
    for (let i = 0; i < list.length; i += 2) {
      sum += list[i + 1];
      if (list[i] === ids[k + 1]) p = list[i + 1];
    }
    if (Math.abs(sum - 1) > 1e-3) throw new Error(`the probabilities add up to ${sum}`);
    logs.push(Math.log(p));
  }
  process.stdout.write(`${JSON.stringify(logs)}\n`);
}
process.exit(0);
