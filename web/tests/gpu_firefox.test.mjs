/* gpu_firefox.test.mjs — the GPU backend in Firefox, whose WebGPU is wgpu, here on Mesa's lavapipe. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { startServer } from "../demo/serve.mjs";
import { launchFirefox } from "./firefox.mjs";
import { checkProfiles, needEngine, packagedFixtures, packagedGraphs, packagedModels, profiledGraph, root, wasmFolder } from "./support.mjs";

describe("the GPU backend in Firefox", () => {
  let browser, server, page;

  before(async () => {
    needEngine();
    browser = await launchFirefox();
    const mounts = [["/fixtures/", packagedFixtures], ["/tests/", join(root, "web/tests")]];
    server = await startServer({ wasm: wasmFolder, mounts });
    page = await browser.newPage();
    await page.goto(`${server.url}blank.html`);
    await page.evaluate(async () => {
      window.cases = await import("/tests/gpu_cases.mjs");
      const { Brink } = await import("/sdk/index.js");
      window.create = (options) => Brink.create({ wasmBase: "./wasm/", ...options });
    });
  });
  after(async () => {
    await browser?.close();
    await server?.close();
  });

  const all = packagedGraphs();
  const some = all.filter(({ graph }) => /^(bert|llama)/.test(graph)); // over shared memory
  for (const [variant, graphs] of [["relaxed", all], ["relaxed-threads", some]])
    test(`${graphs.length} graphs give their reference outputs (${variant})`, async () => {
      const { gpu, failures } = await page.evaluate(
        async (graphs, variant) => {
          const engine = await create({ backend: "webgpu", variant });
          const result = { gpu: engine.info.gpu, ...(await cases.compareGraphs(engine, "/fixtures/", graphs)) };
          engine.dispose();
          return result;
        },
        graphs,
        variant,
      );
      assert.deepEqual(failures, []);
      assert.ok(gpu.software, "Firefox hides the adapter's name, and says that it is a fallback");
    });

  test("a profile times each node and changes nothing", async (t) => {
    const result = await page.evaluate(
      async (graph) => cases.profiles(await create({ backend: "webgpu" }), "/fixtures/", "llama/genai_int4", graph),
      profiledGraph(),
    );
    checkProfiles(t, result);
  });

  test("language models give the wasm backend's tokens", async () => {
    const rows = await page.evaluate(async (folders) => {
      const engines = [await create({ backend: "webgpu" }), await create({ backend: "wasm" })];
      return cases.bothTokens(...engines, "/fixtures/", folders, 20);
    }, packagedModels);
    assert.ok(rows.length > 0);
    for (const [name, gpu, wasm] of rows) assert.equal(gpu, wasm, name);
  });
});
