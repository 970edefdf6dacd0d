/* page.ts — the demonstration page: loads a model, answers prompts, shows what it takes.

   The address may say model=URL, variant=, threads=, exact=1. Scripts that drive the page listen on
   `document` for brink:ready, brink:token, brink:done and brink:error. */
import { Brink, BrinkError, type EngineInfo, type Generation, type Model } from "@brink/web";

const query = new URLSearchParams(location.search);
const find = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const tell = (name: string, detail: unknown) => document.dispatchEvent(new CustomEvent(`brink:${name}`, { detail }));

const answer = find("answer");
const ask = find<HTMLButtonElement>("ask");
const stop = find<HTMLButtonElement>("stop");
let engine: Brink;
let model: Model;
let running: Generation | undefined;

function megabytes(bytes: number): string {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}

function inWords({ variant, threads, version }: EngineInfo): string {
  const simd = variant.startsWith("relaxed") ? "relaxed SIMD" : "SIMD";
  const workers = threads > 1 ? `${threads} threads` : "one thread";
  const reason = threads > 1 || crossOriginIsolated ? "" : " (this page is not cross-origin isolated)";
  return `Engine ${version}: the processor, through WebAssembly with ${simd}, on ${workers}${reason}.`;
}

function show(id: string, text: string): void {
  find(id).textContent = text;
}

function showProblem(error: unknown): void {
  find("problem").hidden = false;
  show("problem-text", error instanceof Error ? error.message : String(error));
  show("problem-hint", error instanceof BrinkError ? error.hint : "");
  tell("error", error instanceof BrinkError ? { code: error.code, message: error.message } : { code: "", message: String(error) });
}

async function showMemory(): Promise<void> {
  const { live } = await engine.memory();
  show("memory", megabytes(live));
}

async function start(): Promise<void> {
  const variant = query.get("variant") as EngineInfo["variant"] | null;
  const threads = Number(query.get("threads") ?? 0);
  const began = performance.now();
  engine = await Brink.create({
    wasmBase: "./wasm/",
    ...(variant ? { variant } : {}),
    ...(threads > 0 ? { threads } : {}),
  });
  show("engine", inWords(engine.info));
  const bar = find<HTMLProgressElement>("load-bar");
  model = await engine.load(query.get("model") ?? "./models/smollm2/", {
    exact: query.get("exact") === "1",
    onProgress({ loadedBytes, totalBytes }) {
      bar.value = totalBytes > 0 ? loadedBytes / totalBytes : 0;
      show("load-bytes", `${megabytes(loadedBytes)} of ${megabytes(totalBytes)}`);
    },
  });
  const loadMs = performance.now() - began;
  find("loading").hidden = true;
  show("load-time", `${(loadMs / 1000).toFixed(loadMs < 10_000 ? 2 : 1)} s`);
  show("status", "The model is ready.");
  await showMemory();
  ask.disabled = false;
  tell("ready", { info: engine.info, loadMs, memory: await engine.memory() });
}

async function generate(): Promise<void> {
  const prompt = find<HTMLTextAreaElement>("prompt").value;
  const chat = new FormData(find<HTMLFormElement>("form")).get("mode") === "chat";
  const question = find("question");
  question.textContent = prompt;
  question.hidden = !chat;
  answer.textContent = chat ? "" : prompt;
  answer.ariaBusy = "true";
  ask.disabled = true;
  stop.disabled = false;
  find("problem").hidden = true;
  show("status", "The model is writing.");
  const tokens: number[] = [];
  const maxTokens = find<HTMLInputElement>("max-tokens").valueAsNumber;
  try {
    running = model.generate({
      maxTokens,
      ...(chat ? { messages: [{ role: "user", content: prompt }] } : { prompt }),
    });
    let first = 0;
    for await (const token of running) {
      tokens.push(token.id);
      answer.append(token.text);
      first ||= performance.now();
      const seconds = (performance.now() - first) / 1000;
      if (seconds > 0.2) show("speed", `${((tokens.length - 1) / seconds).toFixed(1)} tokens/s`);
      tell("token", token);
    }
    const stats = await running.stats;
    if (stats.tokens > 1) show("speed", `${stats.decodeTokensPerSecond.toFixed(1)} tokens/s`);
    show("prefill", `${stats.prefillTokensPerSecond.toFixed(1)} tokens/s`);
    show("status", "The answer is complete.");
    await showMemory();
    tell("done", { tokens, stats, memory: await engine.memory() });
  } catch (error) {
    if ((error as Error).name !== "AbortError") return showProblem(error);
    show("status", "Stopped.");
    tell("done", { tokens, stats: null, memory: await engine.memory() });
  } finally {
    running = undefined;
    answer.ariaBusy = "false";
    ask.disabled = false;
    stop.disabled = true;
  }
}

find("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!running) void generate();
});
find("prompt").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) find<HTMLFormElement>("form").requestSubmit();
});
stop.addEventListener("click", () => running?.abort());

start().catch((error: unknown) => {
  find("loading").hidden = true;
  show("engine", "");
  showProblem(error);
});
