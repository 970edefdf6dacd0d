/* gpu.test.mjs — the GPU backend in Chromium, on its own software adapter: the packaged graphs give their
   reference outputs, language models the tokens of the wasm backend. */
import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { launchBrowser, softwareGpu } from "../demo/browser.mjs";
import { checkLosses, checkProfiles, modelsFolder, needModel, packagedFixtures, packagedGraphs, packagedModels, profiledGraph, root, suite } from "./support.mjs";

const mounts = [["/fixtures/", packagedFixtures], ["/tests/", join(root, "web/tests")]];

describe("the GPU backend in a tab", () => {
  const pages = suite(() => launchBrowser(softwareGpu));

  const all = packagedGraphs();
  const some = all.filter(({ graph }) => /^(bert|llama)/.test(graph)); // over shared memory
  for (const [variant, graphs] of [["relaxed", all], ["relaxed-threads", some]])
    test(`${graphs.length} graphs give their reference outputs (${variant})`, async (t) => {
      const { page, problems } = await pages.open(t, { mounts });
      const { info, runs, failures } = await page.evaluate(
        async ({ graphs, variant }) => {
          const { compareGraphs } = await import("/tests/gpu_cases.mjs");
          const engine = await create({ backend: "webgpu", variant });
          return { info: engine.info, ...(await compareGraphs(engine, "/fixtures/", graphs)) };
        },
        { graphs, variant },
      );
      assert.equal(info.backend, "webgpu");
      assert.ok(info.gpu.software && info.gpu.name);
      t.diagnostic(`${info.gpu.name}: ${runs} runs`);
      assert.deepEqual(failures, []);
      assert.deepEqual(problems, []);
    });

  test("language models give the wasm backend's tokens", async (t) => {
    const { page } = await pages.open(t, { mounts });
    const rows = await page.evaluate(async (folders) => {
      const { bothTokens } = await import("/tests/gpu_cases.mjs");
      const gpu = await create({ backend: "webgpu" });
      const wasm = await create({ backend: "wasm" });
      return bothTokens(gpu, wasm, "/fixtures/", folders, 20);
    }, packagedModels);
    assert.ok(rows.length > 0);
    for (const [name, gpu, wasm] of rows) assert.equal(gpu, wasm, name);
  });

  test("a profile times each node and changes nothing", async (t) => {
    const { page, problems } = await pages.open(t, { mounts });
    const result = await page.evaluate(async (graph) => {
      const { profiles } = await import("/tests/gpu_cases.mjs");
      return profiles(await create({ backend: "webgpu", submitMs: 8 }), "/fixtures/", "llama/genai_int4", graph);
    }, profiledGraph());
    checkProfiles(t, result);
    assert.deepEqual(problems, []);
  });

  test("weights go to the GPU in parts, and the heap never holds them", async (t) => {
    needModel("smollm2");
    const weights = statSync(join(modelsFolder, "smollm2/model.onnx.data")).size;
    const { page, problems } = await pages.open(t);
    const rows = await page.evaluate(async () => {
      const run = async (backend) => {
        const engine = await create({ backend, variant: "relaxed" });
        const began = performance.now();
        const model = await engine.load("/models/smollm2/");
        const loadMs = performance.now() - began;
        const loaded = await engine.memory();
        const generation = model.generate({ prompt: "The capital of France is", maxTokens: 2, ignoreEnd: true });
        const text = await generation.text();
        const row = { loadMs, loaded, text, stats: await generation.stats, after: await engine.memory() };
        engine.dispose();
        return row;
      };
      return { wasm: await run("wasm"), gpu: await run("webgpu") };
    });
    const mb = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
    for (const [name, { loadMs, loaded, after, stats }] of Object.entries(rows))
      t.diagnostic(
        `${name}: heap ${mb(after.heap)}, the engine's peak ${mb(after.peak)}, ${mb(loaded.live)} once loaded (${loadMs.toFixed(0)} ms); ` +
          `first token ${stats.prefillMs.toFixed(0)} ms, then ${(stats.decodeMs / (stats.tokens - 1)).toFixed(0)} ms a token`,
      );
    assert.equal(rows.gpu.text, rows.wasm.text);
    assert.ok(rows.wasm.after.heap > weights, "the wasm backend holds them");
    assert.ok(rows.gpu.after.heap < weights / 2, `the heap grew to ${mb(rows.gpu.after.heap)}`);
    assert.deepEqual(problems, []);
  });

  test("a generation on the GPU is aborted at once, and the model goes on", async (t) => {
    const { page } = await pages.open(t, { mounts });
    const result = await page.evaluate(async () => {
      const engine = await create({ backend: "webgpu" });
      const model = await engine.load("/fixtures/llama/fp32/");
      const controller = new AbortController();
      const options = { tokens: [1, 2, 3], maxTokens: 200, ignoreEnd: true };
      const ids = async (generation, most = Infinity) => {
        const list = [];
        for await (const { id } of generation) if (list.push(id) >= most) controller.abort();
        return list;
      };
      const began = performance.now();
      const error = await failure(ids(model.generate({ ...options, signal: controller.signal }), 3));
      const ms = performance.now() - began;
      const once = await ids(model.generate({ ...options, maxTokens: 8 }));
      return { error, ms, once, again: await ids(model.generate({ ...options, maxTokens: 8 })) };
    });
    assert.equal(result.error.name, "AbortError");
    assert.equal(result.once.length, 8);
    assert.deepEqual(result.once, result.again);
  });

  // the worker's script, with what destroys devices before it
  const lossy = (request, response) => {
    if (request.url !== "/sdk/worker.js") return false;
    response.writeHead(200, { "Content-Type": "text/javascript" });
    response.end('import "/tests/lossy_gpu.mjs"; import "./worker.js?real";');
    return true;
  };

  test("a device that is destroyed in the midst of a request", async (t) => {
    const { page, problems } = await pages.open(t, { mounts, intercept: lossy });
    const rows = await page.evaluate(async () => {
      const { loseDevices } = await import("/tests/gpu_losses.mjs");
      return loseDevices(await create({ backend: "webgpu" }), sdk.BrinkError, "/fixtures/", 3);
    });
    checkLosses(t, rows, 20);
    assert.deepEqual(problems, []);
  });

  test("a software adapter is left alone unless it is asked for", async (t) => {
    const { page, problems } = await pages.open(t);
    const infos = await page.evaluate(async () => [
        (await sdk.Brink.create({ wasmBase: "./wasm/" })).info,
        (await create({ backend: "auto" })).info,
        (await create({ backend: "wasm" })).info,
      ]);
    for (const info of infos) assert.deepEqual([info.backend, info.gpu], ["wasm", undefined]);
    assert.deepEqual(problems, []);
  });
});

describe("a browser without WebGPU", () => {
  const pages = suite(() => launchBrowser(["--disable-features=WebGPU", "--disable-gpu"]));

  test("computes in wasm, and says why it cannot do otherwise", async (t) => {
    const { page } = await pages.open(t);
    const { info, error } = await page.evaluate(async () => ({
      info: (await create({ backend: "auto" })).info,
      error: await failure(create({ backend: "webgpu" })),
    }));
    assert.equal(info.backend, "wasm");
    assert.equal(error.code, "device-failed");
    assert.match(error.message, /adapter|no WebGPU/);
  });
});
