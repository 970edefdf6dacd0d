/* engine.test.mjs — the SDK in Chromium on small graphs: loading from every kind of source, running,
   failing, and giving memory back. */
import assert from "node:assert/strict";
import { createReadStream, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { dataSet, farthest, modelsFolder, needFixture, needModel, suite } from "./support.mjs";

const fixture = "bert/fp32";

describe("the engine in a tab", () => {
  const pages = suite();
  const mounts = () => [["/fixture/", needFixture(fixture)]];

  /** Opens a page whose window.tensors are the first data set's inputs and outputs. */
  async function openFixture(t, options = {}, engine = {}) {
    const folder = needFixture(fixture);
    const opened = await pages.open(t, { mounts: mounts(), ...options });
    const files = dataSet(join(folder, "model/test_data_set_0"));
    await opened.page.evaluate(
      async ({ files, engine }) => {
        window.engine = await create(engine);
        const read = (list) => Promise.all(list.map((bytes) => window.engine.readTensor(new Uint8Array(bytes))));
        window.tensors = { inputs: await read(files.inputs), outputs: await read(files.outputs) };
        window.feed = Object.fromEntries(tensors.inputs.map((tensor) => [tensor.name, tensor]));
        /** Runs the model on the data set: what came out and what should have, as plain lists. */
        window.check = async (model) => {
          const outputs = await model.run(feed);
          return tensors.outputs.map((want) => {
            const got = outputs[want.name];
            return { name: want.name, shape: [got.shape, want.shape], type: [got.type, want.type], data: [[...got.data], [...want.data]] };
          });
        };
      },
      { files, engine },
    );
    return opened;
  }

  function agree(results) {
    assert.ok(results.length > 0);
    for (const { name, shape, type, data } of results) {
      assert.deepEqual(shape[0], shape[1], name);
      assert.equal(type[0], type[1], name);
      assert.ok(farthest(data[0], data[1]) <= 1, `${name} is within 1e-4`);
    }
  }

  test("run() gives what the data set says", async (t) => {
    const { page, problems } = await openFixture(t);
    agree(await page.evaluate(async () => check((window.model = await engine.load("./fixture/model.onnx")))));
    const names = await page.evaluate(() => [model.inputs.map((v) => v.name), tensors.inputs.map((v) => v.name)]);
    assert.deepEqual(names[0], names[1]);
    assert.deepEqual(problems, []);
  });

  for (const variant of ["plain", "relaxed", "threads", "relaxed-threads"])
    test(`the ${variant} build`, async (t) => {
      const { page } = await openFixture(t, {}, { variant });
      assert.equal(await page.evaluate(() => engine.info.variant), variant);
      assert.equal(await page.evaluate(() => engine.info.threads > 1), variant.endsWith("threads"));
      agree(await page.evaluate(async () => check(await engine.load("./fixture/"))));
    });

  test("a model may come as addresses, Blobs, ArrayBuffers or views of them", async (t) => {
    const { page } = await openFixture(t);
    const results = await page.evaluate(async () => {
      const bytes = await (await fetch("./fixture/model.onnx")).arrayBuffer();
      const padded = new Uint8Array(bytes.byteLength + 7);
      padded.set(new Uint8Array(bytes), 7);
      const sources = [
        { "model.onnx": "./fixture/model.onnx" },
        { "model.onnx": new URL("./fixture/model.onnx", location.href) },
        { "only.onnx": new Blob([bytes]) },
        { "model.onnx": bytes },
        { "model.onnx": padded.subarray(7) },
      ];
      const all = [];
      for (const source of sources) all.push(await check(await engine.load(source)));
      return { all, still: bytes.byteLength };
    });
    results.all.forEach(agree);
    assert.ok(results.still > 0, "the caller's buffer is left alone");
  });

  test("progress counts bytes and never falls", async (t) => {
    const { page } = await openFixture(t);
    const seen = await page.evaluate(async () => {
      const seen = [];
      await engine.load("./fixture/", { onProgress: (p) => seen.push(p) });
      return seen;
    });
    assert.ok(seen.length > 0);
    seen.reduce((a, b) => {
      assert.ok(b.loadedBytes >= a.loadedBytes && b.totalBytes >= b.loadedBytes);
      return b;
    });
    const { size } = statSync(join(needFixture(fixture), "model.onnx"));
    assert.ok(seen.at(-1).loadedBytes >= size && seen.at(-1).loadedBytes === seen.at(-1).totalBytes);
  });

  test("a model's files come side by side, each once", async (t) => {
    const folder = needFixture("llama/genai_int4");
    let weightsAsked;
    const asked = new Promise((resolve) => (weightsAsked = resolve));
    const intercept = async (request) => {
      // the tokenizer's answer waits until the weights were asked for: in turn, that would be never
      if (request.url === "/llm/model.onnx.data") weightsAsked();
      if (request.url === "/llm/tokenizer.json") await asked;
      return false;
    };
    const { page, server } = await pages.open(t, { mounts: [["/llm/", folder]], intercept });
    const facts = await page.evaluate(async () => (await (await create()).load("./llm/")).facts);
    assert.ok(facts.languageModel);
    const files = server.requests.filter((path) => path.startsWith("/llm/"));
    assert.deepEqual([...new Set(files)].sort(), [...files].sort(), "each file is asked for once");
  });

  test("a missing file is named", async (t) => {
    const { page } = await openFixture(t);
    const error = await page.evaluate(() => failure(engine.load("./nowhere/")));
    assert.equal(error.code, "bad-input");
    assert.equal(error.name, "BadInputError");
    assert.match(error.message, /model\.onnx/);
    assert.ok(error.hint.length > 10 && error.brink);
    agree(await page.evaluate(async () => check(await engine.load("./fixture/"))));
  });

  test("a failing server and a broken transfer are network errors", async (t) => {
    const model = join(needFixture(fixture), "model.onnx");
    const intercept = (request, response) => {
      if (request.url === "/failing/model.onnx") return response.writeHead(500).end(), true;
      if (request.url !== "/broken/model.onnx") return false;
      response.writeHead(200, { "Content-Length": statSync(model).size });
      response.write(readFileSync(model).subarray(0, 1000), () => setTimeout(() => response.destroy(), 50));
      return true;
    };
    const { page } = await openFixture(t, { intercept });
    const before = await page.evaluate(() => engine.memory());
    const failing = await page.evaluate(() => failure(engine.load("./failing/")));
    assert.equal(failing.code, "network");
    assert.match(failing.message, /500/);
    const broken = await page.evaluate(() => failure(engine.load("./broken/")));
    assert.equal(broken.code, "network");
    assert.match(broken.message, /model\.onnx/);
    assert.equal((await page.evaluate(() => engine.memory())).live, before.live);
  });

  test("damaged models fail, and leave the engine as it was", async (t) => {
    const { page } = await openFixture(t);
    const result = await page.evaluate(async () => {
      const before = (await engine.memory()).live;
      const bytes = new Uint8Array(await (await fetch("./fixture/model.onnx")).arrayBuffer());
      const errors = [];
      for (const length of [0, 1, 1000, bytes.length >> 1, bytes.length - 1])
        errors.push(await failure(engine.load({ "model.onnx": bytes.slice(0, length) })));
      errors.push(await failure(engine.load({ "model.onnx": new TextEncoder().encode("<!doctype html><p>no") })));
      return { errors, before, after: (await engine.memory()).live };
    });
    for (const error of result.errors) {
      assert.equal(error?.code, "bad-input");
      assert.match(error.message, /model\.onnx/);
    }
    assert.equal(result.after, result.before);
    agree(await page.evaluate(async () => check(await engine.load("./fixture/"))));
  });

  test("wrong inputs are refused with a reason", async (t) => {
    const { page } = await openFixture(t);
    const errors = await page.evaluate(async () => {
      const model = await engine.load("./fixture/");
      const [name] = Object.keys(feed);
      return {
        size: await failure(model.run({ ...feed, [name]: { ...feed[name], shape: [1, 99] } })),
        name: await failure(model.run({ ...Object.fromEntries(Object.entries(feed).slice(1)), nonsense: feed[name] })),
        many: await failure(model.run({ ...feed, nonsense: feed[name] })),
        none: await failure(model.run({})),
        type: await failure(model.run({ ...feed, [name]: { shape: [1], data: new Float32Array(1) } })),
        generate: await failure(model.generate({ tokens: [1] }).stats),
      };
    });
    for (const [what, error] of Object.entries(errors)) assert.ok(error?.brink && error.message, what);
    assert.equal(errors.size.code, "invalid-argument");
    assert.match(errors.name.message, /nonsense/);
  });

  test("an abort ends a load in mid-transfer and gives the memory back", async (t) => {
    let closed;
    const gone = new Promise((resolve) => (closed = resolve));
    const intercept = (request, response) => {
      if (request.url !== "/slow/model.onnx") return false;
      response.writeHead(200, { "Content-Length": 50_000_000 });
      response.write(Buffer.alloc(1_000_000));
      response.on("close", closed);
      return true;
    };
    const { page } = await openFixture(t, { intercept });
    const result = await page.evaluate(async () => {
      const before = (await engine.memory()).live;
      const controller = new AbortController();
      let during = 0;
      const loading = engine.load("./slow/", { signal: controller.signal, onProgress: (p) => (during = p.loadedBytes) });
      const failed = failure(loading);
      while (during === 0) await sleep(5);
      const began = performance.now();
      controller.abort();
      const error = await failed;
      const ms = performance.now() - began;
      const early = await failure(engine.load("./fixture/", { signal: AbortSignal.abort(new Error("mine")) }));
      return { error, ms, before, after: (await engine.memory()).live, early };
    });
    await gone;
    assert.equal(result.error.name, "AbortError");
    assert.ok(result.ms < 500, `aborted within ${result.ms} ms`);
    assert.equal(result.after, result.before);
    assert.equal(result.early.message, "mine", "an aborted signal's own reason comes back");
    agree(await page.evaluate(async () => check(await engine.load("./fixture/"))));
  });

  test("several models share an engine, and several engines a page", async (t) => {
    const { page } = await openFixture(t);
    const results = await page.evaluate(async () => {
      const other = await create({ threads: 1 });
      const models = await Promise.all([engine.load("./fixture/"), engine.load("./fixture/model.onnx"), other.load("./fixture/")]);
      const results = await Promise.all(models.map(check));
      await models[0].dispose();
      const late = await failure(models[0].run(feed));
      results.push(await check(models[1]));
      other.dispose();
      results.push(await check(models[1]));
      return { results, late };
    });
    results.results.forEach(agree);
    assert.equal(results.late.code, "disposed");
  });

  test("loading and disposing over and over takes no more memory", async (t) => {
    const { page } = await openFixture(t);
    const rounds = await page.evaluate(async () => {
      const rounds = [];
      for (let i = 0; i < 12; ++i) {
        const model = await engine.load("./fixture/");
        await model.run(feed);
        await model.dispose();
        rounds.push(await engine.memory());
      }
      return rounds;
    });
    assert.equal(rounds.at(-1).live, rounds[0].live);
    assert.equal(rounds.at(-1).heap, rounds[3].heap);
  });

  test("without isolation it runs on one thread", async (t) => {
    const { page } = await openFixture(t, { isolation: false });
    assert.equal(await page.evaluate(() => crossOriginIsolated), false);
    const info = await page.evaluate(() => engine.info);
    assert.equal(info.threads, 1);
    assert.ok(["plain", "relaxed"].includes(info.variant));
    agree(await page.evaluate(async () => check(await engine.load("./fixture/"))));
    const error = await page.evaluate(() => failure(create({ variant: "threads" })));
    assert.equal(error.code, "unsupported");
  });

  test("it runs under a strict content security policy", async (t) => {
    const { page, problems } = await openFixture(t);
    agree(await page.evaluate(async () => check(await engine.load("./fixture/"))));
    assert.deepEqual(problems, [], "nothing was refused");
    await page.evaluate(() => {
      const script = document.createElement("script");
      script.textContent = "window.inline = true";
      document.head.append(script);
    });
    assert.equal(await page.evaluate(() => window.inline), undefined, "the policy is in force");
  });

  test("a dead worker fails every call, pending and later", async (t) => {
    const { page } = await openFixture(t);
    await page.evaluate(async () => {
      window.pending = failure(engine.load({ "model.onnx": "./never/" }));
    }).catch(() => {});
    await page.workers()[0].evaluate(() => void setTimeout(() => { throw new Error("provoked"); }));
    const late = await page.evaluate(async () => {
      await sleep(200);
      return failure(engine.memory());
    });
    assert.equal(late.code, "engine-died");
    assert.match(late.message, /provoked/);
    agree(
      await page.evaluate(async () => {
        window.engine = await create({});
        return check(await engine.load("./fixture/"));
      }),
    );
  });

  test("disposing of the engine fails what is pending", async (t) => {
    const { page } = await openFixture(t, {
      intercept: (request) => request.url === "/never/model.onnx", // never answered
    });
    const errors = await page.evaluate(async () => {
      const pending = failure(engine.load("./never/"));
      await sleep(50);
      engine.dispose();
      return [await pending, await failure(engine.memory())];
    });
    for (const error of errors) assert.equal(error.code, "disposed");
    // the browser takes a moment to end a thread that sleeps in wasm
    for (let i = 0; i < 50 && page.workers().length > 0; ++i) await page.waitForTimeout(100);
    assert.equal(page.workers().length, 0);
  });

  test("an engine that cannot be found says where it looked", async (t) => {
    const { page } = await openFixture(t);
    const error = await page.evaluate(() => failure(create({ wasmBase: "./elsewhere/" })));
    assert.equal(error.code, "network");
    assert.match(error.message, /elsewhere.*404/);
  });

  test("a truncated weights file of a language model is refused by its length", async (t) => {
    needModel("smollm2");
    const folder = join(modelsFolder, "smollm2");
    const intercept = (request, response) => {
      const name = /^\/short\/(.*)$/.exec(request.url)?.[1];
      if (name === undefined) return false;
      const path = join(folder, name);
      const size = statSync(path, { throwIfNoEntry: false })?.size;
      if (size === undefined) return response.writeHead(404).end(), true;
      const end = name.endsWith(".data") ? size - 4096 : size;
      response.writeHead(200, { "Content-Length": end });
      createReadStream(path, { end: end - 1 }).pipe(response);
      return true;
    };
    const { page } = await openFixture(t, { intercept });
    const before = await page.evaluate(() => engine.memory());
    const error = await page.evaluate(() => failure(engine.load("./short/")));
    assert.equal(error?.code, "bad-input");
    assert.match(error.message, /\.data/);
    assert.equal((await page.evaluate(() => engine.memory())).live, before.live);
  });
});
