/* support.mjs — what the browser tests share: one browser a file, a server and a page a test.

   Nothing is skipped: a browser, an engine build, a model or a fixture that is missing fails the test
   with a sentence that says how to get it. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
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

export const packagedFixtures = fixtureFolders[0];

/** The packaged graphs that the GPU backend is tested on, for gpu_cases.mjs. Not bert/int8: exact integer
    products differ from its stored outputs (docs/precision.md). */
export function packagedGraphs() {
  const names = readdirSync(packagedFixtures, { recursive: true });
  const graphs = names.filter((name) => name.endsWith(".onnx") && !name.startsWith("bert/int8/")).sort();
  return graphs.map((graph) => {
    const base = graph.slice(0, -".onnx".length);
    const sets = names.filter((name) => name.startsWith(`${base}/test_data_set_`) && !name.endsWith(".pb")).sort();
    const list = (set, kind) => names.filter((name) => name.startsWith(`${set}/${kind}_`)).sort();
    const meta = JSON.parse(readFileSync(join(packagedFixtures, dirname(graph), "meta.json"), "utf8"));
    return { graph, kind: meta[basename(base)].kind, sets: sets.map((set) => ({ inputs: list(set, "input"), outputs: list(set, "output") })) };
  });
}
/** ONNX's own node cases, as tests/conformance writes them. */
export const casesFolder = join(root, "build/onnx-cases/node");

export function nodeCases() {
  if (!existsSync(join(casesFolder, "complete"))) {
    const write = "import sys; sys.path.insert(0, 'tests/conformance'); import onnx_cases; onnx_cases.write_nodes()";
    execFileSync(join(root, ".venv/bin/python"), ["-c", write], { cwd: root });
  }
  const names = readdirSync(casesFolder).filter((name) => name !== "complete");
  return names.map((name) => ({ graph: `${name}/model.onnx`, kind: "node", sets: setsOf(casesFolder, name) }));
}

/** The data sets of a folder below `base`: lists of files. */
function setsOf(base, folder) {
  const sets = readdirSync(join(base, folder)).filter((name) => name.startsWith("test_data_set_"));
  return sets.map((set) => {
    const files = readdirSync(join(base, folder, set)).map((name) => `${folder}/${set}/${name}`);
    return { inputs: files.filter((name) => /input_\d+\.pb$/.test(name)), outputs: files.filter((name) => /output_\d+\.pb$/.test(name)) };
  });
}

/** The operator cases of tests/ops, written to a new folder; those of one tolerance lie in one named after it. */
export function opCases(base, names) {
  execFileSync(join(root, "tests/ops/run"), ["--write", base, ...names], { stdio: "pipe" });
  if (!existsSync(base)) throw new Error("tests/ops/run wrote no cases: run make setup");
  return readdirSync(base).flatMap((folder) => {
    const [relative, absolute, exact] = folder.split(" ");
    const graphs = readdirSync(join(base, folder)).filter((name) => name.endsWith(".onnx"));
    return graphs.map((name) => ({
      graph: `${folder}/${name}`,
      tolerance: [Number(absolute), Number(relative)],
      exact: exact === "True",
      sets: setsOf(base, `${folder}/${name.slice(0, -".onnx".length)}`),
    }));
  });
}

/** Packaged language models, small enough for a CPU that plays the GPU. */
export const packagedModels = ["llama/fp32", "llama/genai_int4", "qwen2/fp32", "gemma3/fp32"].filter((name) =>
  existsSync(join(fixtureFolders[0], name, "model.onnx")),
);

/** Declares the hooks of a test file; the returned object opens pages. */
export function suite(launch = launchBrowser) {
  let browser;
  before(async () => {
    needEngine();
    need(join(root, "web/sdk/dist/index.js"), "run npm run build");
    browser = await launch();
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
        window.create = (options) => sdk.Brink.create({ wasmBase: "./wasm/", backend: "wasm", ...options });
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

/** What gpu_losses.mjs found: devices were lost, no request gave anything wrong, and nothing grew. */
export function checkLosses(t, rows, count) {
  const uses = []; // after each loss
  for (const { name, when, lost, loss, after, memory } of rows) {
    const what = `${name}, destroyed after ${when}`;
    assert.equal(lost, 2, what);
    assert.match(loss, /^(same|device-failed)$/, what);
    assert.equal(after, "same", `${what}: the next request`);
    uses.push(memory, memory);
  }
  const went = rows.filter(({ loss }) => loss === "same").length;
  const [early, late] = [uses[4], uses.at(-1)];
  t.diagnostic(`${uses.length} losses, ${went} of ${rows.length} requests went on; bytes after the 5th and the last: live ${early.live}, ${late.live}, heap ${early.heap}, ${late.heap}`);
  assert.equal(uses.length, count);
  assert.ok(late.heap <= early.heap && late.live <= early.live + 4096);
}

/** What profiles() of gpu_cases.mjs is asked to run, and what it must have found. */
export const profiledGraph = () => packagedGraphs().find(({ graph }) => graph === "bert/fp32/model.onnx");

export function checkProfiles(t, { gpu, failures, figures }) {
  assert.deepEqual(failures, []);
  assert.deepEqual(figures.map(({ name }) => name), ["decode", "run"]);
  for (const { name, nodes, dispatches, ms, bytes, gpuBandwidth } of figures) {
    const speed = gpuBandwidth === undefined ? "" : `, ${(bytes / ms / 1e6).toFixed(2)} of ${(gpuBandwidth / 1e9).toFixed(1)} GB/s`;
    t.diagnostic(`${name}: ${nodes} nodes, ${dispatches} dispatches, ${ms.toFixed(3)} ms, ${bytes} bytes${speed}`);
    assert.ok(nodes > 0 && dispatches > 0 && bytes > 0, name);
    assert.equal(ms > 0, gpu.timestamps, name);
    assert.equal(gpuBandwidth > 0, gpu.timestamps, name);
  }
}

export { root };
