/* browser.mjs — brink's wasm beside its peers in one headless Chromium, by turns, as many threads.

   A language model beside wllama: the same weights, the same prompt ids. Times are what a page sees:
   from the call to the first token (prefill) and from there to the last (decode), the choice of
   tokens included. wllama is driven as its own createCompletion does. It is tried with the GGUF file
   that brink's folder is converted from and with the same requantised to Q4_0 and Q8_0; the one that
   decodes fastest then runs all rounds.

   MiniLM beside onnxruntime-web, its wasm backend: the same file, the same ids, from the call to the
   numbers in script; the first, cold run does not count. */
import { launchBrowser } from "../web/demo/browser.mjs";
import { bertIds, figure, median, modelName, order, prompts, repeat, save, table, threadCounts, threadsText, warnIfBusy } from "./lib.mjs";
import { startPeerServer } from "./serve.mjs";

const STEPS = 64, RUNS = 10;
const ids = prompts().speed;
const original = modelName === "smollm2" ? "Q4_1" : "Q4_K_M";
const files = { [`wllama ${original}`]: modelName, "wllama Q4_0": `${modelName}-q4_0`, "wllama Q8_0": `${modelName}-q8_0` };
const server = await startPeerServer();

/* Given to page.evaluate; the first two leave window.generate(ids, count) → {prefill, decode, tokens}. */
async function openBrink({ threads, name }) {
  const { Brink } = await import("/sdk/index.js");
  const start = performance.now();
  const variant = threads > 1 ? "relaxed-threads" : "relaxed";
  const engine = await Brink.create({ backend: "wasm", wasmBase: "/wasm/", variant, threads });
  const model = await engine.load(`/models/${name}/`);
  window.generate = async (tokens, maxTokens) => {
    const from = performance.now();
    const list = [];
    let first;
    for await (const token of model.generate({ tokens, maxTokens, ignoreEnd: true })) {
      first ??= performance.now();
      list.push(token.id);
    }
    return { prefill_ms: first - from, decode_ms: performance.now() - first, tokens: list };
  };
  return { load_ms: performance.now() - start, ...engine.info };
}
async function openWllama({ threads, name }) {
  const { Wllama, LoggerWithoutDebug } = await import("/wllama/index.min.js");
  const start = performance.now();
  const paths = { "single-thread/wllama.wasm": "/wllama/single-thread/wllama.wasm", "multi-thread/wllama.wasm": "/wllama/multi-thread/wllama.wasm" };
  const wllama = new Wllama(paths, { logger: LoggerWithoutDebug, suppressNativeLog: true });
  const gguf = await (await fetch(`/gguf/${name}.gguf`)).blob();
  await wllama.loadModel([gguf], { n_ctx: 1024, n_batch: 512, n_threads: threads });
  window.generate = async (tokens, maxTokens) => {
    await wllama.kvClear();
    await wllama.samplingInit({ temp: 0 });
    const from = performance.now();
    await wllama.samplingAccept(tokens);
    await wllama.decode(tokens, {});
    const list = [(await wllama.samplingSample()).token];
    const first = performance.now();
    while (list.length < maxTokens) {
      await wllama.samplingAccept(list.slice(-1));
      await wllama.decode(list.slice(-1), {});
      list.push((await wllama.samplingSample()).token);
    }
    return { prefill_ms: first - from, decode_ms: performance.now() - first, tokens: list };
  };
  return { load_ms: performance.now() - start, threads: wllama.getNumThreads() };
}

/* The last two leave window.run() → ms. */
async function openBrinkGraph({ threads, ids }) {
  const { Brink } = await import("/sdk/index.js");
  const variant = threads > 1 ? "relaxed-threads" : "relaxed";
  const engine = await Brink.create({ backend: "wasm", wasmBase: "/wasm/", variant, threads });
  const model = await engine.load("/models/minilm/");
  const whole = (value) => ({ type: "int64", shape: [1, ids.length], data: BigInt64Array.from(ids, value) });
  const inputs = { input_ids: whole((id) => BigInt(id)), attention_mask: whole(() => 1n), token_type_ids: whole(() => 0n) };
  window.run = async () => {
    const start = performance.now();
    const { last_hidden_state } = await model.run(inputs);
    window.output = last_hidden_state.data;
    return performance.now() - start;
  };
  return { threads: engine.info.threads };
}
async function openOnnxruntime({ threads, ids }) {
  const ort = await import("/ort/ort.wasm.min.mjs");
  ort.env.wasm.wasmPaths = "/ort/";
  ort.env.wasm.numThreads = threads;
  const session = await ort.InferenceSession.create("/models/minilm/model.onnx", { executionProviders: ["wasm"] });
  const whole = (value) => new ort.Tensor("int64", BigInt64Array.from(ids, value), [1, ids.length]);
  const inputs = { input_ids: whole((id) => BigInt(id)), attention_mask: whole(() => 1n), token_type_ids: whole(() => 0n) };
  window.run = async () => {
    const start = performance.now();
    const { last_hidden_state } = await session.run(inputs);
    window.output = last_hidden_state.data;
    return performance.now() - start;
  };
  return { threads: ort.env.wasm.numThreads };
}

