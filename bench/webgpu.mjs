/* webgpu.mjs — brink beside itself in one tab: wasm with one thread and with all, and WebGPU, by turns.

   One page, one model, the same prompt ids. Prefill is from the call to the first token, decode from
   there to the last, as the engine says (GenerateStats). Each side first generates once, which does not
   count as speed: its time to the first token is kept apart (`first_ms`), since pipelines are compiled
   then. The adapter is whatever the browser finds: BENCH_CHROMIUM_ARGS replaces the arguments that
   choose it. A software adapter is a CPU that plays the GPU, a hundred times slower than wasm: few
   tokens are taken there, and what is printed says so. BENCH_TOKENS ("128,64") sets prompt and steps. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { launchBrowser, softwareGpu } from "../web/demo/browser.mjs";
import { startServer } from "../web/demo/serve.mjs";
import { cores, fromRoot, median, modelName, modelsFolder, order, out, prompts, ratio, repeat, save, table, threadsText, warnIfBusy } from "./lib.mjs";

const args = process.env.BENCH_CHROMIUM_ARGS?.split(" ").filter(Boolean) ?? softwareGpu;
const browser = await launchBrowser(args);
const server = await startServer({ wasm: fromRoot("BRINK_WASM", "build/web"), models: modelsFolder });

/* Leaves window.sides[name] with its engine and model. */
async function open({ side, backend, threads, name }) {
  const { Brink } = await import("/sdk/index.js");
  const variant = threads > 1 ? "relaxed-threads" : "relaxed";
  const engine = await Brink.create({ backend, wasmBase: "/wasm/", variant, threads });
  const began = performance.now();
  const model = await engine.load(`/models/${name}/`);
  const load_ms = performance.now() - began;
  (window.sides ??= {})[side] = { engine, model };
  return { load_ms, heap: (await engine.memory()).heap, ...engine.info };
}
async function generate({ side, tokens, steps }) {
  const generation = window.sides[side].model.generate({ tokens, maxTokens: steps, ignoreEnd: true });
  const text = await generation.text();
  return { ...(await generation.stats), text };
}

warnIfBusy();
try {
  const page = await (await browser.newContext()).newPage();
  await page.goto(`${server.url}blank.html`);
  const gpuName = "WebGPU", one = "wasm, 1 thread", all = `wasm, ${threadsText(cores)}`;
  const sides = { [gpuName]: ["webgpu", 1], [one]: ["wasm", 1], ...(cores > 1 ? { [all]: ["wasm", cores] } : {}) };
  const infos = {};
  for (const [side, [backend, threads]] of Object.entries(sides))
    infos[side] = await page.evaluate(open, { side, backend, threads, name: modelName });
  const { gpu } = infos[gpuName];
  const few = gpu.software ? [8, 4] : [128, 64];
  const [prompt, steps] = process.env.BENCH_TOKENS?.split(",").map(Number) ?? few;
  const ids = existsSync(join(out, "prompts.json")) ? prompts().speed.slice(0, prompt) : Array.from({ length: prompt }, (_, i) => 1000 + 7 * i);
  const ask = (side) => page.evaluate(generate, { side, tokens: ids, steps });

  const first = {};
  for (const side of Object.keys(sides)) first[side] = await ask(side);
  const rounds = [];
  for (let i = 0; i < (gpu.software ? Math.min(repeat, 2) : repeat); i++) {
    const round = {};
    for (const side of order(i, Object.keys(sides))) {
      const { prefillTokensPerSecond, decodeTokensPerSecond, prefillMs, text } = await ask(side);
      round[side] = { prefill: prefillTokensPerSecond, decode: decodeTokensPerSecond, prefill_ms: prefillMs, text };
    }
    rounds.push(round);
  }

  const figures = [];
  for (const [name, what] of [["prefill", `prefill of ${prompt} tokens, tokens/s`], ["decode", `decode of ${steps} tokens, tokens/s`]])
    for (const peer of [one, all].filter((side) => side in sides)) {
      const pairs = rounds.map((round) => ({ brink: round[gpuName], [peer]: round[peer] }));
      const medians = { brink: median(pairs.map((r) => r.brink[name])), [peer]: median(pairs.map((r) => r[peer][name])) };
      figures.push({ what, better: "higher", peer, ratio: ratio(pairs, name, peer), medians });
    }
  const adapter = `${gpu.name || "an adapter that hides its name"}${gpu.software ? ", a software adapter: a CPU, not a GPU" : ""}`;
  const title = `${modelName} in one tab, WebGPU (${adapter}) over wasm`;
  table(title, figures);
  for (const side of Object.keys(sides))
    console.log(`  ${side}: first token of a new page ${first[side].prefillMs.toFixed(0)} ms, later ${median(rounds.map((r) => r[side].prefill_ms)).toFixed(0)} ms; heap ${(infos[side].heap / 1e6).toFixed(0)} MB once loaded`);
  if (gpu.software) console.log("This adapter is a CPU: the figure says nothing of what a GPU does.");
  const bars = ["prefill", "decode"].map((name) => ({
    title: name === "prefill" ? `prefill of ${prompt}` : `decode of ${steps}`,
    sides: Object.fromEntries(Object.keys(sides).map((side) => [side, median(rounds.map((r) => r[side][name]))])),
  }));
  save("webgpu", { model: modelName, prompt, steps, adapter, software: gpu.software, groups: [{ title, figures }], bars, results: { infos, first, rounds } });
  const texts = new Set(Object.keys(sides).map((side) => rounds[0][side].text));
  if (texts.size > 1) console.log(`replies differ (8-bit activations differ between kernels): ${[...texts].map((t) => JSON.stringify(t)).join(", ")}`);
} finally {
  await browser.close();
  await server.close();
}
