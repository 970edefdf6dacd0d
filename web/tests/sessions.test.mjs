/* sessions.test.mjs — sessions of the default language model in a tab: a conversation is not computed again, what
   was saved goes on, drafts leave replies as they are, and a full context shifts. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { needModel, suite } from "./support.mjs";

describe("sessions in a tab", () => {
  const pages = suite();
  before(() => needModel("smollm2"));

  async function openModel(t, engine = {}) {
    const opened = await pages.open(t, {});
    await opened.page.evaluate(
      async ({ engine }) => {
        window.engine = await create(engine);
        window.model = await window.engine.load("./models/smollm2/", { exact: true });
        window.collect = async (generation) => {
          const ids = [];
          for await (const { id } of generation) ids.push(id);
          return { ids, text: await generation.text(), stats: await generation.stats };
        };
      },
      { engine },
    );
    return opened;
  }

  test("a conversation computes only what is new, and says the same", async (t) => {
    const { page, problems } = await openModel(t);
    const result = await page.evaluate(async () => {
      const session = await model.createSession();
      const messages = [{ role: "user", content: "Name three colours." }];
      const first = await collect(session.generate({ messages, maxTokens: 16 }));
      messages.push({ role: "assistant", content: first.text }, { role: "user", content: "And three fruits?" });
      const tokens = await model.tokenize(await model.formatChat(messages), { special: false });
      const held = await session.held(tokens);
      const second = await collect(session.generate({ messages, maxTokens: 16 }));
      const fresh = await collect(model.generate({ messages, maxTokens: 16 }));
      const appended = await collect(session.generate({ prompt: " And", maxTokens: 2 }));
      return { first, second, fresh, held, count: tokens.length, appended: appended.stats };
    });
    assert.equal(result.first.stats.cachedTokens, 0);
    assert.ok(result.held > 20, `${result.held} tokens held`);
    assert.equal(result.second.stats.cachedTokens, result.held);
    assert.equal(result.second.stats.promptTokens, result.count);
    assert.equal(result.second.stats.prefillTokens, result.count - result.held);
    assert.deepEqual(result.second.ids, result.fresh.ids);
    assert.equal(result.appended.cachedTokens, 0);
    assert.deepEqual(problems, []);
  });

  test("what was saved or forked goes on as the session does", async (t) => {
    const { page } = await openModel(t);
    const result = await page.evaluate(async () => {
      const session = await model.createSession();
      await collect(session.generate({ prompt: "The three primary colours are", maxTokens: 8, ignoreEnd: true }));
      const bytes = await session.save();
      const fork = await session.fork();
      const loaded = await model.loadSession(bytes);
      const on = (s) => collect(s.generate({ prompt: " and", maxTokens: 12, ignoreEnd: true })).then(({ ids }) => ids);
      const replies = [await on(session), await on(fork), await on(loaded)];
      const damaged = bytes.slice();
      damaged[damaged.length - 9] ^= 1;
      return {
        replies,
        bytes: bytes.length,
        again: (await (await model.loadSession(bytes)).save()).length,
        errors: [await failure(model.loadSession(damaged)), await failure(model.loadSession(bytes.slice(0, 99)))],
        busy: await (async () => {
          const writing = session.generate({ prompt: "a", maxTokens: 50, ignoreEnd: true });
          const error = await failure(session.save());
          writing.abort();
          return error;
        })(),
      };
    });
    assert.deepEqual(result.replies[1], result.replies[0]);
    assert.deepEqual(result.replies[2], result.replies[0]);
    assert.equal(result.again, result.bytes);
    for (const error of result.errors) assert.equal(error.code, "bad-input");
    assert.match(result.errors[0].message, /checksum/);
    assert.equal(result.busy.code, "invalid-argument");
  });

  for (const variant of ["relaxed-threads", "plain"])
    test(`drafts leave a reply as it is (${variant})`, async (t) => {
      const { page } = await openModel(t, { variant });
      const result = await page.evaluate(async () => {
        const prompt = "The cat sat on the mat. The dog sat on the log. The cat sat on the mat. The dog";
        const fast = await window.engine.load("./models/smollm2/");
        const sides = [];
        for (const of of [model, fast])
          for (const options of [{}, { temperature: 0.8, seed: 3 }])
            for (const draftTokens of [0, 7]) sides.push(await collect(of.generate({ prompt, maxTokens: 40, draftTokens, ...options })));
        return sides.map(({ ids, stats }) => ({ ids, right: stats.acceptedTokens }));
      });
      for (let i = 0; i < result.length; i += 2) assert.deepEqual(result[i + 1].ids, result[i].ids, `pair ${i / 2}`);
      assert.ok(result[1].right > 0);
    });

  test("a full context shifts where that is asked for", async (t) => {
    const { page } = await openModel(t);
    const result = await page.evaluate(async () => {
      const reply = async (options) => collect((await model.createSession({ context: 64 })).generate({ prompt: "One, two, three, four,", maxTokens: 100, ...options }));
      return [await reply({}), await reply({ shift: true, keep: 2 })];
    });
    assert.equal(result[0].stats.finishReason, "length");
    assert.equal(result[0].stats.shifts, 0);
    assert.ok(result[1].stats.shifts > 0 && result[1].stats.droppedTokens === 31 * result[1].stats.shifts);
    assert.deepEqual(result[1].ids.slice(0, result[0].ids.length), result[0].ids);
  });
});
