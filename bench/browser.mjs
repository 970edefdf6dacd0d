/* browser.mjs — brink's wasm beside wllama in one headless Chromium: the same weights, the same
   prompt ids, as many threads, by turns. Times are what a page sees: from the call to the first
   token (prefill) and from there to the last (decode), the choice of tokens included.

   wllama is given what it needs (its worker comes from a blob, so its page has no content security
   policy) and is driven as its own createCompletion does. A first, cold prompt does not count. */
import { join } from "node:path";
import { launchBrowser } from "../web/demo/browser.mjs";
import { startServer } from "../web/demo/serve.mjs";
import { fromRoot, modelName, order, out, prompts, ratio, repeat, root, save, table, threadCounts, warnIfBusy } from "./lib.mjs";

const STEPS = 64;
const ids = prompts().speed;
const server = await startServer({
  wasm: fromRoot("BRINK_WASM", "build/web"),
  models: fromRoot("BRINK_MODELS", "build/models"),
  mounts: [
    ["/wllama/", join(root, "bench/node_modules/@wllama/wllama/esm")],
    ["/gguf/", out],
  ],
  intercept: (request, response) => {
    if (request.url.endsWith("?peer")) response.removeHeader("Content-Security-Policy");
    return false;
  },
});

/* Both are given to page.evaluate: they leave window.generate(ids, count) → {prefill, decode, tokens}. */
async function openBrink({ threads, name }) {
  const { Brink } = await import("/sdk/index.js");
  const start = performance.now();
  const variant = threads > 1 ? "relaxed-threads" : "relaxed";
  const engine = await Brink.create({ wasmBase: "/wasm/", variant, threads });
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

warnIfBusy();
const browser = await launchBrowser();
const results = [];
try {
  for (const threads of threadCounts) {
    const pages = {}, loads = { brink: {}, peer: {} };
    for (const side of ["brink", "peer"]) {
      pages[side] = await (await browser.newContext()).newPage();
      pages[side].on("pageerror", (error) => console.error(`${side}: ${error.message}`));
      await pages[side].goto(`${server.url}blank.html${side === "peer" ? "?peer" : ""}`);
      loads[side] = await pages[side].evaluate(side === "peer" ? openWllama : openBrink, { threads, name: modelName });
      if (loads[side].threads !== threads) throw new Error(`${side} runs ${loads[side].threads} threads, not ${threads}`);
      await pages[side].evaluate(([ids]) => window.generate(ids, 4), [ids.slice(0, 128)]);
    }
    const rounds = [];
    for (let i = 0; i < repeat; i++) {
      const round = {};
      for (const side of order(i)) {
        await pages[side].bringToFront();
        const run = (list, count) => pages[side].evaluate(([ids, n]) => window.generate(ids, n), [list, count]);
        const short = await run(ids.slice(0, 128), STEPS + 1);
        const long = await run(ids, 1);
        round[side] = {
          prefill_128: 128e3 / short.prefill_ms,
          prefill_512: (ids.length * 1e3) / long.prefill_ms,
          decode: ((short.tokens.length - 1) * 1e3) / short.decode_ms,
          tokens: short.tokens,
        };
      }
      rounds.push(round);
    }
    table(`${modelName}: brink / wllama, ${threads} thread${threads > 1 ? "s" : ""}, ${repeat} rounds`, [
      ["prefill of 128 tokens, tokens/s", ratio(rounds, "prefill_128"), "higher"],
      ["prefill of 512 tokens, tokens/s", ratio(rounds, "prefill_512"), "higher"],
      ["decode of 64 tokens, tokens/s", ratio(rounds, "decode"), "higher"],
      ["fetch and load, time (once)", loads.brink.load_ms / loads.peer.load_ms, "lower"],
    ]);
    console.log(`brink's build: ${loads.brink.variant}; wllama has plain SIMD only\n`);
    results.push({ threads, loads, rounds });
    for (const page of Object.values(pages)) await page.context().close();
  }
} finally {
  await browser.close();
  await server.close();
}
save(modelName === "smollm2" ? "browser" : `browser-${modelName}`, { model: modelName, steps: STEPS, results });
