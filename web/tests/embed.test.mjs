/* embed.test.mjs — model.embed() in a tab: the vectors of the native command, options, progress, abort. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { launchBrowser, softwareGpu } from "../demo/browser.mjs";
import { command, modelsFolder, needCommand, needModel, suite } from "./support.mjs";

const texts = [
  "Where is the nearest railway station?",
  "",
  "Der Zug nach München hat zwanzig Minuten Verspätung.",
  "会議は木曜日に延期されました。 🎉",
  "very ".repeat(300),
  "a\0b",
];

const cosine = (a, b) => {
  const dot = (x, y) => x.reduce((sum, v, i) => sum + v * y[i], 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
};

function native(...options) {
  const list = texts.filter((text) => !text.includes("\0")).flatMap((text) => ["--text", text]);
  const args = ["embed", join(modelsFolder, "minilm"), ...list, ...options, "--backend", "cpu", "--json"];
  return JSON.parse(execFileSync(command, args, { encoding: "utf8", maxBuffer: 1 << 24 }));
}

describe("embeddings in a tab", () => {
  const pages = suite();
  before(() => {
    needModel("minilm");
    needCommand();
  });

  async function openModel(t, engine = {}) {
    const opened = await pages.open(t);
    await opened.page.evaluate(async (engine) => {
      window.engine = await create(engine);
      window.model = await window.engine.load("./models/minilm/");
      window.plain = ({ vectors, ...rest }) => ({ ...rest, kind: vectors[0]?.constructor.name, vectors: vectors.map((v) => [...v]) });
    }, engine);
    return opened;
  }

  for (const variant of ["relaxed-threads", "plain"])
    test(`vectors are the native command's (${variant})`, async (t) => {
      const expected = native();
      const { page, problems } = await openModel(t, { variant });
      const got = await page.evaluate(async (texts) => ({ facts: model.facts, ...plain(await model.embed(texts)) }), texts);
      assert.equal(got.facts.embedder, true);
      assert.equal(got.facts.languageModel, false);
      assert.equal(got.kind, "Float32Array");
      assert.equal(got.dimensions, expected.dimensions);
      assert.equal(got.truncated, 1);
      assert.equal(got.vectors.length, texts.length);
      for (const [i, vector] of expected.vectors.entries()) assert.ok(cosine(got.vectors[i], vector) > 0.9999, texts[i]);
      assert.deepEqual(problems, []);
    });

  test("options: one text, prefix, dimensions, pooling, normalize, precision", async (t) => {
    const expected = { cls: native("--pooling", "cls", "--no-normalize"), prefix: native("--prefix", "query: ", "--dimensions", "64") };
    const { page } = await openModel(t);
    const got = await page.evaluate(
      async ([text]) => ({
        one: plain(await model.embed(text)),
        none: plain(await model.embed([])),
        cls: plain(await model.embed([text], { pooling: "cls", normalize: false })),
        prefix: plain(await model.embed([text], { prefix: "query: ", dimensions: 64 })),
        int8: plain(await model.embed([text], { precision: "int8" })),
        bits: plain(await model.embed([text], { precision: "ubinary" })),
      }),
      texts,
    );
    const [vector] = got.one.vectors;
    assert.deepEqual(got.none.vectors, []);
    assert.ok(cosine(got.cls.vectors[0], expected.cls.vectors[0]) > 0.9999);
    assert.ok(Math.abs(Math.hypot(...got.cls.vectors[0]) - 1) > 0.01, "its length is not 1");
    assert.equal(got.prefix.dimensions, 64);
    assert.ok(cosine(got.prefix.vectors[0], expected.prefix.vectors[0]) > 0.9999);
    assert.equal(got.int8.kind, "Int8Array");
    assert.ok(got.int8.vectors[0].every((q, i) => Math.abs(q - 127 * vector[i]) <= 0.5001));
    assert.equal(got.bits.kind, "Uint8Array");
    assert.equal(got.bits.vectors[0].length, vector.length / 8);
    assert.ok(vector.every((x, i) => ((got.bits.vectors[0][i >> 3] >> (7 - (i & 7))) & 1) === (x > 0 ? 1 : 0)));
  });

  test("progress, an abort, and what is refused", async (t) => {
    const { page } = await openModel(t);
    const got = await page.evaluate(async () => {
      const many = Array.from({ length: 120 }, (_, i) => `text ${i} ${"word ".repeat(i)}`);
      const seen = [];
      await model.embed(many, { onProgress: (done, total) => seen.push([done, total]) });
      const controller = new AbortController();
      const aborted = failure(model.embed(many, { signal: controller.signal, onProgress: () => controller.abort() }));
      return {
        seen,
        aborted: await aborted,
        again: (await model.embed(["one"])).dimensions,
        dimensions: await failure(model.embed(["one"], { dimensions: 500 })),
        prompt: await failure(model.embed(["one"], { prompt: "query" })),
        precision: await failure(model.embed(["one"], { precision: "int4" })),
        text: await failure(model.embed(["one", 2])),
        gone: await (async () => (await model.dispose(), failure(model.embed(["one"]))))(),
      };
    });
    assert.ok(got.seen.length > 2 && got.seen.every(([done, total], i) => total === 120 && done >= (got.seen[i - 1]?.[0] ?? 0)));
    assert.deepEqual(got.seen.at(-1), [120, 120]);
    assert.equal(got.aborted.name, "AbortError");
    assert.equal(got.again, 384);
    for (const name of ["dimensions", "prompt", "precision", "text"]) assert.equal(got[name].code, "invalid-argument", name);
    assert.match(got.dimensions.message, /384 dimensions, 500/);
    assert.equal(got.gone.code, "disposed");
  });
});

describe("embeddings on the GPU of a tab", () => {
  const pages = suite(() => launchBrowser(softwareGpu));
  before(() => needModel("minilm"));

  test("vectors are the wasm backend's", async (t) => {
    const { page, problems } = await pages.open(t);
    const [gpu, wasm] = await page.evaluate(
      async (texts) => {
        const lists = [];
        for (const backend of ["webgpu", "wasm"]) {
          const engine = await create({ backend });
          if (engine.info.backend !== backend) throw new Error(`on ${engine.info.backend}`);
          const model = await engine.load("./models/minilm/");
          lists.push((await model.embed(texts)).vectors.map((v) => [...v]));
          engine.dispose();
        }
        return lists;
      },
      texts.slice(0, 4),
    );
    for (const [i, vector] of wasm.entries()) assert.ok(cosine(gpu[i], vector) > 0.9999, texts[i]);
    assert.deepEqual(problems, []);
  });
});
