/* graphs.mjs — brink natively beside onnxruntime: the same .onnx files, the same inputs, as many
   threads, both loaded at once, by turns; and how far their outputs lie apart.

   A round times each side RUNS times after a first run that does not count; its figure is the median
   run. Silero is timed a chunk of 512 samples at a time, its state carried from one to the next. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bertIds, Child, driver, figure, median, modelsFolder, order, out, python, repeat, root, save, table, threadCounts, threadsText, warnIfBusy } from "./lib.mjs";

const f32 = 1, i64 = 7;

/** Numbers in [−1, 1) that are the same on every machine. */
export function noise(count, seed = 1) {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}
const whole = (values) => BigInt64Array.from(values, BigInt);

/** Speech-like: a tone whose pitch and loudness wander, with noise. */
function sound(samples) {
  const hiss = noise(samples, 7);
  return hiss.map((x, i) => 0.02 * x + 0.3 * Math.sin(i * 0.06 + 3 * Math.sin(i / 900)) * Math.max(0, Math.sin(i / 4000)));
}

const models = [
  {
    name: "MiniLM int8, 128 tokens",
    file: "minilm/model.onnx",
    target: 1.2,
    runs: 20,
    inputs: { input_ids: [i64, whole(bertIds(128)), [1, 128]], attention_mask: [i64, whole(Array(128).fill(1)), [1, 128]], token_type_ids: [i64, whole(Array(128).fill(0)), [1, 128]] },
  },
  {
    name: "PP-OCRv4 detector, 640x640",
    file: "ppocr-v4/det.onnx",
    target: 0.9,
    runs: 3,
    inputs: { x: [f32, noise(3 * 640 * 640), [1, 3, 640, 640]] },
  },
  {
    name: "Silero VAD, a chunk of 512 samples",
    file: "silero-vad/model.onnx",
    target: 1,
    runs: 300,
    inputs: { input: [f32, sound(512 * 300), [1, 512]], state: [f32, new Float32Array(256), [2, 1, 128]], sr: [i64, whole([16000]), []] },
    carry: ["stateN", "state"],
  },
];

/** {max_abs, cosine} of two files of f32. */
function compare(a, b) {
  const [x, y] = [a, b].map((file) => new Float32Array(new Uint8Array(readFileSync(file)).buffer));
  if (x.length !== y.length) throw new Error(`${a} has ${x.length} numbers, ${b} ${y.length}`);
  let max_abs = 0, xy = 0, xx = 0, yy = 0;
  x.forEach((v, i) => {
    max_abs = Math.max(max_abs, Math.abs(v - y[i]));
    xy += v * y[i], xx += v * v, yy += y[i] * y[i];
  });
  return { max_abs, cosine: xy / Math.sqrt(xx * yy) };
}

export async function open(side, file, threads) {
  const path = join(modelsFolder, file);
  const child = side === "brink" ? new Child(command, [path, threads]) : new Child(python, [join(root, "bench/graphs_ort.py"), path, threads]);
  await child.answer();
  child.before = child.peak();
  child.load = await child.ask("load");
  return child;
}
export async function feed(child, inputs, carry) {
  await child.ask("clear");
  for (const [name, [type, data, shape]] of Object.entries(inputs)) {
    const file = join(out, `graphs-${name}.bin`);
    writeFileSync(file, new Uint8Array(data.buffer));
    await child.ask(["input", name, type, file, ...shape].join(" "));
  }
  if (carry) await child.ask(`carry ${carry.join(" ")}`);
}
export const command = driver("graphs_brink");

async function main() {
  warnIfBusy();
  const sides = ["brink", "onnxruntime"];
  const results = [], groups = [];
  let agree = true;
  for (const threads of threadCounts) {
    const figures = [], memory = [];
    for (const model of models) {
      const children = {}, rounds = [];
      for (const side of sides) {
        children[side] = await open(side, model.file, threads);
        await feed(children[side], model.inputs, model.carry);
        children[side].first = (await children[side].ask("run 1")).ms[0];
      }
      for (let i = 0; i < repeat; i++) {
        const round = {};
        for (const side of order(i, sides)) {
          if (model.carry) await feed(children[side], model.inputs, model.carry); // state zero again
          const { ms } = await children[side].ask(`run ${model.runs} ${join(out, `graphs-${side}.bin`)}`);
          const child = children[side];
          round[side] = { ms: median(ms), rate: 1e3 / median(ms), peak: child.peak() - child.before, first_ms: child.load.load_ms + child.first };
        }
        rounds.push(round);
      }
      const difference = compare(join(out, "graphs-brink.bin"), join(out, "graphs-onnxruntime.bin"));
      agree &&= difference.cosine > 0.99;
      for (const side of sides) await children[side].end();
      figures.push(figure(`${model.name}, runs/s`, rounds, "rate", "higher", { target: model.target }));
      memory.push(figure(`${model.name}: peak memory`, rounds, "peak", "lower"), figure(`${model.name}: load and first run, time (once)`, rounds.slice(0, 1), "first_ms", "lower"));
      results.push({ threads, model: model.name, difference, version: children.onnxruntime.load.version, rounds });
    }
    const title = `brink / onnxruntime, ${threadsText(threads)}, ${repeat} rounds`;
    table(title, [...figures, ...memory]);
    groups.push({ title, figures: [...figures, ...memory] });
    for (const { model, difference } of results.filter((r) => r.threads === threads))
      console.log(`  ${model}: outputs differ by at most ${difference.max_abs.toExponential(1)}, cosine ${difference.cosine.toFixed(6)}`);
    console.log("");
  }
  save("graphs", { groups, results });
  if (!agree) throw new Error("outputs point elsewhere than onnxruntime's");
}
if (process.argv[1].endsWith("graphs.mjs")) await main();
