/* sequences.mjs — several sequences generated together beside one alone: tokens a second in all.

   `brink bench --sequences N` for 1, 2, 4 and 8, by turns: each decodes 64 tokens after a prompt of 64,
   and what counts is the decoding of all of them. The ratio is to one sequence of the same round; N
   sequences one after another would give 1. On a machine with other work, the best round of each over the
   best of one alone comes nearer to a quiet one's ratio, and is given too. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { digits, figure, fromRoot, modelName, modelsFolder, order, repeat, save, table, threadCounts, threadsText, warnIfBusy } from "./lib.mjs";

const counts = [1, 2, 4, 8];
const brink = fromRoot("BRINK", "build/brink");

function decode(count, threads) {
  const options = ["--sequences", count, "--threads", threads, "--prompt-tokens", 64, "--max-tokens", 64, "--repeat", 3, "--json", "--quiet"];
  const args = ["bench", join(modelsFolder, modelName), ...options.map(String)];
  return { decode: JSON.parse(execFileSync(brink, args, { encoding: "utf8" })).decode_tokens_per_s };
}

warnIfBusy();
const groups = [];
for (const threads of threadCounts) {
  const rounds = [];
  for (let i = 0; i < repeat; i++) {
    const round = {};
    for (const count of order(i, counts)) round[count] = decode(count, threads);
    rounds.push(round);
  }
  const best = (count) => Math.max(...rounds.map((round) => round[count].decode));
  const figures = counts.slice(1).map((count) => {
    const pairs = rounds.map((round) => ({ brink: round[count], "one alone": round[1] }));
    return figure(`${count} sequences (best over best ${digits(best(count) / best(1))}, ${digits(best(count))} tokens/s)`, pairs, "decode", "higher");
  });
  const title = `${modelName}, ${threadsText(threads)}`;
  table(title, figures);
  groups.push({ title, figures, rounds });
}
save(modelName === "smollm2" ? "sequences" : `sequences-${modelName}`, { groups });
