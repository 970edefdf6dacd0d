/* adapters.test.mjs — LoRA adapters of the default language model in a tab: chosen per generation, several beside
   one another, the base untouched; what is no adapter of the model is refused by name. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { needModel, suite } from "./support.mjs";

describe("adapters in a tab", () => {
  const pages = suite();
  before(() => needModel("smollm2"));

  async function openModel(t) {
    const opened = await pages.open(t, {});
    await opened.page.evaluate(async () => {
      window.engine = await create({});
      window.model = await window.engine.load("./models/smollm2/", { exact: true });
      window.files = (size, { rank = 4, module = "model.layers.3.mlp.down_proj", k = 1536, n = 576, config = {} } = {}) => {
        const values = new Float32Array(rank * (k + n));
        values.forEach((_, i) => (values[i] = (i < rank * k ? 1 : size) * Math.sin(i * i)));
        const name = `base_model.model.${module}.lora_`;
        const header = new TextEncoder().encode(
          JSON.stringify({
            [`${name}A.weight`]: { dtype: "F32", shape: [rank, k], data_offsets: [0, 4 * rank * k] },
            [`${name}B.weight`]: { dtype: "F32", shape: [n, rank], data_offsets: [4 * rank * k, 4 * rank * (k + n)] },
          }),
        );
        const bytes = new Uint8Array(8 + header.length + values.byteLength);
        new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true);
        bytes.set(header, 8);
        bytes.set(new Uint8Array(values.buffer), 8 + header.length);
        const settings = { peft_type: "LORA", r: rank, lora_alpha: rank, bias: "none", ...config };
        return {
          "adapter_config.json": new Blob([JSON.stringify(settings)]),
          "adapter_model.safetensors": bytes,
        };
      };
      window.reply = async (adapter, session = model) => {
        const ids = [];
        for await (const { id } of session.generate({ prompt: "The capital of France is", maxTokens: 12, whole: session !== model, adapter })) ids.push(id);
        return ids.join(" ");
      };
    });
    return opened;
  }

  test("each generation has its own, and the base stays what it was", async (t) => {
    const { page, problems } = await openModel(t);
    const result = await page.evaluate(async () => {
      const [none, some] = [await model.loadAdapter(files(0)), await model.loadAdapter(files(2))];
      const session = await model.createSession();
      const all = {
        base: await reply(), none: await reply(none), some: await reply(some), again: await reply(),
        kept: [await reply(some, session), await reply(undefined, session), await reply(some, session)],
      };
      const running = model.generate({ prompt: "Once", maxTokens: 200, adapter: some });
      const iterator = running[Symbol.asyncIterator]();
      await iterator.next();
      all.inUse = await some.dispose().then(() => "disposed", (error) => error.message);
      await iterator.return();
      await none.dispose();
      all.gone = await reply(none).then(() => "ran", (error) => error.name);
      return all;
    });
    assert.equal(result.none, result.base);
    assert.equal(result.again, result.base);
    assert.notEqual(result.some, result.base);
    assert.deepEqual(result.kept, [result.some, result.base, result.some]);
    assert.match(result.inUse, /in use/);
    assert.match(result.gone, /Disposed/);
    assert.deepEqual(problems, []);
  });

  test("what is no adapter of the model says so", async (t) => {
    const { page, problems } = await openModel(t);
    const messages = await page.evaluate(async () => {
      const fails = (source) => model.loadAdapter(source).then(() => "loaded", ({ message }) => message);
      const damaged = files(1);
      damaged["adapter_model.safetensors"] = damaged["adapter_model.safetensors"].slice(0, 4000);
      return {
        settings: await fails(files(1, { config: { use_dora: true } })),
        module: await fails(files(1, { module: "model.layers.99.mlp.down_proj" })),
        shape: await fails(files(1, { k: 1024 })),
        damaged: await fails(damaged),
        missing: await fails({ "adapter_config.json": new Blob(["{}"]) }),
      };
    });
    assert.match(messages.settings, /use_dora/);
    assert.match(messages.module, /layers\.99\.mlp\.down_proj is not a module/);
    assert.match(messages.shape, /\[576, 1536\]/);
    assert.match(messages.damaged, /outside the file/);
    assert.match(messages.missing, /adapter_model\.safetensors/);
    assert.deepEqual(problems, []);
  });
});
