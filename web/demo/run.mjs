/* run.mjs — asks the demonstration page a prompt in headless Chromium and prints what it answers.

     node demo/run.mjs --prompt TEXT [--chat] [--max-tokens N] [--exact] [--tokens-file FILE]
                       [--model URL] [--variant V] [--threads N] [--no-isolation]
                       [--screenshot FILE] [--dark] [--timeout SECONDS] [--json]

   FILE is what `brink generate --json` printed for the same prompt: with it, the tokens are compared
   and the exit status is 1 when they differ; a "prompt" in it is the default prompt. The answer goes
   to standard output, figures to standard error; with --json one object to standard output.
   Exit status otherwise: 0 done, 2 bad usage, 3 the model cannot be loaded, 5 no browser. */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { launchBrowser } from "./browser.mjs";
import { startServer } from "./serve.mjs";

function fail(status, text) {
  console.error(`run: ${text}`);
  process.exit(status);
}

let values;
try {
  ({ values } = parseArgs({
    options: {
      prompt: { type: "string" },
      chat: { type: "boolean", default: false },
      "max-tokens": { type: "string" },
      exact: { type: "boolean", default: false },
      "tokens-file": { type: "string" },
      model: { type: "string" },
      variant: { type: "string" },
      threads: { type: "string" },
      "no-isolation": { type: "boolean", default: false },
      screenshot: { type: "string" },
      dark: { type: "boolean", default: false },
      timeout: { type: "string", default: "300" },
      json: { type: "boolean", default: false },
    },
  }));
} catch (error) {
  fail(2, error.message);
}

let expected;
if (values["tokens-file"] !== undefined) {
  try {
    expected = JSON.parse(readFileSync(values["tokens-file"], "utf8"));
  } catch (error) {
    fail(3, `${values["tokens-file"]}: ${error.message}`);
  }
  if (!Array.isArray(expected.tokens)) fail(3, `${values["tokens-file"]}: there is no list "tokens" in it`);
}
const prompt = values.prompt ?? expected?.prompt;
if (typeof prompt !== "string") fail(2, "--prompt is missing");
const maxTokens = values["max-tokens"] ?? (expected ? String(Math.max(1, expected.tokens.length)) : "128");
if (!/^[1-9]\d*$/.test(maxTokens)) fail(2, `--max-tokens ${maxTokens}: not a number from 1`);

const server = await startServer({ isolation: !values["no-isolation"] });
let browser;
let status = 0;
try {
  browser = await launchBrowser().catch((error) => fail(5, error.message));
  const colorScheme = values.dark ? "dark" : "light";
  const page = await browser.newPage({ colorScheme, viewport: { width: 900, height: 820 } });
  page.on("pageerror", (error) => console.error(`page: ${error.message}`));

  const waiting = {};
  const heard = (name) => new Promise((resolve) => (waiting[name] = resolve));
  const ready = heard("ready");
  const done = heard("done");
  const problem = heard("error").then(({ message }) => Promise.reject(new Error(message)));
  problem.catch(() => {});
  const broken = new Promise((_, reject) => {
    page.on("response", (answer) => {
      if (answer.status() >= 400 && answer.request().resourceType() === "script")
        reject(new Error(`${answer.url()}: ${answer.status()}; is the SDK built (npm run build)?`));
    });
  });
  broken.catch(() => {});
  const timeout = new Promise((_, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer after ${values.timeout} s`)), 1000 * Number(values.timeout));
    timer.unref();
  });
  timeout.catch(() => {});
  await page.exposeFunction("brinkHeard", (name, detail) => {
    if (name === "token" && !values.json) process.stdout.write(detail.text);
    waiting[name]?.(detail);
  });
  await page.addInitScript(() => {
    for (const name of ["ready", "token", "done", "error"])
      document.addEventListener(`brink:${name}`, (event) => window.brinkHeard(name, event.detail));
  });

  const query = new URLSearchParams();
  for (const name of ["model", "variant", "threads"]) if (values[name]) query.set(name, values[name]);
  if (values.exact) query.set("exact", "1");
  await page.goto(`${server.url}?${query}`);
  const start = await Promise.race([ready, problem, broken, timeout]);
  await page.fill("#prompt", prompt);
  await page.fill("#max-tokens", maxTokens);
  await page.check(`input[name=mode][value=${values.chat ? "chat" : "continue"}]`);
  await page.click("#ask");
  const end = await Promise.race([done, problem, timeout]);
  if (!values.json) process.stdout.write("\n");
  if (values.screenshot) await page.screenshot({ path: values.screenshot, fullPage: true });

  const { info, loadMs } = start;
  const { stats, tokens, memory } = end;
  const result = {
    prompt,
    tokens,
    finish_reason: stats.finishReason,
    prompt_tokens: stats.promptTokens,
    load_ms: loadMs,
    prefill_tokens_per_s: stats.prefillTokensPerSecond,
    decode_tokens_per_s: stats.decodeTokensPerSecond,
    peak_bytes: memory.peak,
    heap_bytes: memory.heap,
    variant: info.variant,
    threads: info.threads,
  };
  const part = expected?.tokens.findIndex((id, i) => id !== tokens[i]) ?? -1;
  if (expected) result.equal = part < 0 && expected.tokens.length === tokens.length;
  if (values.json) console.log(JSON.stringify(result));
  else
    console.error(
      `browser: wasm (${info.variant}), ${info.threads} thread${info.threads > 1 ? "s" : ""}; loaded in ${Math.round(loadMs)} ms; ` +
        `prefill ${stats.prefillTokensPerSecond.toFixed(1)} tokens/s, decode ${stats.decodeTokensPerSecond.toFixed(1)} tokens/s; ` +
        `memory ${(memory.peak / 1e6).toFixed(0)} MB`,
    );
  if (expected) {
    if (result.equal) console.error(`browser: all ${tokens.length} tokens equal those of ${values["tokens-file"]}`);
    else {
      const at = part < 0 ? Math.min(tokens.length, expected.tokens.length) : part;
      console.error(
        `browser: tokens differ from ${values["tokens-file"]} at position ${at}: ` +
          `${tokens[at] ?? "end"} here, ${expected.tokens[at] ?? "end"} there`,
      );
      status = 1;
    }
  }
} catch (error) {
  console.error(`run: ${error.message}`);
  status = 3;
} finally {
  await browser?.close();
  await server.close();
}
process.exit(status);
