/* growth.mjs — how cost grows, natively: with the context, the batch, the threads and the model.

   Curves beside a peer, measured by turns but few times (BENCH_REPEAT, at most 2): what they show is
   their shape. Language models run beside llama.cpp with Q4_0, its best; sizes beyond SmolLM2's are
   models with random weights (random_model.py). MiniLM runs beside onnxruntime. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { bertIds, Child, cores, driver, median, modelsFolder, order, out, prompts, python, repeat, root, save, warnIfBusy } from "./lib.mjs";
import { feed, open } from "./graphs.mjs";

const ids = prompts().speed, i64 = 7, rounds = Math.min(repeat, 2);
const longest = Number(process.env.BENCH_CONTEXT ?? 8192), largest = process.env.BENCH_LARGEST ?? "1B";
const parts = (process.env.BENCH_PART ?? "context threads size batch").split(" ");
const command = driver("language_brink");
const curves = [];

function curve(id, title, label, unit, better, x, sides) {
  curves.push({ id, title, label, unit, better, x, sides });
  console.log(`${title} (${label} | ${Object.keys(sides).join(" | ")} | ratio)`);
  const [brink, peer] = Object.values(sides);
  x.forEach((value, i) => console.log(`  ${String(value).padStart(6)}  ${brink[i].toFixed(1).padStart(9)}  ${peer[i].toFixed(1).padStart(9)}  ${(brink[i] / peer[i]).toFixed(2).padStart(6)}`));
}
const prompt = (count) => Array.from({ length: count }, (_, i) => ids[i % ids.length]).join(",");

const openLanguage = async (side, folder, gguf, threads, context) => {
  const child = side === "brink" ? new Child(command, [folder, threads, context]) : new Child(process.execPath, [join(root, "bench/language_llama.mjs"), gguf, threads, context]);
  await child.answer();
  await child.ask("load");
  await child.ask(`2 ${prompt(16)}`);
  return child;
};
const sides = ["brink", "llama.cpp"];

/* {side: {prefill, decode}}: medians of tokens/s at a prompt of `length` with `steps` after it. */
async function language(children, length, steps) {
  const found = { brink: [], "llama.cpp": [] };
  for (let i = 0; i < rounds; i++) {
    for (const side of order(i, sides)) {
      const run = await children[side].ask(`${steps + 1} ${prompt(length)}`);
      found[side].push({ prefill: (length * 1e3) / run.prefill_ms, decode: (run.steps * 1e3) / run.decode_ms });
    }
  }
  const middle = (list, key) => median(list.map((run) => run[key]));
  return Object.fromEntries(sides.map((side) => [side, { prefill: middle(found[side], "prefill"), decode: middle(found[side], "decode") }]));
}
async function pair(folder, gguf, threads, context) {
  const children = {};
  for (const side of sides) children[side] = await openLanguage(side, folder, gguf, threads, context);
  return children;
}
const end = (children) => Promise.all(Object.values(children).map((child) => child.end()));
const columns = (list, key) => Object.fromEntries(sides.map((side) => [side, list.map((found) => found[side][key])]));
function both(id, title, label, x, list) {
  curve(`${id}-decode`, `${title}: decode`, label, "tokens/s", "higher", x, columns(list, "decode"));
  curve(`${id}-prefill`, `${title}: prefill`, label, "tokens/s", "higher", x, columns(list, "prefill"));
}

const smollm2 = [join(modelsFolder, "smollm2"), join(out, "smollm2-q4_0.gguf")];
const measured = {
  async context() {
    const steps = 16, lengths = [128, 512, 2048, 8192].filter((n) => n <= longest).map((n) => Math.min(n, 8192 - steps - 1));
    const children = await pair(...smollm2, cores, Math.min(longest, 8192) + 64);
    const list = [];
    for (const length of lengths) list.push(await language(children, length, steps));
    await end(children);
    both("context", `SmolLM2-135M, ${cores} threads, by the length of the prompt`, "tokens of context", lengths, list);
  },
  async threads() {
    const counts = [...new Set([1, 2, 4, 8, 16, 32, cores])].filter((n) => n <= cores).sort((a, b) => a - b);
    const list = [];
    for (const count of counts) {
      const children = await pair(...smollm2, count, 1024);
      list.push(await language(children, 512, 32));
      await end(children);
    }
    both("threads", "SmolLM2-135M, after 512 tokens, by threads", "threads", counts, list);
  },
  async size() {
    const sizes = { "360M": [360, 960, 32, 2560, 15, 5], "1B": [1074, 2048, 16, 8192, 32, 8] };
    const models = [[135, ...smollm2]];
    for (const [name, [millions, ...shape]] of Object.entries(sizes)) {
      const path = join(out, `random-${name}`);
      execFileSync(python, [join(root, "bench/random_model.py"), join(out, "smollm2.gguf"), path, ...shape.map(String)], { stdio: "inherit", env: { ...process.env, PYTHONPATH: join(root, "python") } });
      models.push([millions, path, `${path}.gguf`]);
      if (name === largest) break;
    }
    const list = [];
    for (const [, folder, gguf] of models) {
      const children = await pair(folder, gguf, cores, 1024);
      list.push(await language(children, 128, 16));
      await end(children);
    }
    both("size", `after 128 tokens, ${cores} threads, by the size of the model`, "millions of parameters", models.map(([millions]) => millions), list);
  },
  async batch() {
    const counts = [1, 2, 4, 8, 16], tokens = 128, names = ["brink", "onnxruntime"];
    const children = {}, found = Object.fromEntries(names.map((side) => [side, []]));
    for (const side of names) children[side] = await open(side, "minilm/model.onnx", cores);
    for (const count of counts) {
      const shape = [count, tokens];
      const whole = (values) => [i64, BigInt64Array.from(values, BigInt), shape];
      const fill = (x) => Array(count * tokens).fill(x);
      const inputs = { input_ids: whole(bertIds(count * tokens)), attention_mask: whole(fill(1)), token_type_ids: whole(fill(0)) };
      for (const side of names) {
        await feed(children[side], inputs);
        await children[side].ask("run 1");
        const { ms } = await children[side].ask(`run ${rounds + 1}`);
        found[side].push((count * 1e3) / median(ms));
      }
    }
    await end(children);
    curve("batch", `MiniLM, 128 tokens, ${cores} threads, by the batch`, "sentences in a batch", "sentences/s", "higher", counts, found);
  },
};

warnIfBusy();
for (const part of parts) await measured[part]();
save("growth", { curves });
