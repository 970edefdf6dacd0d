/* worker.ts — the script of both kinds of worker. The first message says which it is: the engine,
   which answers the page's calls, or a helper thread, which only computes.

   Invariant: when the engine traps, nothing in its heap can be trusted. The worker then says so
   once and answers nothing more; the page ends it and fails every call. */
import { BrinkError, makeError, type WireError } from "./errors.js";
import type { FromWorker, HelperStart, Operation, Operations, Started, StartOptions, ToWorker } from "./protocol.js";
import { Engine } from "./worker/engine.js";
import { runHelper } from "./worker/helper.js";
import { Aborted, Job } from "./worker/job.js";
import { loadModule, possibleVariants, type Loaded } from "./worker/module.js";
import { wake } from "./worker/queue.js";
import { ProcessExit } from "./worker/wasi.js";
import { WebGpu } from "./worker/webgpu.js";

/** The part of a worker's global scope used here (the DOM's types describe a page's). */
interface Scope {
  postMessage(message: FromWorker, transfer?: Transferable[]): void;
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  close(): void;
}
const scope = self as unknown as Scope;

const helperStackBytes = 512 << 10;
let engine: Engine | undefined;
let dead = false;
const jobs = new Map<number, Job>();

const log = (line: string) => scope.postMessage({ type: "log", line });

function die(error: unknown): void {
  dead = true;
  const message = error instanceof Error ? error.message : String(error);
  scope.postMessage({ type: "died", message: `the engine stopped working (${message})` });
}
const isTrap = (error: unknown) => error instanceof WebAssembly.RuntimeError || error instanceof ProcessExit;

async function start({ threads, memoryBudget, wasmBase, variant, backend, submitMs }: StartOptions, job: Job): Promise<Started> {
  const variants = possibleVariants(threads);
  if (variant !== undefined && !variants.includes(variant))
    throw makeError("unsupported", `this page cannot run the engine's "${variant}" build`, "Builds with threads need cross-origin isolation (COOP and COEP headers); relaxed ones a browser with relaxed SIMD.");
  const webgpu = new WebGpu(backend === "wasm" ? undefined : globalThis.navigator?.gpu, wake);
  const loaded = await loadModule(wasmBase, variant === undefined ? variants : [variant], webgpu, log);
  const shared = loaded.exports.brink_worker_main !== undefined;
  // the helpers join the pool that the context makes, so it comes first
  engine = new Engine(loaded, shared ? threads : 1, memoryBudget);
  if (backend === "webgpu") await engine.openGpu(job, false);
  else if (backend === "auto") await engine.openGpu(job, true).catch((error: Error) => log(`on the CPU: ${error.message}`));
  engine.setSubmitMs(submitMs);
  const { info } = engine;
  return { info, helpers: Array.from({ length: info.threads - 1 }, (_, i) => helper(loaded, i + 1)) };
}

/** Stack and thread-local block of a helper thread, never freed: the thread lives as long. */
function helper({ module, memory, exports }: Loaded, index: number): HelperStart {
  const align = Math.max(16, Number(exports.__tls_align?.value ?? 1));
  const size = Number(exports.__tls_size?.value ?? 0);
  const block = exports.malloc(helperStackBytes + size + 2 * align) >>> 0;
  if (block === 0) throw makeError("out-of-memory", `no room for the stack of thread ${index}`);
  const tls = Math.ceil(block / align) * align;
  const stackTop = Math.floor((block + helperStackBytes + size + 2 * align) / 16) * 16;
  return { module, memory, index, stackTop, tls };
}

const operations: { [K in Operation]: (args: Operations[K][0], job: Job) => Operations[K][1] | Promise<Operations[K][1]> } = {
  start,
  memory: () => engine!.memory(),
  load: (args, job) => engine!.load(args, job),
  disposeModel: (args) => engine!.disposeModel(args),
  run: (args, job) => engine!.run(args, job),
  parseTensor: (args) => engine!.parseTensor(args),
  tokenize: (args) => engine!.tokenize(args),
  detokenize: (args) => engine!.detokenize(args),
  formatChat: (args) => engine!.formatChat(args),
  embed: (args, job) => engine!.embed(args, job),
  createSession: (args) => engine!.createSession(args),
  sessionLength: (args) => engine!.sessionLength(args),
  truncateSession: (args) => engine!.truncateSession(args),
  heldTokens: (args) => engine!.heldTokens(args),
  forkSession: (args) => engine!.forkSession(args),
  saveSession: (args, job) => engine!.saveSession(args, job),
  loadSession: (args) => engine!.loadSession(args),
  disposeSession: (args) => engine!.disposeSession(args),
  loadAdapter: (args) => engine!.loadAdapter(args),
  disposeAdapter: (args) => engine!.disposeAdapter(args),
  generate: (args, job) => engine!.generate(args, job),
};

function wireError(error: unknown): WireError {
  if (error instanceof Aborted) return { code: "aborted", message: "aborted" };
  if (error instanceof BrinkError) return { code: error.code, message: error.message, hint: error.hint };
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return { code: "engine-died", message: `an unexpected error in the engine's worker (${text})` };
}

/** Buffers that can move to the page instead of being copied. */
function transfers(op: Operation, value: unknown): Transferable[] {
  if (op === "run") return (value as Operations["run"][1]).map((t) => t.bytes.buffer);
  if (op === "tokenize") return Object.values(value as Operations["tokenize"][1]).map(({ buffer }) => buffer);
  if (op === "embed") return [(value as Operations["embed"][1]).bytes.buffer];
  if (op === "saveSession") return [(value as Operations["saveSession"][1]).buffer];
  if (op === "parseTensor") return [(value as Operations["parseTensor"][1]).bytes.buffer];
  return [];
}

async function call(id: number, op: Operation, args: unknown): Promise<void> {
  const job = new Job((event) => scope.postMessage({ type: "event", id, event }));
  jobs.set(id, job);
  try {
    const value = await operations[op](args as never, job);
    if (!dead) scope.postMessage({ type: "result", id, value }, transfers(op, value));
  } catch (error) {
    if (dead) return;
    if (isTrap(error)) die(error);
    else scope.postMessage({ type: "failure", id, error: wireError(error) });
  } finally {
    jobs.delete(id);
  }
}

scope.onmessage = ({ data }) => {
  if (dead) return;
  switch (data.type) {
    case "helper":
      runHelper(data, log).catch(die);
      return;
    case "call":
      void call(data.id, data.op, data.args);
      return;
    case "abort":
      jobs.get(data.id)?.stop();
      return;
    case "chunk":
      Job.answer(data.pull, data.bytes);
      return;
  }
};
