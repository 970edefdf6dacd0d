/* gpu_cases.mjs — what is asked of the GPU backend in every browser and in Node: it runs where the SDK
   does, so it imports nothing. Paths are below `base`, which ends in a slash. */

/* absolute and relative, by a graph's kind: tests/fixtures/models/README.md */
const tolerances = {
  fp32: [1e-4, 1e-4],
  fp16: [1e-2, 1e-2],
  int8dyn: [3e-2, 3e-2],
  q4: [1e-3, 1e-3],
  q4f16: [3e-2, 3e-2],
  f16out: [1e-4, 1e-3],
  node: [1e-3, 1e-3],
};

/** A tensor's elements, each a number or a bigint. */
function elements({ type, shape, data }) {
  if (type === "float16") return Array.from(data, half);
  if (type === "bfloat16") return new Float32Array(Uint32Array.from(data, (bits) => bits << 16).buffer);
  if (type !== "uint4" && type !== "int4") return data;
  const count = shape.reduce((a, b) => a * b, 1);
  return Array.from({ length: count }, (_, i) => (data[i >> 1] >> (4 * (i & 1))) & 15);
}

function half(bits) {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const size = exponent === 0 ? fraction * 2 ** -24 : exponent === 31 ? (fraction ? NaN : Infinity) : (1024 + fraction) * 2 ** (exponent - 25);
  return bits >> 15 ? -size : size;
}

/** How a tensor differs from the expected one, as `brink check` (cli/compare.c) sees it: types, shapes,
    integers and booleans exactly, floats within a tolerance, NaN equal to NaN. null where it does not. */
function difference(actual, expected, [absolute, relative]) {
  if (actual.type !== expected.type) return `type is ${actual.type}, ${expected.type} is expected`;
  if (`${actual.shape}` !== `${expected.shape}`) return `shape is [${actual.shape}], [${expected.shape}] is expected`;
  const floats = /float/.test(expected.type);
  const got = elements(actual);
  const want = elements(expected);
  let worst = 0;
  let at = 0;
  let outside = 0;
  for (let i = 0; i < want.length; ++i) {
    const [a, b] = [got[i], want[i]];
    if (a === b || (Number.isNaN(a) && Number.isNaN(b))) continue;
    const size = floats ? Math.abs(a - b) : Infinity;
    const allowed = floats ? absolute + relative * Math.abs(b) : 0;
    if (size <= allowed && size < Infinity) continue;
    outside++;
    const excess = size < Infinity ? size / allowed : Infinity;
    if (excess > worst) [worst, at] = [excess, i];
  }
  return outside === 0 ? null : `${outside} of ${want.length} elements differ, most at ${at}: ${got[at]} where ${want[at]} is expected`;
}

/** Runs each graph on its data sets: { runs, failures }, the latter as lines. A graph's tolerance and
    `exact` are its own, or those of its kind. */
export async function compareGraphs(engine, base, graphs) {
  const failures = [];
  let runs = 0;
  const read = async (path) => engine.readTensor(await (await fetch(encodeURI(base + path))).arrayBuffer());
  for (const { graph, kind, tolerance = tolerances[kind], exact = true, sets } of graphs) {
    let model;
    try {
      model = await engine.load(encodeURI(base + graph), { graphOnly: true, exact });
      for (const { inputs, outputs } of sets) {
        const feed = await Promise.all(inputs.map(read));
        const got = await model.run(Object.fromEntries(feed.map((tensor) => [tensor.name, tensor])));
        for (const want of await Promise.all(outputs.map(read))) {
          const found = difference(got[want.name], want, tolerance);
          if (found) failures.push(`${graph}: ${want.name}: ${found}`);
        }
        runs++;
      }
    } catch (error) {
      failures.push(`${graph}: ${error.message}`);
    }
    await model?.dispose();
  }
  return { runs, failures };
}

/** Greedy and sampled tokens of each model on both engines, as lists: [[name, one, other], …]. */
export async function bothTokens(one, other, base, folders, count) {
  const all = [];
  for (const folder of folders) {
    const row = [folder];
    for (const engine of [one, other]) {
      const model = await engine.load(`${base}${folder}/`, { exact: true });
      const ids = [];
      const options = { tokens: [1, 2, 3, 4, 5], maxTokens: count, ignoreEnd: true };
      const sampling = { temperature: 2, topK: 50, topP: 0.9, minP: 0.01, seed: 5 };
      for await (const { id } of model.generate(options)) ids.push(id);
      for await (const { id } of model.generate({ ...options, ...sampling })) ids.push(id);
      row.push(ids.join(" "));
      await model.dispose();
    }
    all.push(row);
  }
  return all;
}

/** A model's tokens and a graph's outputs, measured and not: what differs, as lines, and the profiles. */
export async function profiles(engine, base, folder, { graph, sets: [{ inputs, outputs }] }) {
  const failures = [];
  const all = {};
  const model = await engine.load(`${base}${folder}/`, { exact: true });
  const ids = async (onProfile) => {
    const list = [];
    const generation = model.generate({ tokens: [1, 2, 3, 4, 5], maxTokens: 8, ignoreEnd: true, ...(onProfile && { onProfile }) });
    for await (const { id } of generation) list.push(id);
    return list.join(" ");
  };
  const plain = await ids();
  const measured = await ids((profile) => (all.decode = profile));
  if (plain !== measured) failures.push(`${folder}: ${measured}, without a profile ${plain}`);
  await model.dispose();

  const read = async (path) => engine.readTensor(await (await fetch(encodeURI(base + path))).arrayBuffer());
  const net = await engine.load(encodeURI(base + graph), { graphOnly: true, exact: true });
  const feed = await Promise.all(inputs.map(read));
  const got = await net.run(Object.fromEntries(feed.map((tensor) => [tensor.name, tensor])), { onProfile: (profile) => (all.run = profile) });
  for (const want of await Promise.all(outputs.map(read))) {
    const found = difference(got[want.name], want, tolerances.fp32);
    if (found) failures.push(`${graph}: ${want.name}: ${found}`);
  }
  await net.dispose();
  const sum = (list, field) => list.reduce((total, node) => total + node[field], 0);
  const figures = Object.entries(all).map(([name, { nodes, gpuBandwidth }]) => {
    const onGpu = nodes.filter(({ dispatches }) => dispatches > 0);
    return { name, nodes: nodes.length, dispatches: sum(nodes, "dispatches"), ms: sum(onGpu, "ms"), bytes: sum(onGpu, "bytes"), gpuBandwidth };
  });
  return { gpu: engine.info.gpu, failures, figures };
}
