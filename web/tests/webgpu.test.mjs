/* webgpu.test.mjs — webgpu.h over the browser's WebGPU by itself: tests/wasm/webgpu.c drives it from C. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import * as esbuild from "esbuild";
import { launchBrowser, softwareGpu } from "../demo/browser.mjs";
import { need, root, suite } from "./support.mjs";

const triple = `@group(0) @binding(0) var<storage, read_write> x: array<u32>;
@compute @workgroup_size(1) fn main(@builtin(workgroup_id) at: vec3<u32>) { x[at.x] = 3 * x[at.x]; }`;

describe("webgpu.h in a tab", () => {
  const pages = suite(() => launchBrowser(softwareGpu));
  const folder = mkdtempSync(join(tmpdir(), "brink-webgpu-"));
  before(() => {
    need(join(root, "build/wasm/webgpu_test.wasm"), "run make wasm");
    const entryPoints = [join(root, "web/sdk/src/worker/webgpu.ts")];
    return esbuild.build({ entryPoints, outdir: folder, bundle: true, format: "esm", logLevel: "error" });
  });
  after(() => rmSync(folder, { recursive: true }));

  /** A page where the program runs: `c` are its functions, `heard(...)` waits for one of these events. */
  async function open(t, gpu = "navigator.gpu") {
    const opened = await pages.open(t, { mounts: [["/unit/", folder], ["/c/", join(root, "build/wasm")]] });
    await opened.page.evaluate(async (gpu) => {
      const { WebGpu } = await import("/unit/webgpu.js");
      const module = await WebAssembly.compileStreaming(fetch("/c/webgpu_test.wasm"));
      let told = () => {};
      window.glue = new WebGpu(gpu === "none" ? undefined : navigator.gpu, () => told());
      const imports = { webgpu: glue.imports };
      for (const { module: from, name } of WebAssembly.Module.imports(module)) if (from !== "webgpu") (imports[from] ??= {})[name] = () => 52;
      window.c = (await WebAssembly.instantiate(module, imports)).exports;
      glue.attach(c.memory, c);
      c._initialize();
      window.words = (at, count) => [...new Uint32Array(c.memory.buffer, at, count)];
      window.put = (bytes) => {
        const at = c.malloc(bytes.length + 1);
        new Uint8Array(c.memory.buffer).set([...bytes, 0], at);
        return at;
      };
      window.said = () => {
        const bytes = new Uint8Array(c.memory.buffer, c.test_said());
        return new TextDecoder().decode(bytes.slice(0, bytes.indexOf(0)));
      };
      window.names = { adapter: 1, device: 2, refused: 4, error: 8, lost: 16, mapped: 32, aborted: 64, other: 128, compiled: 256 };
      const seen = new Set();
      window.heard = async (name) => {
        for (;;) {
          const bits = c.test_events();
          for (const [event, bit] of Object.entries(names)) if (bits & bit) seen.add(event);
          if (seen.has("other")) throw new Error(`an unexpected answer: ${said()}`);
          if (seen.delete(name)) return said();
          await new Promise((resolve) => (told = resolve));
        }
      };
      window.ready = async () => {
        c.test_adapter();
        await heard("adapter");
        c.test_device(0);
        await heard("device");
      };
      window.compile = (code, values) =>
        c.test_compile(put(new TextEncoder().encode(code)), put(new Uint8Array(Uint32Array.from(values).buffer)), values.length);
      window.run = async (code, values) => {
        compile(code, values);
        await heard("compiled");
        c.test_run();
      };
    }, gpu);
    return opened;
  }

  test("a kernel runs, twice in one submit, and its results come back", async (t) => {
    const { page, problems } = await open(t);
    const result = await page.evaluate(async (triple) => {
      await ready();
      const info = c.test_info();
      const adapter = said();
      await run(triple, [1, 2, 1000000, 7]);
      const early = c.test_result();
      await heard("mapped");
      const values = words(c.test_result(), 4);
      c.test_unmap(0);
      const late = c.test_result();
      c.test_drop();
      c.test_destroy();
      await heard("lost");
      c.test_end();
      return { info, adapter, early, values, late, held: glue.held, pending: glue.pending };
    }, triple);
    assert.ok(result.info !== 0 && result.adapter.length > 0);
    assert.deepEqual(result.values, [9, 18, 9000000, 63]);
    assert.deepEqual([result.early, result.late], [0, 0], "nothing is there before it is mapped, or after");
    assert.equal(result.held, 0, "every object was released");
    assert.equal(result.pending, 0);
    assert.deepEqual(problems, []);
  });

  test("a bad shader is the device's error, with the compiler's text", async (t) => {
    const { page } = await open(t);
    const message = await page.evaluate(async (triple) => {
      await ready();
      compile(triple.replace("3 * x", "3 * nonsense"), [1]);
      return heard("error");
    }, triple);
    assert.match(message, /nonsense/);
  });

  test("unmapping ends the wait at once, and the buffer can be mapped again", async (t) => {
    const { page } = await open(t);
    const result = await page.evaluate(async (triple) => {
      await ready();
      await run(triple, [5]);
      c.test_unmap(1);
      const bits = c.test_events();
      await heard("mapped");
      return { aborted: (bits & names.aborted) !== 0, values: words(c.test_result(), 1) };
    }, triple);
    assert.deepEqual(result, { aborted: true, values: [45] });
  });

  test("a device that is lost ends what waits for it", async (t) => {
    const { page } = await open(t);
    const result = await page.evaluate(async (triple) => {
      await ready();
      await run(triple, [5]);
      c.test_drop();
      c.test_destroy();
      await heard("aborted");
      return heard("lost");
    }, triple);
    assert.ok(result.length > 0);
  });

  test("what cannot be had is refused with a reason", async (t) => {
    const { page } = await open(t);
    const limit = await page.evaluate(async () => {
      c.test_adapter();
      await heard("adapter");
      c.test_device(1);
      return heard("refused");
    });
    assert.match(limit, /limit|maxComputeWorkgroupSizeX/i);
    const { page: without } = await open(t, "none");
    assert.match(await without.evaluate(() => (c.test_adapter(), heard("refused"))), /no WebGPU/);
  });

  test("an instance that was released hears nothing more", async (t) => {
    const { page, problems } = await open(t);
    const result = await page.evaluate(async (triple) => {
      await ready();
      await run(triple, [5]);
      c.test_drop();
      c.test_destroy();
      c.test_end();
      await sleep(300);
      return { held: glue.held, pending: glue.pending };
    }, triple);
    assert.deepEqual(result, { held: 0, pending: 0 });
    assert.deepEqual(problems, []);
  });
});
