/* embed.mjs — texts to vectors natively, beside onnxruntime driven as sentence-transformers drives it: the same
   model, texts and threads, tokens and pooling included; and how far the vectors lie apart.

   A round embeds the whole list once on each side, after a first time that does not count. The peer runs
   with batches of 32, which is its default, of 8 and of 1; the figure is against the best of them. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Child, driver, figure, modelsFolder, order, out, python, repeat, root, save, table, threadCounts, threadsText, warnIfBusy } from "./lib.mjs";

const visits = JSON.parse(readFileSync(join(root, "data/aci-bench/test1.json"), "utf8")).data;
const clean = (text) => text.replace(/\s+/g, " ").trim();
const some = (list, count) => list.filter(Boolean).filter((_, i, all) => i % Math.max(1, Math.floor(all.length / count)) === 0).slice(0, count);
const lists = {
  "what was said, a line each": some(visits.flatMap(({ src }) => src.split("\n").map(clean)), 512),
  "sections of notes": some(visits.flatMap(({ tgt }) => tgt.split(/\n(?=[A-Z ]+\n)/).map(clean)), 128),
};
const model = join(modelsFolder, "minilm");

/** The lowest cosine of two files of f32 vectors. */
function lowestCosine(a, b, count) {
  const [x, y] = [a, b].map((file) => new Float32Array(new Uint8Array(readFileSync(file)).buffer));
  if (x.length !== y.length) throw new Error(`${a} has ${x.length} numbers, ${b} ${y.length}`);
  const width = x.length / count;
  let lowest = 1;
  for (let i = 0; i < count; i++) {
    let xy = 0, xx = 0, yy = 0;
    for (let k = i * width; k < (i + 1) * width; k++) xy += x[k] * y[k], xx += x[k] * x[k], yy += y[k] * y[k];
    lowest = Math.min(lowest, xy / Math.sqrt(xx * yy));
  }
  return lowest;
}

async function main() {
  warnIfBusy();
  const command = driver("embed_brink");
  const peers = [32, 8, 1].map((batch) => [`onnxruntime, batches of ${batch}`, batch]);
  const sides = ["brink", ...peers.map(([name]) => name)];
  const groups = [], results = [];
  let agree = true;
  for (const threads of threadCounts) {
    const children = { brink: new Child(command, [model, threads]) };
    for (const [name, batch] of peers) children[name] = new Child(python, [join(root, "bench/embed_ort.py"), model, threads, batch]);
    for (const side of sides) await children[side].answer(), await children[side].ask("load");
    const figures = [];
    for (const [what, texts] of Object.entries(lists)) {
      const file = join(out, "embed-texts.txt");
      writeFileSync(file, texts.map((text) => `${text}\n`).join(""));
      const vectors = (side) => join(out, `embed-${sides.indexOf(side)}.bin`);
      let tokens;
      for (const side of sides) {
        await children[side].ask(`texts ${file}`);
        ({ tokens } = await children[side].ask(`run ${vectors(side)}`));
      }
      const rounds = [];
      for (let i = 0; i < repeat; i++) {
        const round = {};
        for (const side of order(i, sides)) {
          const { ms } = await children[side].ask(`run ${vectors(side)}`);
          round[side] = { ms, rate: (1e3 * texts.length) / ms };
        }
        rounds.push(round);
      }
      const cosine = Math.min(...peers.map(([side]) => lowestCosine(vectors("brink"), vectors(side), texts.length)));
      agree &&= cosine > 0.99;
      const name = `MiniLM, ${texts.length} texts of ${Math.round(tokens / texts.length)} tokens (${what}), texts/s`;
      figures.push(figure(name, rounds, "rate", "higher", { target: 1 }));
      results.push({ threads, what, tokens, texts: texts.length, cosine, rounds });
    }
    for (const side of sides) await children[side].end();
    const title = `brink / onnxruntime, ${threadsText(threads)}, ${repeat} rounds`;
    table(title, figures);
    groups.push({ title, figures });
    for (const { what, cosine } of results.filter((r) => r.threads === threads)) console.log(`  ${what}: cosine at least ${cosine.toFixed(6)}`);
    console.log("");
  }
  save("embed", { groups, results });
  if (!agree) throw new Error("vectors point elsewhere than onnxruntime's");
}
await main();
