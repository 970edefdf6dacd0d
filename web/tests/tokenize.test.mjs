/* tokenize.test.mjs — model.tokenize() and detokenize() in a tab: the ids and places of the native command. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { command, modelsFolder, needCommand, needModel, suite } from "./support.mjs";

const texts = ["Where is the nearest Railway station?", "", "naïve Ａ ½ 日本語", "👩‍👩‍👧 is 🎉 fun, unbelievably", "very ".repeat(400)];

/** {ids, offsets} of the command; its offsets are in characters, script's in UTF-16 units. */
function native(text, ...options) {
  const args = ["tokenize", join(modelsFolder, "minilm"), text, "--offsets", ...options, "--json"];
  const { ids, offsets } = JSON.parse(execFileSync(command, args, { encoding: "utf8" }));
  const units = (place) => [...text].slice(0, place).join("").length;
  return { ids, offsets: offsets.flat().map(units) };
}

describe("tokenize() in a tab", () => {
  const pages = suite();
  before(() => {
    needModel("minilm");
    needCommand();
  });

  test("one text and several, with and without special tokens and places", async (t) => {
    const { page, problems } = await pages.open(t);
    const got = await page.evaluate(async (texts) => {
      window.model = await (await create({ backend: "wasm" })).load("./models/minilm/");
      const plain = ({ ids, offsets }) => ({ ids: [...ids], offsets: [...offsets] });
      const placed = await model.tokenize(texts, { offsets: true });
      return {
        all: placed.map(plain),
        ids: (await model.tokenize(texts)).map((ids) => [...ids]),
        without: plain(await model.tokenize(texts[3], { special: false, offsets: true })),
        one: [...(await model.tokenize(texts[0]))],
        none: await model.tokenize([]),
        words: Array.from({ length: placed[3].ids.length }, (_, i) => texts[3].slice(placed[3].offsets[2 * i], placed[3].offsets[2 * i + 1])),
        back: await model.detokenize(await model.tokenize(texts[0])),
        wrong: await failure(model.tokenize(["a", 1])),
        gone: await (async () => (await model.dispose(), failure(model.tokenize("a"))))(),
      };
    }, texts);
    const expected = texts.map((text) => native(text));
    assert.deepEqual(got.all, expected);
    assert.deepEqual(got.ids, expected.map(({ ids }) => ids));
    assert.deepEqual(got.without, native(texts[3], "--no-special"));
    assert.deepEqual(got.one, expected[0].ids);
    assert.deepEqual(got.none, []);
    assert.ok(got.words.includes("fun") && got.words.includes("is"), got.words.join("|"));
    assert.equal(got.back, "where is the nearest railway station?");
    assert.equal(got.wrong.code, "invalid-argument");
    assert.match(got.wrong.message, /text 1/);
    assert.equal(got.gone.code, "disposed");
    assert.deepEqual(problems, []);
  });
});
