/* language.mjs — brink natively beside llama.cpp: the same weights (one GGUF file, and the folder
   converted from it), the same prompt ids, as many threads, one process a round and side, by turns.

   A round: start, load, a first answer (cold), then a warm prompt of 128 tokens with 64 more, and a
   warm prompt of 512. Memory is the most that was resident; from llama.cpp's, what Node itself took
   before the library was loaded is subtracted, from brink's its own process before loading.

   With one thread the ratios by processor time stand beside those by the clock: on a machine that
   does something else as well they are the ones to trust, and on a quiet one they agree. With more,
   threads that spin while they wait make processor time meaningless. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { Child, fromRoot, median, modelName, order, out, prompts, ratio, repeat, root, save, table, threadCounts, warnIfBusy } from "./lib.mjs";

const STEPS = 64;
const ids = prompts().speed; // SmolLM2's ids: below 49,152, so tokens of any model's vocabulary here
const model = join(fromRoot("BRINK_MODELS", "build/models"), modelName);
const driver = join(out, "language_brink");
execFileSync("cc", [
  ...["-std=c17", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-I", join(root, "include")],
  ...[join(root, "bench/language_brink.c"), fromRoot("BRINK_LIB", "build/release/libbrink.a")],
  ...["-pthread", "-lm", "-o", driver],
]);

async function measure(side, threads) {
  const child =
    side === "brink"
      ? new Child(driver, [model, threads])
      : new Child(process.execPath, [join(root, "bench/language_llama.mjs"), join(out, `${modelName}.gguf`), threads]);
  await child.answer();
  const before = child.peak();
  const { load_ms, system } = await child.ask("load");
  const short = ids.slice(0, 128).join(",");
  const cold = await child.ask(`2 ${short}`);
  const timed = async (line) => {
    const start = child.cpu();
    return { ...(await child.ask(line)), cpu_ms: child.cpu() - start };
  };
  const again = await timed(`1 ${short}`);
  const warm = await timed(`${STEPS + 1} ${short}`);
  const peak_short = child.peak() - before;
  await child.ask(`1 ${ids.join(",")}`);
  const long = await timed(`1 ${ids.join(",")}`);
  const peak = child.peak() - before;
  await child.end();
  return {
    load_ms,
    first_token_ms: load_ms + cold.prefill_ms,
    prefill_128: 128e3 / warm.prefill_ms,
    prefill_512: (ids.length * 1e3) / long.prefill_ms,
    decode: (warm.steps * 1e3) / warm.decode_ms,
    cpu: { prefill_128: 128e3 / again.cpu_ms, prefill_512: (ids.length * 1e3) / long.cpu_ms, decode: (warm.steps * 1e3) / (warm.cpu_ms - again.cpu_ms) },
    busy: (again.prefill_ms + long.prefill_ms) / (again.cpu_ms + long.cpu_ms),
    peak_short,
    peak,
    before,
    tokens: warm.tokens,
    system,
  };
}

warnIfBusy();
const results = [];
for (const threads of threadCounts) {
  const rounds = [];
  for (let i = 0; i < repeat; i++) {
    const round = {};
    for (const side of order(i)) round[side] = await measure(side, String(threads));
    rounds.push(round);
  }
  table(`${modelName}: brink / llama.cpp, ${threads} thread${threads > 1 ? "s" : ""}, ${repeat} rounds`, [
    ["prefill of 128 tokens, tokens/s", ratio(rounds, "prefill_128"), "higher"],
    ["prefill of 512 tokens, tokens/s", ratio(rounds, "prefill_512"), "higher"],
    ["decode of 64 tokens, tokens/s", ratio(rounds, "decode"), "higher"],
    ["load, time", ratio(rounds, "load_ms"), "lower"],
    ["load and first token, time", ratio(rounds, "first_token_ms"), "lower"],
    ["peak memory, prompt of 128", ratio(rounds, "peak_short"), "lower"],
    ["peak memory, prompt of 512", ratio(rounds, "peak"), "lower"],
  ]);
  if (threads === 1) {
    const cpu = rounds.map((round) => ({ brink: round.brink.cpu, peer: round.peer.cpu }));
    table("the same by processor time", [
      ["prefill of 128 tokens", ratio(cpu, "prefill_128"), "higher"],
      ["prefill of 512 tokens", ratio(cpu, "prefill_512"), "higher"],
      ["decode of 64 tokens", ratio(cpu, "decode"), "higher"],
    ]);
    const busy = median(rounds.flatMap((round) => [round.brink.busy, round.peer.busy]));
    if (busy > 1.1) console.log(`This machine was busy: prefill took ${busy.toFixed(1)} times its processor time. Measure again when it is quiet.`);
  }
  const { brink, peer } = rounds[0];
  const same = brink.tokens.findIndex((id, k) => id !== peer.tokens[k]);
  console.log(`greedy tokens equal: ${same < 0 ? "all" : `the first ${same}`} of ${STEPS + 1} (both quantise activations)\n`);
  results.push({ threads, rounds });
}
save(modelName === "smollm2" ? "language" : `language-${modelName}`, { model: modelName, steps: STEPS, results });
