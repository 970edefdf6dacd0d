/* masks.mjs — which tokens may come next, beside llguidance and, where it is installed, xgrammar.

   Every side compiles each schema and then takes the mask before every token of the same documents,
   in SmolLM2's vocabulary of 49,152; nothing is kept from one schema or round to the next but the
   tokenizer. Times are of the one thread's processor time, so that other work of the machine is not
   measured. Schemas that some side refuses are left out of all. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { execFileSync } from "node:child_process";
import { Child, figure, fromRoot, modelsFolder, order, out, python, repeat, root, save, table, warnIfBusy } from "./lib.mjs";

const tokenizer = join(modelsFolder, "smollm2/tokenizer.json");
const work = join(out, "masks.jsonl");
const driver = fromRoot("BRINK_SCHEMA_DRIVER", "build/release/tests/schema_driver");
if (!existsSync(driver)) throw new Error(`${driver} is not there: run make`);
execFileSync(python, [join(root, "bench/masks_work.py"), tokenizer, work]);
const schemas = readFileSync(work, "utf8").trim().split("\n").map((line) => JSON.parse(line));

/* brink as brink_grammar_from_schema has it: strings in one spelling, objects closed; and in all
   spellings, with any property, as the peers read a schema. */
const forms = { brink: { plain: true, closed: true }, "brink, every spelling": {} };
const sides = {};
for (const name of Object.keys(forms)) sides[name] = new Child(driver, ["time", tokenizer]);
const versions = {};
process.env.PYTHONPATH = join(out, "python");
for (const name of ["llguidance", "xgrammar"]) {
  const child = new Child(python, [join(root, "bench/masks_peer.py"), name, tokenizer]);
  const hello = await child.answer();
  if (hello.missing) console.log(`${name} is not installed (${hello.missing}): left out`);
  else [sides[name], versions[name]] = [child, hello.version];
}

async function ask(name, { schema, ids }) {
  const line = JSON.stringify({ schema, ids, max_space: 16, ...forms[name] });
  sides[name].process.stdin.write(`${line}\n`);
  const { value } = await sides[name].lines.next();
  if (value === undefined) throw new Error(`${name} ended with status ${await sides[name].exit}`);
  return value.startsWith("!") ? { error: value } : JSON.parse(value);
}

const names = Object.keys(sides);
const refused = {};
const rounds = [];
let taken = schemas;
for (let round = 0; round < repeat; round++) {
  const masks = Object.fromEntries(names.map((name) => [name, []]));
  const compile = Object.fromEntries(names.map((name) => [name, []]));
  const note = {};
  const kept = [];
  for (const [i, schema] of taken.entries()) {
    const answers = {};
    for (const name of order(i + round, names)) answers[name] = await ask(name, schema);
    const no = names.filter((name) => answers[name].error);
    for (const name of no) (refused[name] ??= []).push(`${schema.name}: ${answers[name].error}`);
    if (no.length) continue;
    kept.push(schema);
    for (const name of names) {
      masks[name].push(...answers[name].masks);
      compile[name].push(answers[name].compile_us / 1e3);
      if (schema.name === "scribe note") note[name] = answers[name].compile_us / 1e3;
    }
  }
  taken = kept;
  rounds.push(Object.fromEntries(names.map((name) => {
    const sorted = masks[name].sort((a, b) => a - b);
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
    const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
    return [name, { masks: sorted.length, mean: mean(sorted), p50: at(0.5), p99: at(0.99), max: at(1), compile: mean(compile[name]), compile_max: Math.max(...compile[name]), note: note[name] }];
  })));
}
for (const name of names) await sides[name].end();

const what = [
  ["mask, mean", "mean", { limit: 50, unit: "µs" }],
  ["mask, median", "p50", {}],
  ["mask, 99th percentile", "p99", { limit: 500, unit: "µs" }],
  ["mask, slowest", "max", {}],
  ["compiling the scribe's note", "note", { limit: 5, unit: "ms" }],
  ["compiling, mean", "compile", {}],
];
const peers = names.filter((name) => !(name in forms));
const groups = Object.keys(forms).flatMap((form) => peers.map((peer) => ({
  title: `${form === "brink" ? "Closed objects, one spelling" : "Any property, every spelling"}: brink over ${peer} ${versions[peer]}`,
  figures: what.map(([text, name, asked]) => figure(text, rounds.map((r) => ({ brink: r[form], [peer]: r[peer] })), name, "lower", asked)),
})));
for (const { title, figures } of groups) table(title, figures);
for (const name of names) {
  const { mean, p50, p99, max, note, compile } = rounds[0][name];
  console.log(`${name}: mean ${mean.toFixed(1)} µs, median ${p50.toFixed(1)}, p99 ${p99.toFixed(1)}, max ${max.toFixed(1)}; the note in ${note?.toFixed(2)} ms, all in ${compile.toFixed(2)} ms on average; ${new Set(refused[name]).size} schemas refused`);
}
console.log(`${taken.length} of ${schemas.length} schemas, ${rounds[0].brink.masks} masks a round`);
warnIfBusy();
save("masks", { versions, schemas: taken.length, masks: rounds[0].brink.masks, refused, rounds, groups });
