/* language.mjs — brink natively beside llama.cpp: the same weights, the same prompt ids, as many
   threads, one process a round and side, by turns.

   llama.cpp runs twice: with the GGUF file that brink's folder is converted from, and with the same
   requantised to Q4_0, for which it has repacked products. Each figure is against the better.

   A round: start, load, a first answer (cold), then warm ones of 64 steps after 128 tokens and of 64
   steps after 512. Memory is the most that was resident; from llama.cpp's, what Node itself took
   before the library was loaded is subtracted, from brink's its own process before loading.

   With one thread the ratios by processor time stand beside those by the clock: on a machine that
   does something else as well they are the ones to trust, and on a quiet one they agree. With more,
   threads that spin while they wait make processor time meaningless. */
import { join } from "node:path";
import { Child, driver, figure, median, modelName, modelsFolder, order, out, prompts, repeat, root, save, table, threadCounts, threadsText, warnIfBusy } from "./lib.mjs";

const STEPS = 64;
const ids = prompts().speed; // SmolLM2's ids: below 49,152, so tokens of any model's vocabulary here
const command = driver("language_brink");
const original = modelName === "smollm2" ? "Q4_1" : "Q4_K_M";
const files = { [`llama.cpp ${original}`]: `${modelName}.gguf`, "llama.cpp Q4_0": `${modelName}-q4_0.gguf` };

async function measure(side, threads) {
  const child =
    side === "brink"
      ? new Child(command, [join(modelsFolder, modelName), threads])
      : new Child(process.execPath, [join(root, "bench/language_llama.mjs"), join(out, files[side]), threads]);
  await child.answer();
  const before = child.peak();
  const { load_ms, system } = await child.ask("load");
  const short = ids.slice(0, 128).join(","), long = ids.join(",");
  const cold = await child.ask(`2 ${short}`);
  const timed = async (line) => {
    const start = child.cpu();
    return { ...(await child.ask(line)), cpu_ms: child.cpu() - start };
  };
  const first128 = await timed(`1 ${short}`);
  const after128 = await timed(`${STEPS + 1} ${short}`);
  const peak_128 = child.peak() - before;
  const first512 = await timed(`1 ${long}`);
  const after512 = await timed(`${STEPS + 1} ${long}`);
  const peak_512 = child.peak() - before;
  await child.end();
  const rate = (run, ms) => (run.steps * 1e3) / ms;
  return {
    load_ms,
    first_token_ms: load_ms + cold.prefill_ms,
    prefill_128: 128e3 / after128.prefill_ms,
    prefill_512: (ids.length * 1e3) / after512.prefill_ms,
    decode_128: rate(after128, after128.decode_ms),
    decode_512: rate(after512, after512.decode_ms),
    cpu: {
      prefill_512: (ids.length * 1e3) / first512.cpu_ms,
      decode_128: rate(after128, after128.cpu_ms - first128.cpu_ms),
      decode_512: rate(after512, after512.cpu_ms - first512.cpu_ms),
    },
    busy: first512.prefill_ms / first512.cpu_ms,
    peak_128,
    peak_512,
    before,
    tokens: after128.tokens,
    system,
  };
}

warnIfBusy();
const sides = ["brink", ...Object.keys(files)];
const results = [], groups = [];
const group = (title, figures) => (table(title, figures), groups.push({ title, figures }));
for (const threads of threadCounts) {
  const rounds = [];
  for (let i = 0; i < repeat; i++) {
    const round = {};
    for (const side of order(i, sides)) round[side] = await measure(side, threads);
    rounds.push(round);
  }
  group(`${modelName}: brink / llama.cpp, ${threadsText(threads)}, ${repeat} rounds`, [
    figure("decode of 64 tokens after 128, tokens/s", rounds, "decode_128", "higher", { target: 1.2 }),
    figure("decode of 64 tokens after 512, tokens/s", rounds, "decode_512", "higher", { target: 1.5 }),
    figure("prefill of 512 tokens, tokens/s", rounds, "prefill_512", "higher", { target: 1 }),
    figure("prefill of 128 tokens, tokens/s", rounds, "prefill_128", "higher"),
    figure("load, time", rounds, "load_ms", "lower"),
    figure("load and first token, time", rounds, "first_token_ms", "lower"),
    figure("peak memory, prompt of 128", rounds, "peak_128", "lower"),
    figure("peak memory, prompt of 512", rounds, "peak_512", "lower"),
  ]);
  if (threads === 1) {
    const cpu = rounds.map((round) => Object.fromEntries(sides.map((side) => [side, round[side].cpu])));
    group(`${modelName}: the same by processor time`, [
      figure("decode of 64 tokens after 128", cpu, "decode_128", "higher", { target: 1.2 }),
      figure("decode of 64 tokens after 512", cpu, "decode_512", "higher", { target: 1.5 }),
      figure("prefill of 512 tokens", cpu, "prefill_512", "higher", { target: 1 }),
    ]);
    const busy = median(rounds.flatMap((round) => sides.map((side) => round[side].busy)));
    if (busy > 1.1) console.log(`This machine was busy: prefill took ${busy.toFixed(1)} times its processor time. Measure again when it is quiet.`);
  }
  const { brink, [sides[1]]: peer } = rounds[0];
  const same = brink.tokens.findIndex((id, k) => id !== peer.tokens[k]);
  console.log(`greedy tokens equal: ${same < 0 ? "all" : `the first ${same}`} of ${STEPS + 1} (both quantise activations)\n`);
  results.push({ threads, rounds });
}
save(modelName === "smollm2" ? "language" : `language-${modelName}`, { model: modelName, steps: STEPS, groups, results });
