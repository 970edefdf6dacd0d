/* support.mjs — what the browser tests share: one browser a file, a server and a page a test.

   Nothing is skipped: a browser, an engine build, a model or a fixture that is missing fails the test
   with a sentence that says how to get it. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { after, before } from "node:test";
import { launchBrowser } from "../demo/browser.mjs";
import { root, startServer } from "../demo/serve.mjs";

export const wasmFolder = process.env.BRINK_WASM ?? join(root, "build/web");
export const modelsFolder = process.env.BRINK_MODELS ?? join(root, "build/models");
export const command = process.env.BRINK_COMMAND ?? join(root, "build/brink");

export function need(path, how) {
  if (!existsSync(path)) throw new Error(`${path} is missing: ${how}`);
  return path;
}
export const needEngine = () => need(join(wasmFolder, "brink.wasm"), "run make wasm");
export const needModel = (name) => need(join(modelsFolder, name, "model.onnx"), `run make setup (or brink models get ${name})`);
export const needCommand = () => need(command, "run make");

const fixtureFolders = [
  join(root, "tests/fixtures/models"),
  resolve(root, process.env.BRINK_FIXTURES ?? "../shared/fixtures/models"),
];

/** The folder of a fixture, from the repository or the full set. */
export function needFixture(name) {
  for (const folder of fixtureFolders) if (existsSync(join(folder, name))) return join(folder, name);
  throw new Error(`fixture ${name} is in none of ${fixtureFolders.join(", ")}: set BRINK_FIXTURES`);
}

/** The tensors of a data set, serialized: inputs and outputs in order. */
export function dataSet(folder) {
  const read = (kind) =>
    readdirSync(folder)
      .filter((name) => name.startsWith(`${kind}_`) && name.endsWith(".pb"))
      .sort((a, b) => parseInt(a.slice(kind.length + 1)) - parseInt(b.slice(kind.length + 1)))
      .map((name) => [...readFileSync(join(folder, name))]);
  return { inputs: read("input"), outputs: read("output") };
}

/** Declares the hooks of a test file; the returned object opens pages. */
export function suite() {
  let browser;
  before(async () => {
    needEngine();
    need(join(root, "web/sdk/dist/index.js"), "run npm run build");
    browser = await launchBrowser();
  });
  after(() => browser?.close());

  return {
    /** A server and an empty page on it that has imported the SDK; closed when the test ends. */
    async open(t, options = {}) {
      const server = await startServer({ wasm: wasmFolder, models: modelsFolder, ...options });
      const context = await browser.newContext();
      const page = await context.newPage();
      const problems = [];
      page.on("pageerror", (error) => problems.push(`uncaught: ${error.message}`));
      page.on("console", (message) => {
        // an answer of 404 is how an optional file is found missing; the browser logs each
        if (message.type() === "error" && !/Failed to load resource/.test(message.text())) problems.push(message.text());
      });
      t.after(async () => {
        await context.close();
        await server.close();
      });
      await page.goto(`${server.url}${options.path ?? "blank.html"}`);
      await page.evaluate(async () => {
        document.addEventListener("securitypolicyviolation", (e) => console.error(`policy: ${e.violatedDirective} ${e.blockedURI}`));
        window.sdk = await import("/sdk/index.js");
        /** What a promise fails with, as plain data; null when it does not. */
        window.failure = (promise) =>
          Promise.resolve(promise).then(
            () => null,
            (e) => ({ name: e.name, code: e.code, message: e.message, hint: e.hint, brink: e instanceof sdk.BrinkError }),
          );
        window.create = (options) => sdk.Brink.create({ wasmBase: "./wasm/", ...options });
        window.sleep = (ms) => new Promise((r) => setTimeout(r, ms));
      });
      return { server, page, problems };
    },
  };
}

/** Whether `actual` is within tolerance of `expected` everywhere; NaN equals NaN. */
export function farthest(actual, expected, rtol = 1e-4, atol = 1e-4) {
  let worst = 0;
  for (let i = 0; i < expected.length; ++i) {
    if (Number.isNaN(actual[i]) && Number.isNaN(expected[i])) continue;
    const excess = Math.abs(actual[i] - expected[i]) / (atol + rtol * Math.abs(expected[i]));
    worst = Number.isNaN(excess) ? Infinity : Math.max(worst, excess);
  }
  return worst; // at most 1 is within tolerance
}

export { root };
