import { Wllama, LoggerWithoutDebug } from "/wllama/index.min.js";
const marks = (window.marks = { script: performance.now() });
const paths = { "single-thread/wllama.wasm": "/wllama/single-thread/wllama.wasm", "multi-thread/wllama.wasm": "/wllama/multi-thread/wllama.wasm" };
const wllama = new Wllama(paths, { logger: LoggerWithoutDebug, suppressNativeLog: true });
const file = new URLSearchParams(location.search).get("file");
const gguf = await (await fetch(`/gguf/${file}`)).blob();
marks.fetched = performance.now();
await wllama.loadModel([gguf], { n_ctx: 1024, n_batch: 512, n_threads: navigator.hardwareConcurrency });
marks.model = performance.now();
// the text that SmolLM2's template makes of the question, as brink's page formats it
const prompt =
  "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n" +
  "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n";
await wllama.samplingInit({ temp: 0 });
const tokens = await wllama.tokenize(prompt, true);
await wllama.decode(tokens, {});
const { piece } = await wllama.samplingSample();
marks.result = performance.now();
window.result = { ...marks, text: new TextDecoder().decode(piece), promptTokens: tokens.length, threads: wllama.getNumThreads() };
