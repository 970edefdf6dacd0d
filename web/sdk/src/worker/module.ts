/* module.ts — picks, compiles and instantiates a build of the engine.

   Invariant: memory that a threaded module shares is asked for from large to small maximum, so that
   a browser which grants little (iOS) still gets an engine. */
import { makeError } from "../errors.js";
import type { Variant } from "../types.js";
import { wasi, type ProcessExit } from "./wasi.js";
import type { WebGpu, WebGpuExports } from "./webgpu.js";

export type { ProcessExit };

/** The functions of web/native. Pointers come back signed: `>>> 0` before use. */
export interface Exports extends WebGpuExports {
  memory?: WebAssembly.Memory;
  _initialize(): void;
  web_version(): number;
  web_context_create(threads: number, budget: number, out: number): number;
  web_context_destroy(context: number): void;
  web_context_threads(context: number): number;
  web_context_memory(context: number, out: number): void;
  web_error(context: number): number;
  web_gpu_begin(context: number, hardware: number, out: number): number;
  web_gpu_set_submit_ms(context: number, ms: number): void;
  web_context_gpu(context: number, out: number): number;
  web_task_advance(task: number, budgetUs: number): number;
  web_task_cancel(task: number): void;
  web_task_destroy(task: number): void;
  web_load_begin(context: number, graph: number, flags: number, out: number): number;
  web_task_want(task: number, want: number): number;
  web_task_want_later(task: number, index: number, want: number): number;
  web_buffer_alloc(context: number, size: number): number;
  web_buffer_free(context: number, data: number): void;
  web_task_supply(task: number, data: number, size: number): number;
  web_task_supply_part(task: number, at: number, data: number, size: number): number;
  web_task_supply_missing(task: number): number;
  web_model_take(task: number, out: number): number;
  web_model_destroy(model: number): void;
  web_model_facts(model: number, out: number): void;
  web_model_input_count(model: number): number;
  web_model_output_count(model: number): number;
  web_model_input(model: number, index: number, out: number): void;
  web_model_output(model: number, index: number, out: number): void;
  web_run_begin(model: number, inputs: number, count: number, profile: number, out: number): number;
  web_run_output(task: number, index: number, out: number): number;
  web_node_count(task: number): number;
  web_node(task: number, index: number, out: number): void;
  web_tensor_parse(context: number, data: number, size: number, out: number): number;
  web_tensor_release(context: number, tensor: number): void;
  web_tokenize(model: number, text: number, bytes: number, special: number, ids: number, offsets: number, capacity: number, count: number): number;
  web_detokenize(model: number, ids: number, count: number, special: number, text: number, capacity: number, bytes: number): number;
  web_chat_format(model: number, messages: number, count: number, text: number, capacity: number, bytes: number): number;
  web_embed_begin(model: number, desc: number, out: number): number;
  web_embed_vectors(task: number, out: number): number;
  web_embed_stats(task: number, out: number): void;
  web_session_create(model: number, context: number, out: number): number;
  web_session_destroy(session: number): void;
  web_session_length(session: number): number;
  web_session_truncate(session: number, length: number): number;
  web_session_held(session: number, tokens: number, count: number): number;
  web_session_fork(session: number, out: number): number;
  web_session_save_begin(session: number, out: number): number;
  web_session_saved(task: number, data: number, bytes: number): number;
  web_session_load(model: number, context: number, data: number, bytes: number, out: number): number;
  web_generate_begin(session: number, tokens: number, count: number, maxTokens: number, stop: number, stopCount: number, flags: number, keep: number, draftTokens: number, sampling: number, grammar: number, adapter: number, out: number): number;
  web_adapter_create(model: number, name: number, config: number, configBytes: number, weights: number, weightsBytes: number, modules: number, modulesBytes: number, out: number): number;
  web_adapter_destroy(adapter: number): void;
  web_grammar_create(model: number, isSchema: number, text: number, bytes: number, out: number): number;
  web_grammar_destroy(grammar: number): void;
  web_generate_next(task: number, id: number, text: number): number;
  web_generate_top_two(task: number, best: number): number;
  web_generate_stats(task: number, out: number): void;
  /* the threaded builds alone */
  __stack_pointer?: WebAssembly.Global;
  __tls_size?: WebAssembly.Global;
  __tls_align?: WebAssembly.Global;
  __wasm_init_tls?(block: number): void;
  brink_worker_main?(index: number): void;
}

export interface Loaded {
  variant: Variant;
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  maximumBytes: number | undefined;
  exports: Exports;
  webgpu: WebGpu;
}

