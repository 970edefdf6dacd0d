/* tokens.mjs — are greedy tokens the same natively and in wasm? 20 prompts of 64 tokens, 64 tokens each.

   With --exact, every wasm build must give the native tokens, except from a position on where the
   highest logit leads the second by less than 1e-3: two orders of summation may part there. Anything
   else fails the suite. Without --exact (8-bit activations) the agreement is only reported. */
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { fromRoot, out, prompts, root, save } from "./lib.mjs";

const run = promisify(execFile);
const TOKENS = 64, MARGIN = 1e-3;
const lists = prompts().agreement;
const file = join(out, "tokens-prompts.json");
writeFileSync(file, JSON.stringify(lists));
const brink = fromRoot("BRINK", "build/brink");
const models = fromRoot("BRINK_MODELS", "build/models");

async function native(exact) {
  const replies = [];
  for (const ids of lists) {
    const args = ["generate", join(models, "smollm2"), "--tokens", ids.join(","), "--max-tokens", `${TOKENS}`, "--json", "--quiet"];
    replies.push(JSON.parse((await run(brink, exact ? [...args, "--exact"] : args)).stdout));
  }
  return replies;
}

async function wasm(variant, exact) {
  const result = join(out, `tokens-${variant}${exact ? "-exact" : ""}.json`);
  const args = [join(root, "web/demo/compare.mjs"), "--prompts", file, "--output", result, "--variant", variant, "--max-tokens", `${TOKENS}`, "--margins"];
  const env = { ...process.env, BRINK_MODELS: models, BRINK_WASM: fromRoot("BRINK_WASM", "build/web") };
  await run(process.execPath, exact ? [...args, "--exact"] : args, { env });
  return JSON.parse(readFileSync(result, "utf8")).results;
}

/** Where two replies part: null, or {position, margin}; a margin is unknown past the wasm reply's end. */
function part(here, there) {
  const at = here.tokens.findIndex((id, i) => id !== there.tokens[i]);
  const position = at >= 0 ? at : here.tokens.length;
  if (position === here.tokens.length && position === there.tokens.length) return null;
  return { position, margin: there.margins[position] ?? null };
}

let failed = false;
const report = {};
const natively = { true: native(true), false: native(false) };
await Promise.all(Object.values(natively));
// Nothing is timed here, so builds of one thread run side by side.
for (const group of [
  [[true, "plain"], [true, "relaxed"]],
  [[true, "threads"]],
  [[true, "relaxed-threads"]],
  [[false, "plain"]],
  [[false, "relaxed-threads"]],
]) {
  const runs = await Promise.all(group.map(async ([exact, variant]) => [exact, variant, await natively[exact], await wasm(variant, exact)]));
  for (const [exact, variant, expected, found] of runs) {
    const parts = expected.map((reply, i) => part(reply, found[i]));
    const apart = parts.flatMap((p, prompt) => (p ? [{ prompt, ...p }] : []));
    const wrong = apart.filter((p) => p.margin === null || p.margin >= MARGIN);
    const count = expected.reduce((sum, reply) => sum + reply.tokens.length, 0);
    const agreed = expected.reduce((sum, reply, i) => sum + (parts[i] ? parts[i].position : reply.tokens.length), 0);
    const least = Math.min(...found.flatMap((reply) => reply.margins.filter((m) => m !== null)));
    console.log(
      `${exact ? "exact" : "fast "}  wasm ${variant.padEnd(15)}  ${lists.length - apart.length} of ${lists.length} replies equal, ` +
        `${agreed} of ${count} tokens before they part; least margin ${least.toExponential(1)}`,
    );
    for (const p of apart) {
      const verdict = !exact ? "" : p.margin !== null && p.margin < MARGIN ? " (allowed)" : " (FAILS)";
      console.log(`         prompt ${p.prompt} parts at ${p.position}, margin ${p.margin?.toExponential(1) ?? "unknown"}${verdict}`);
    }
    if (exact && wrong.length) failed = true;
    report[`${exact ? "exact" : "fast"} ${variant}`] = { equal: lists.length - apart.length, replies: lists.length, agreed, tokens: count, apart };
  }
}
save("tokens", { margin: MARGIN, failed, report });
process.exit(failed ? 1 : 0);
