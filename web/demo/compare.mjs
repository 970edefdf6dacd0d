/* compare.mjs — greedy tokens of many prompts from a tab, to lay beside the native ones.

     node demo/compare.mjs --prompts FILE [--output FILE] [--model URL] [--max-tokens 64]
                           [--variant plain|relaxed|threads|relaxed-threads] [--threads N]
                           [--exact] [--margins] [--ignore-end]

   FILE: a JSON list of prompts, each a list of token ids or {"tokens": […]}. Writes {"variant",
   "threads", "exact", "results": [{"tokens", "margins", "finish_reason", "prefill_tokens_per_s",
   "decode_tokens_per_s"}]}; a margin is the highest logit less the second. */
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { launchBrowser } from "./browser.mjs";
import { startServer } from "./serve.mjs";

const { values } = parseArgs({
  options: {
    prompts: { type: "string" },
    output: { type: "string" },
    model: { type: "string", default: "./models/smollm2/" },
    "max-tokens": { type: "string", default: "64" },
    variant: { type: "string" },
    threads: { type: "string" },
    exact: { type: "boolean", default: false },
    margins: { type: "boolean", default: false },
    "ignore-end": { type: "boolean", default: false },
  },
});
if (!values.prompts) {
  console.error("compare: --prompts is missing");
  process.exit(2);
}
const prompts = JSON.parse(readFileSync(values.prompts, "utf8")).map((p) => (Array.isArray(p) ? p : p.tokens));

const server = await startServer();
const browser = await launchBrowser();
try {
  const page = await browser.newPage();
  await page.goto(`${server.url}blank.html`);
  const engine = { backend: "wasm", wasmBase: "./wasm/" };
  if (values.variant) engine.variant = values.variant;
  if (values.threads) engine.threads = Number(values.threads);
  const info = await page.evaluate(
    async ({ engine, model, exact }) => {
      const { Brink } = await import("/sdk/index.js");
      window.engine = await Brink.create(engine);
      window.model = await window.engine.load(model, { exact });
      return window.engine.info;
    },
    { engine, model: values.model, exact: values.exact },
  );
  const results = [];
  for (const [i, tokens] of prompts.entries()) {
    const options = { tokens, maxTokens: Number(values["max-tokens"]), margins: values.margins, ignoreEnd: values["ignore-end"] };
    const result = await page.evaluate(async (options) => {
      const generation = window.model.generate(options);
      const list = [];
      for await (const token of generation) list.push(token);
      return { list, stats: await generation.stats };
    }, options);
    results.push({
      tokens: result.list.map((token) => token.id),
      ...(values.margins ? { margins: result.list.map((token) => token.margin ?? null) } : {}),
      finish_reason: result.stats.finishReason,
      prefill_tokens_per_s: result.stats.prefillTokensPerSecond,
      decode_tokens_per_s: result.stats.decodeTokensPerSecond,
    });
    console.error(`compare: ${i + 1} of ${prompts.length}, ${result.stats.decodeTokensPerSecond.toFixed(1)} tokens/s`);
  }
  const text = JSON.stringify({ variant: info.variant, threads: info.threads, exact: values.exact, results }) + "\n";
  if (values.output) writeFileSync(values.output, text);
  else process.stdout.write(text);
} finally {
  await browser.close();
  await server.close();
}