const files: Record<Variant, string> = {
  plain: "brink.wasm",
  relaxed: "brink-relaxed.wasm",
  threads: "brink-threads.wasm",
  "relaxed-threads": "brink-relaxed-threads.wasm",
};

/* (func (result v128) i32.const 0; i8x16.splat; i8x16.popcnt) */
const simdProbe = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];
/* (func (result v128) two splats; i8x16.relaxed_swizzle) */
const relaxedProbe = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15, 253, 128, 2, 11];

/** The builds that this browser and page can run, the fastest first. */
export function possibleVariants(threads: number): Variant[] {
  if (!WebAssembly.validate(new Uint8Array(simdProbe)))
    throw makeError("unsupported", "this browser has no WebAssembly SIMD", "Update the browser: every current one has it.");
  const relaxed = WebAssembly.validate(new Uint8Array(relaxedProbe));
  const shared = threads > 1 && globalThis.crossOriginIsolated && typeof SharedArrayBuffer === "function";
  const list: Variant[] = [];
  if (shared) list.push(...(relaxed ? (["relaxed-threads", "threads"] as const) : (["threads"] as const)));
  list.push(...(relaxed ? (["relaxed", "plain"] as const) : (["plain"] as const)));
  return list;
}

async function compile(url: string): Promise<WebAssembly.Module> {
  let response: Response;
  try {
    response = await fetch(url, { credentials: "same-origin" });
  } catch (error) {
    throw makeError("network", `${url}: the engine could not be fetched (${(error as Error).message})`);
  }
  if (!response.ok)
    throw makeError("network", `${url}: the server answered ${response.status} for the engine`, "Set wasmBase to the folder that holds the .wasm files.");
  if (response.headers.get("content-type")?.startsWith("application/wasm"))
    return WebAssembly.compileStreaming(response);
  return WebAssembly.compile(await response.arrayBuffer());
}

const page = 65536;
const maxima = [65535, 49152, 32768, 24576, 16384, 8192, 4096, 2048]; // in pages: 4 GiB to 128 MiB

function sharedMemory(initial: number): { memory: WebAssembly.Memory; maximum: number } {
  let last: unknown;
  for (const maximum of maxima) {
    try {
      return { memory: new WebAssembly.Memory({ initial, maximum, shared: true }), maximum };
    } catch (error) {
      last = error; // RangeError: the browser does not reserve that much
    }
  }
  throw last;
}

async function instantiate(variant: Variant, module: WebAssembly.Module, webgpu: WebGpu, log: (line: string) => void): Promise<Loaded> {
  const importsMemory = WebAssembly.Module.imports(module).some((i) => i.kind === "memory");
  let memory: WebAssembly.Memory | undefined;
  let maximumBytes: number | undefined;
  const imports = { ...wasi(module, () => memory!, log), webgpu: webgpu.imports };
  if (!importsMemory) {
    const instance = await WebAssembly.instantiate(module, imports);
    const exports = instance.exports as unknown as Exports;
    memory = exports.memory!;
    return { variant, module, memory, maximumBytes, exports, webgpu };
  }
  // How much the module asks for at first cannot be read from a compiled module: double until it fits.
  for (let initial = 64; ; initial *= 2) {
    const granted = sharedMemory(initial);
    memory = granted.memory;
    maximumBytes = granted.maximum * page;
    try {
      const instance = await WebAssembly.instantiate(module, { ...imports, env: { memory } });
      return { variant, module, memory, maximumBytes, exports: instance.exports as unknown as Exports, webgpu };
    } catch (error) {
      if (!(error instanceof WebAssembly.LinkError) || initial >= 2048) throw error;
    }
  }
}

/** The first variant that compiles and gets its memory. */
export async function loadModule(base: string, variants: Variant[], webgpu: WebGpu, log: (line: string) => void): Promise<Loaded> {
  let last: unknown;
  for (const variant of variants) {
    const module = await compile(new URL(files[variant], base).href).catch((error: unknown) => {
      if (error instanceof WebAssembly.CompileError) last = error;
      else throw error;
    });
    if (!module) continue;
    try {
      const loaded = await instantiate(variant, module, webgpu, log);
      webgpu.attach(loaded.memory, loaded.exports);
      loaded.exports._initialize();
      return loaded;
    } catch (error) {
      last = error; // no memory of that kind to be had: try the next
    }
  }
  const text = last instanceof Error ? last.message : String(last);
  throw last instanceof RangeError
    ? makeError("out-of-memory", `the browser grants the engine no memory (${text})`)
    : makeError("unsupported", `the engine does not start in this browser (${text})`);
}
