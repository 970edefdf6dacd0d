/* gpu_node.test.mjs — the SDK in Node, the GPU backend over npm's webgpu (Dawn) on SwiftShader unless
   VK_ICD_FILENAMES names another driver. */
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { casesFolder, checkLosses, checkProfiles, need, needEngine, nodeCases, packagedFixtures, packagedGraphs, packagedModels, profiledGraph, root, wasmFolder } from "./support.mjs";

process.env.VK_ICD_FILENAMES ??= "/usr/lib/chromium/vk_swiftshader_icd.json";

describe("the SDK in Node", () => {
  const base = pathToFileURL(join(packagedFixtures, "/")).href;
  const wasmBase = pathToFileURL(join(wasmFolder, "/"));

  async function create(t, options) {
    needEngine();
    need(join(root, "web/sdk/dist/index.js"), "run npm run build");
    await import("../node/index.mjs");
    const { Brink } = await import("../sdk/dist/index.js");
    const engine = await Brink.create({ wasmBase, ...options });
    t.after(() => engine.dispose());
    return engine;
  }

  for (const variant of ["relaxed", "relaxed-threads"])
    test(`graphs on the GPU give their reference outputs (${variant})`, async (t) => {
      const { compareGraphs } = await import("./gpu_cases.mjs");
      const engine = await create(t, { backend: "webgpu", variant });
      const graphs = packagedGraphs().filter(({ graph }) => /^(bert|llama|gemma3)/.test(graph));
      const { runs, failures } = await compareGraphs(engine, base, graphs);
      t.diagnostic(`${engine.info.gpu.name}: ${runs} runs`);
      assert.deepEqual(failures, []);
    });

  test("language models give the wasm backend's tokens", async (t) => {
    const { bothTokens } = await import("./gpu_cases.mjs");
    const engines = [await create(t, { backend: "webgpu" }), await create(t, { backend: "wasm" })];
    const rows = await bothTokens(...engines, base, packagedModels, 20);
    assert.ok(rows.length > 0);
    for (const [name, gpu, wasm] of rows) assert.equal(gpu, wasm, name);
  });

  test("a profile times each node and changes nothing", async (t) => {
    const { profiles } = await import("./gpu_cases.mjs");
    const engine = await create(t, { backend: "webgpu" });
    checkProfiles(t, await profiles(engine, base, "llama/genai_int4", profiledGraph()));
  });

  // Dawn is stricter than the wgpu of the native build: each kernel's form should meet it once
  test("ONNX's node cases pass on the GPU as in wasm", async (t) => {
    const { compareGraphs } = await import("./gpu_cases.mjs");
    const graphs = nodeCases();
    const place = pathToFileURL(join(casesFolder, "/")).href;
    const { runs, failures } = await compareGraphs(await create(t, { backend: "webgpu" }), place, graphs);
    t.diagnostic(`${runs} runs, ${failures.length} failures`);
    const suspects = graphs.filter(({ graph }) => failures.some((line) => line.startsWith(`${graph}:`)));
    const wasm = await compareGraphs(await create(t, { backend: "wasm" }), place, suspects);
    const names = (lines) => lines.map((line) => line.split(":")[0]);
    assert.deepEqual(failures.filter((line) => !names(wasm.failures).includes(line.split(":")[0])), []);
    assert.ok(runs > 1500);
  });

  test("a device that is destroyed in the midst of a request", async (t) => {
    const { loseDevices } = await import("./gpu_losses.mjs");
    const wasm = await create(t, { backend: "wasm" }); // it makes Node ready
    wasm.dispose();
    const folder = mkdtempSync(join(tmpdir(), "brink-losses-"));
    t.after(() => rmSync(folder, { recursive: true }));
    cpSync(join(root, "web/sdk/dist"), folder, { recursive: true });
    renameSync(join(folder, "worker.js"), join(folder, "real.js"));
    const patch = pathToFileURL(join(root, "web/tests/lossy_gpu.mjs")).href;
    writeFileSync(join(folder, "worker.js"), `import "${patch}"; import "./real.js";`);
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    const { Brink, BrinkError } = await import(pathToFileURL(join(folder, "index.js")).href);
    const engine = await Brink.create({ wasmBase, backend: "webgpu" });
    t.after(() => engine.dispose());
    checkLosses(t, await loseDevices(engine, BrinkError, base, 1), 10);
  });

  test("a file that is missing is named", async (t) => {
    const engine = await create(t, { backend: "wasm" });
    await assert.rejects(engine.load(`${base}nowhere/`), /model\.onnx/);
  });
});