const browser = await launchBrowser();
const groups = [], results = [];
const group = (title, figures) => (table(title, figures), groups.push({ title, figures }));

async function open(side, set, argument) {
  const page = await (await browser.newContext()).newPage();
  page.on("pageerror", (error) => console.error(`${side}: ${error.message}`));
  await page.goto(`${server.url}${side === "brink" ? "blank" : "start/empty"}.html`);
  const info = await page.evaluate(set, argument);
  if (info.threads !== argument.threads) throw new Error(`${side} runs ${info.threads} threads, not ${argument.threads}`);
  return { page, info };
}

async function generate(page, list, count) {
  await page.bringToFront();
  const run = await page.evaluate(([ids, n]) => window.generate(ids, n), [list, count]);
  return { prefill: (list.length * 1e3) / run.prefill_ms, decode: ((run.tokens.length - 1) * 1e3) / run.decode_ms, tokens: run.tokens };
}

async function language(threads) {
  const short = ids.slice(0, 128);
  const pages = { brink: await open("brink", openBrink, { threads, name: modelName }) };
  const trial = {};
  for (const [side, name] of Object.entries(files)) {
    pages[side] = await open(side, openWllama, { threads, name });
    await generate(pages[side].page, ids.slice(0, 16), 4);
    trial[side] = (await generate(pages[side].page, ids.slice(0, 16), 33)).decode;
  }
  const best = Object.keys(trial).reduce((a, b) => (trial[b] > trial[a] ? b : a));
  for (const side of Object.keys(files)) if (side !== best) await pages[side].page.context().close();
  await generate(pages.brink.page, short, 4);
  const rounds = [];
  for (let i = 0; i < repeat; i++) {
    const round = {};
    for (const side of order(i, ["brink", best])) {
      const { prefill, decode, tokens } = await generate(pages[side].page, short, STEPS + 1);
      round[side] = { prefill_128: prefill, decode_128: decode, tokens };
      if (i === 0) round[side].prefill_512 = (await generate(pages[side].page, ids, 1)).prefill;
    }
    rounds.push(round);
  }
  group(`${modelName}: brink / ${best}, ${threadsText(threads)}, ${repeat} rounds`, [
    figure("decode of 64 tokens after 128, tokens/s", rounds, "decode_128", "higher", { target: 1.3 }),
    figure("prefill of 128 tokens, tokens/s", rounds, "prefill_128", "higher"),
    figure("prefill of 512 tokens, tokens/s (once)", rounds.slice(0, 1), "prefill_512", "higher"),
  ]);
  const { variant } = pages.brink.info;
  console.log(`brink's build: ${variant}; wllama has plain SIMD only; tried: ${Object.entries(trial).map(([side, x]) => `${side} ${x.toFixed(1)}`).join(", ")} tokens/s\n`);
  for (const side of ["brink", best]) await pages[side].page.context().close();
  results.push({ threads, variant, trial, rounds });
}

async function embedder(threads) {
  const sides = { brink: openBrinkGraph, "onnxruntime-web": openOnnxruntime };
  const pages = {};
  for (const [side, set] of Object.entries(sides)) {
    pages[side] = (await open(side, set, { threads, ids: bertIds(128) })).page;
    for (let i = 0; i < 3; i++) await pages[side].evaluate(() => window.run());
  }
  const rounds = [];
  for (let i = 0; i < repeat; i++) {
    const round = {};
    for (const side of order(i, Object.keys(sides))) {
      await pages[side].bringToFront();
      const ms = [];
      for (let k = 0; k < RUNS; k++) ms.push(await pages[side].evaluate(() => window.run()));
      round[side] = { rate: 1e3 / median(ms), ms: median(ms) };
    }
    rounds.push(round);
  }
  const [a, b] = await Promise.all(Object.values(pages).map((page) => page.evaluate(() => [...window.output])));
  const dot = (x, y) => x.reduce((sum, v, i) => sum + v * y[i], 0);
  const cosine = dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
  group(`MiniLM int8: brink / onnxruntime-web, ${threadsText(threads)}, ${repeat} rounds`, [
    figure("MiniLM int8, 128 tokens, runs/s", rounds, "rate", "higher", { target: 2 }),
  ]);
  console.log(`outputs: cosine ${cosine.toFixed(6)}\n`);
  if (!(cosine > 0.99)) throw new Error("outputs point elsewhere than onnxruntime-web's");
  for (const page of Object.values(pages)) await page.context().close();
  results.push({ threads, model: "minilm", cosine, rounds });
}

warnIfBusy();
try {
  for (const threads of threadCounts) {
    await language(threads);
    if (modelName === "smollm2") await embedder(threads);
  }
} finally {
  await browser.close();
  await server.close();
}
save(modelName === "smollm2" ? "browser" : `browser-${modelName}`, { model: modelName, steps: STEPS, groups, results });
