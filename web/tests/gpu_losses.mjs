/* gpu_losses.mjs — requests in the midst of which the GPU's device is destroyed. It runs where the SDK does,
   on an engine whose worker has lossy_gpu.mjs; paths are below `base`, which ends in a slash. */

/** Asks the worker for losses; `count()` is how many came since. */
function losses() {
  const channel = new BroadcastChannel("gpu");
  let heard = [];
  let told = () => {};
  channel.onmessage = ({ data }) => (heard.push(data), told());
  async function arm(moments) {
    heard = [];
    channel.postMessage(moments);
    while (!heard.includes("armed")) await new Promise((resolve) => (told = resolve));
  }
  async function count() {
    await new Promise((resolve) => setTimeout(resolve, 20)); // the word may still be on its way
    const lost = heard.filter((word) => word === "destroyed").length;
    await arm([]); // what did not come
    return lost;
  }
  return { arm, count, close: () => channel.close() };
}

/* Two in each, the second while the engine recovers from the first (it gives a request up after three). */
const moments = {
  prompt: [
    [["writeBuffer", 1], ["submit", 1]],
    [["writeBuffer", 3], ["writeBuffer", 20]],
  ],
  decode: [
    [["submit", 1], ["writeBuffer", 2]],
    [["writeBuffer", 1], ["submit", 1]],
  ],
  graph: [
    [["submit", 1], ["writeBuffer", 1]],
    [["writeBuffer", 1], ["submit", 1]],
    [["writeBuffer", 2], ["writeBuffer", 9]],
  ],
  turns: [[["submit", 0], ["writeBuffer", 5]]],
  load: [
    [["writeBuffer", 1], ["writeBuffer", 7]],
    [["writeBuffer", 12], ["submit", 1]],
  ],
};

/** Runs each request up to `rounds` times with losses in its midst, and again without one. Rows of { name, when, lost, loss,
    after, memory }: `loss` is what came of the request, `after` of the one after it, each "same" (as without
    any loss), "device-failed" or what was wrong. */
export async function loseDevices(engine, BrinkError, base, rounds) {
  const device = losses();
  const llama = await engine.load(`${base}llama/fp32/`, { exact: true });
  const bert = await engine.load(`${base}bert/fp32/model.onnx`, { graphOnly: true, exact: true });
  const read = async (name) => engine.readTensor(await (await fetch(`${base}bert/fp32/model/test_data_set_0/${name}`)).arrayBuffer());
  const { inputs } = bert;
  const feed = Object.fromEntries((await Promise.all(inputs.map((_, i) => read(`input_${i}.pb`)))).map((tensor) => [tensor.name, tensor]));

  const prompt = Array.from({ length: 40 }, (_, i) => 3 + ((i * 7) % 90));
  async function ids(from, tokens, maxTokens, each = async () => {}) {
    const list = [];
    for await (const { id } of from.generate({ tokens, maxTokens, ignoreEnd: true })) await each(list.push(id));
    return list.join(" ");
  }
  async function turns(between) {
    const session = await llama.createSession();
    try {
      const first = await ids(session, prompt.slice(0, 9), 3);
      await between();
      return `${first}, ${await ids(session, prompt.slice(9, 14), 3)}`;
    } finally {
      await session.dispose();
    }
  }
  async function load() {
    const model = await engine.load(`${base}llama/fp32/`, { exact: true });
    try {
      return await ids(model, [1, 2, 3], 2);
    } finally {
      await model.dispose();
    }
  }
  const none = async () => {};
  const requests = {
    prompt: (arm) => arm().then(() => ids(llama, prompt, 2)),
    decode: (arm) => ids(llama, prompt.slice(0, 3), 6, (got) => (got === 2 ? arm() : none())),
    graph: (arm) => arm().then(async () => JSON.stringify(Object.values(await bert.run(feed)).map(({ data }) => [...data]))),
    turns,
    load: (arm) => arm().then(load),
  };

  const undisturbed = {};
  for (const [name, run] of Object.entries(requests)) undisturbed[name] = await run(none);
  const outcome = (name, promise) =>
    promise.then(
      (got) => (got === undisturbed[name] ? "same" : `other: ${got.slice(0, 200)}`),
      (error) => (error instanceof BrinkError && error.code === "device-failed" ? error.code : `${error.name} ${error.code}: ${error.message}`),
    );
  const rows = [];
  for (let round = 0; round < rounds; ++round)
    for (const [name, run] of Object.entries(requests)) {
      const when = moments[name][round];
      if (!when) continue;
      const loss = await outcome(name, run(() => device.arm(when)));
      const lost = await device.count();
      const after = await outcome(name, run(none));
      rows.push({ name, when: when.join(" and "), lost, loss, after, memory: await engine.memory() });
    }
  await llama.dispose();
  await bert.dispose();
  device.close();
  return rows;
}
