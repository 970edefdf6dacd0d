// It has no tokenizer: the ids of brink's sentence are given.
import * as ort from "/ort/ort.wasm.min.mjs";
const marks = (window.marks = { script: performance.now() });
ort.env.wasm.wasmPaths = "/ort/";
ort.env.wasm.numThreads = navigator.hardwareConcurrency;
const session = await ort.InferenceSession.create("/models/minilm/model.onnx", { executionProviders: ["wasm"] });
marks.model = performance.now();
const ids = [101, 1996, 4937, 7719, 2006, 1996, 13523, 1998, 3504, 2041, 1997, 1996, 3332, 1012, 102];
const whole = (value) => new ort.Tensor("int64", BigInt64Array.from(ids, value), [1, ids.length]);
const { last_hidden_state: hidden } = await session.run({ input_ids: whole((id) => BigInt(id)), attention_mask: whole(() => 1n), token_type_ids: whole(() => 0n) });
const vector = new Float32Array(384);
hidden.data.forEach((x, i) => (vector[i % 384] += x / ids.length));
marks.result = performance.now();
window.result = { ...marks, promptTokens: ids.length, threads: ort.env.wasm.numThreads, vector: [...vector] };
