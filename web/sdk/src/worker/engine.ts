/* engine.ts — the engine's side of every operation: one context, its models and sessions.

   Invariant: a task is advanced a slice at a time with a turn of the message queue between, so an
   abort is heard within a slice; several tasks take turns. A slice that ended before its time waits for
   the GPU: its task sleeps until the browser answers something, or it is aborted. Models and sessions are known to the
   page by number, never by pointer; whatever still uses one ends before it is destroyed. */
import { makeError, type ErrorCode } from "../errors.js";
import * as layout from "../layout.js";
import type { Operations, WireModel, WireSampling, WireSource, WireTokens, WireVectors } from "../protocol.js";
import type { RawTensor } from "../tensor.js";
import type { EngineInfo, GeneratedToken, GenerateStats, GpuInfo, MemoryUse, Message, ModelFacts, Profile, ValueInfo } from "../types.js";
import { Progress, Transfers, type TakePart, type Want } from "./files.js";
import { encodeText, Heap, type Scope } from "./heap.js";
import { Aborted, disposed, type Job } from "./job.js";
import type { Exports, Loaded } from "./module.js";
import { nextTurn, sleep } from "./queue.js";

const sliceUs = 10_000;

interface Session {
  pointer: number;
  model: Model;
  busy: boolean;
}

interface Adapter {
  pointer: number;
  model: Model;
  /** Generations. */
  users: number;
}
interface Model {
  pointer: number;
  source: WireSource;
  /** Weights that the GPU lost are on their way. */
  restoring: Promise<void> | undefined;
  sessions: Set<number>;
  users: Map<Job, Promise<unknown>>;
}

const codes = new Map<number, ErrorCode>([
  [layout.status.invalidArgument, "invalid-argument"],
  [layout.status.badInput, "bad-input"],
  [layout.status.unsupported, "unsupported"],
  [layout.status.outOfMemory, "out-of-memory"],
  [layout.status.deviceFailed, "device-failed"],
]);

function joined(lists: Uint32Array[]): Uint32Array<ArrayBuffer> {
  const all = new Uint32Array(lists.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const list of lists) {
    all.set(list, at);
    at += list.length;
  }
  return all;
}

/** Places in characters become places in the string's UTF-16 units, which are more where it has characters
    beyond U+FFFF. */
function toUnits(places: Uint32Array<ArrayBuffer>, text: string): Uint32Array<ArrayBuffer> {
  if (!/[\ud800-\udbff][\udc00-\udfff]/.test(text)) return places;
  const units = [0];
  for (const character of text) units.push(units[units.length - 1]! + character.length);
  return places.map((place) => units[place] ?? text.length);
}

export class Engine {
  readonly heap: Heap;
  readonly #exports: Exports;
  readonly #loaded: Loaded;
  #context = 0;
  #gpu: GpuInfo | undefined;
  #waits = false;
  #models = new Map<number, Model>();
  #sessions = new Map<number, Session>();
  #adapters = new Map<number, Adapter>();
  #next = 1;

  constructor(loaded: Loaded, threads: number, memoryBudget: number) {
    this.#loaded = loaded;
    this.#exports = loaded.exports;
    this.heap = new Heap(loaded.memory, loaded.exports);
    const { heap } = this;
    heap.scoped((scope) => {
      const out = scope.alloc(4);
      if (this.#exports.web_context_create(threads, memoryBudget, out) !== layout.status.ok)
        throw makeError("out-of-memory", "there is no memory to start the engine");
      this.#context = heap.u32(out);
    });
  }

  get info(): EngineInfo {
    return {
      version: this.heap.text(this.#exports.web_version() >>> 0),
      backend: this.#gpu ? "webgpu" : "wasm",
      gpu: this.#gpu,
      variant: this.#loaded.variant,
      threads: this.#exports.web_context_threads(this.#context),
      maximumBytes: this.#loaded.maximumBytes,
    };
  }

  memory(): MemoryUse {
    const { heap } = this;
    return heap.scoped((scope) => {
      const out = scope.alloc(layout.memory.size);
      this.#exports.web_context_memory(this.#context, out);
      return { live: heap.u64(out + layout.memory.live), peak: heap.u64(out + layout.memory.peak), heap: heap.size };
    });
  }

  /* ── Errors, tasks, buffers ── */

  #error(status: number, during: string): Error {
    if (status === layout.status.cancelled) return new Aborted("aborted");
    const text = this.heap.text(this.#exports.web_error(this.#context) >>> 0);
    return makeError(codes.get(status) ?? "engine-died", text || `${during} failed with status ${status}`);
  }
  #check(status: number, during: string): void {
    if (status !== layout.status.ok) throw this.#error(status, during);
  }

  /** A slice of a task: true when it is done. */
  #advance(task: number, job: Job, budgetUs: number, during: string): boolean {
    if (job.stopped) {
      this.#exports.web_task_cancel(task);
      this.#exports.web_task_advance(task, 0);
      job.check();
    }
    const began = performance.now();
    const status = this.#exports.web_task_advance(task, budgetUs);
    this.#waits = this.#loaded.webgpu.pending > 0 && performance.now() - began < budgetUs / 1000;
    if (status === layout.status.pending) return false;
    this.#check(status, during);
    return true;
  }

  /** What comes between two slices; called right after the first. */
  #turn(): Promise<void> {
    return this.#waits ? sleep() : nextTurn();
  }

  /** Opens the browser's GPU; models that are loaded from then on run there. */
  async openGpu(job: Job, hardware: boolean): Promise<void> {
    const { heap } = this;
    const exports = this.#exports;
    const scope = heap.scope();
    let task = 0;
    try {
      const out = scope.alloc(layout.gpuInfo.size);
      this.#check(exports.web_gpu_begin(this.#context, hardware ? 1 : 0, out), "opening the GPU");
      task = heap.u32(out);
      while (!this.#advance(task, job, 0, "opening the GPU")) await (this.#loaded.webgpu.pending > 0 ? sleep() : nextTurn());
      exports.web_context_gpu(this.#context, out);
      this.#gpu = {
        name: heap.text(heap.u32(out + layout.gpuInfo.name)),
        software: heap.u8(out + layout.gpuInfo.software) !== 0,
        f16: heap.u8(out + layout.gpuInfo.f16) !== 0,
        subgroups: heap.u8(out + layout.gpuInfo.subgroups) !== 0,
        timestamps: heap.u8(out + layout.gpuInfo.timestamps) !== 0,
      };
    } finally {
      if (task) exports.web_task_destroy(task);
      scope.free();
    }
  }

  /** Milliseconds that a batch of work should keep the GPU; 0: the engine's own choice. */
  setSubmitMs(ms: number): void {
    this.#exports.web_gpu_set_submit_ms(this.#context, ms);
  }

  bufferAlloc(size: number, file: string): number {
    const pointer = this.#exports.web_buffer_alloc(this.#context, size) >>> 0;
    if (pointer !== 0) return pointer;
    const text = this.heap.text(this.#exports.web_error(this.#context) >>> 0);
    throw makeError("out-of-memory", `${file}: no room for its ${size} bytes${text ? ` (${text})` : ""}`);
  }
  bufferFree(pointer: number): void {
    this.#exports.web_buffer_free(this.#context, pointer);
  }

  /* ── Models ── */

  #model(id: number): Model {
    const model = this.#models.get(id);
    if (!model) throw disposed("model");
    return model;
  }

  /** Runs work that uses a model, so that disposing of the model first ends it. */
  async #using<T>(model: Model, job: Job, work: () => Promise<T>): Promise<T> {
    const done = work();
    model.users.set(job, done);
    try {
      return await done;
    } finally {
      model.users.delete(job);
    }
  }

  async load(args: Operations["load"][0], job: Job): Promise<WireModel> {
    const { heap } = this;
    const exports = this.#exports;
    const scope = heap.scope();
    const progress = new Progress(job.post);
    const files = new Transfers(this, args.source, progress, job);
    let task = 0;
    try {
      const out = scope.alloc(4);
      const flags =
        (args.graphOnly ? layout.loadFlags.graphOnly : 0) |
        (args.exact ? layout.loadFlags.exact : 0) |
        (this.#gpu ? layout.loadFlags.gpu : 0);
      const graph = args.graph === undefined ? 0 : scope.text(args.graph).pointer;
      this.#check(exports.web_load_begin(this.#context, graph, flags, out), "loading");
      task = heap.u32(out);
      const want = scope.alloc(layout.want.size);
      while (!this.#advance(task, job, sliceUs, "loading")) {
        if (exports.web_task_want(task, want)) await this.#supply(task, want, files, job);
        else await this.#turn();
      }
      this.#check(exports.web_model_take(task, out), "loading");
      const model: Model = { pointer: heap.u32(out), source: args.source, restoring: undefined, sessions: new Set(), users: new Map() };
      const id = this.#next++;
      this.#models.set(id, model);
      progress.post("");
      return { model: id, ...this.#describe(model.pointer) };
    } finally {
      await files.end();
      if (task) exports.web_task_destroy(task);
      scope.free();
    }
  }

  #want(at: number): Want {
    const { heap } = this;
    return {
      name: heap.text(heap.u32(at + layout.want.file)),
      inParts: heap.u8(at + layout.want.inParts) !== 0,
      leastBytes: heap.u64(at + layout.want.leastBytes),
    };
  }

  /** Answers a want; what will be wanted later begins to come at the same time. */
  async #supply(task: number, at: number, files: Transfers, job: Job): Promise<void> {
    const exports = this.#exports;
    const next = (): Want => {
      const want = this.#want(at);
      return { ...want, inParts: want.inParts && files.isLasting(want.name) };
    };
    const want = next();
    files.begin(want);
    for (let i = 0; exports.web_task_want_later(task, i, at); i++) files.begin(next());
    const found = want.inParts ? await files.pass(want, this.#parts(task, job)) : await files.take(want);
    job.check();
    if (!found) this.#check(exports.web_task_supply_missing(task), "loading");
    else if (found !== true) this.#check(exports.web_task_supply(task, found.pointer, found.size), "loading");
  }

  #parts(task: number, job: Job): TakePart {
    return (at, pointer, size) => {
      job.check();
      this.#check(this.#exports.web_task_supply_part(task, at, pointer, size), "loading");
    };
  }

  /** What comes between two slices of work on a model. Weights that the GPU lost are fetched again. */
  async #between(model: Model, task: number, job: Job): Promise<void> {
    const wants = () => this.heap.scoped((scope) => this.#exports.web_task_want(task, scope.alloc(layout.want.size)) !== 0);
    if (!wants()) return this.#turn();
    if (model.restoring) return model.restoring.catch(() => {}); // told to whoever fetches
    model.restoring = this.#restore(model, task, job);
    try {
      await model.restoring;
    } finally {
      model.restoring = undefined;
    }
  }

  async #restore(model: Model, task: number, job: Job): Promise<void> {
    const scope = this.heap.scope();
    const files = new Transfers(this, model.source, new Progress(() => {}), job);
    try {
      const at = scope.alloc(layout.want.size);
      while (this.#exports.web_task_want(task, at)) {
        const want = this.#want(at);
        if (!(await files.pass(want, this.#parts(task, job))))
          throw makeError("network", `${want.name}: the GPU lost it, and it is no longer there`);
      }
    } finally {
      await files.end();
      scope.free();
    }
  }

  #describe(model: number): { inputs: ValueInfo[]; outputs: ValueInfo[]; facts: ModelFacts } {
    const { heap } = this;
    const exports = this.#exports;
    return heap.scoped((scope) => {
      const out = scope.alloc(layout.valueInfo.size);
      const list = (count: number, fill: (model: number, index: number, out: number) => void) =>
        Array.from({ length: count }, (_, index) => {
          fill(model, index, out);
          return this.#valueInfo(out);
        });
      const inputs = list(exports.web_model_input_count(model), exports.web_model_input);
      const outputs = list(exports.web_model_output_count(model), exports.web_model_output);
      const f = scope.alloc(layout.facts.size);
      exports.web_model_facts(model, f);
      const facts: ModelFacts = {
        parameters: heap.u64(f + layout.facts.parameters),
        weightsBytes: heap.u64(f + layout.facts.weightsBytes),
        languageModel: heap.u8(f + layout.facts.languageModel) !== 0,
        embedder: heap.u8(f + layout.facts.embedder) !== 0,
        vocabulary: heap.u32(f + layout.facts.vocabulary),
        context: heap.u32(f + layout.facts.context),
      };
      return { inputs, outputs, facts };
    });
  }

  #valueInfo(at: number): ValueInfo {
    const { heap } = this;
    const { name, type, rank, shape, dimNames } = layout.valueInfo;
    const number = heap.u32(at + type);
    const dims = heap.i32(at + rank);
    return {
      name: heap.text(heap.u32(at + name)),
      type: layout.elementTypes.get(number)?.name ?? (number === 8 ? "string" : "undefined"),
      shape:
        dims < 0
          ? undefined
          : Array.from({ length: dims }, (_, i) => {
              const value = heap.i64(at + shape + 8 * i);
              return value >= 0 ? value : heap.text(heap.u32(at + dimNames + 4 * i));
            }),
    };
  }

  async disposeModel({ model: id }: { model: number }): Promise<null> {
    const model = this.#models.get(id);
    if (!model) return null;
    this.#models.delete(id);
    for (const job of model.users.keys()) job.stop(disposed("model"));
    await Promise.allSettled(model.users.values());
    for (const session of [...model.sessions]) this.disposeSession({ session });
    for (const [adapter, { model: of }] of this.#adapters) if (of === model) this.disposeAdapter({ adapter });
    this.#exports.web_model_destroy(model.pointer);
    return null;
  }

  /* ── Running a graph ── */

  run({ model: id, inputs, profile }: Operations["run"][0], job: Job): Promise<RawTensor[]> {
    const model = this.#model(id);
    return this.#using(model, job, async () => {
      const { heap } = this;
      const exports = this.#exports;
      const scope = heap.scope();
      let task = 0;
      try {
        const records = scope.alloc(inputs.length * layout.tensor.size);
        inputs.forEach((input, i) => this.#writeTensor(scope, records + i * layout.tensor.size, input));
        const out = scope.alloc(Math.max(4, layout.tensor.size));
        this.#check(exports.web_run_begin(model.pointer, records, inputs.length, profile ? 1 : 0, out), "run");
        task = heap.u32(out);
        while (!this.#advance(task, job, sliceUs, "run")) await this.#between(model, task, job);
        if (profile) this.#postProfile(task, job);
        const count = exports.web_model_output_count(model.pointer);
        return Array.from({ length: count }, (_, i) => {
          this.#check(exports.web_run_output(task, i, out), "run");
          return this.#readTensor(out);
        });
      } finally {
        if (task) exports.web_task_destroy(task);
        scope.free();
      }
    });
  }

  parseTensor({ bytes }: Operations["parseTensor"][0]): RawTensor {
    return this.heap.scoped((scope) => {
      const out = scope.alloc(layout.tensor.size);
      const status = this.#exports.web_tensor_parse(this.#context, scope.put(bytes), bytes.length, out);
      this.#check(status, "reading a tensor");
      const tensor = this.#readTensor(out);
      this.#exports.web_tensor_release(this.#context, out);
      return tensor;
    });
  }

  #writeTensor(scope: Scope, at: number, { name, type, shape, bytes }: RawTensor): void {
    const { heap } = this;
    const namePointer = scope.text(name).pointer;
    const data = scope.put(bytes);
    heap.setU32(at + layout.tensor.name, namePointer);
    heap.setU32(at + layout.tensor.type, type);
    heap.setU32(at + layout.tensor.rank, shape.length);
    shape.forEach((n, i) => heap.setI64(at + layout.tensor.shape + 8 * i, n));
    heap.setU32(at + layout.tensor.data, data);
    heap.setI64(at + layout.tensor.bytes, bytes.length);
  }
  #readTensor(at: number): RawTensor {
    const { heap } = this;
    const rank = heap.u32(at + layout.tensor.rank);
    const data = heap.u32(at + layout.tensor.data);
    const size = heap.u64(at + layout.tensor.bytes);
    const bytes = new Uint8Array(size);
    bytes.set(heap.bytes.subarray(data, data + size));
    return {
      name: heap.text(heap.u32(at + layout.tensor.name)),
      type: heap.u32(at + layout.tensor.type),
      shape: Array.from({ length: rank }, (_, i) => heap.i64(at + layout.tensor.shape + 8 * i)),
      bytes,
    };
  }

  /* ── Text ── */

  tokenize({ model, texts, special, offsets }: Operations["tokenize"][0]): WireTokens {
    const { pointer } = this.#model(model);
    const { heap } = this;
    const exports = this.#exports;
    return heap.scoped((scope) => {
      const counts = new Uint32Array(texts.length);
      const ids: Uint32Array[] = [];
      const places: Uint32Array[] = [];
      const count = scope.alloc(4);
      // room for one text and its tokens, used for all
      let [text, textRoom, list, offsetList, room] = [0, -1, 0, 0, 0];
      texts.forEach((string, i) => {
        const bytes = encodeText(string);
        if (bytes.length > textRoom) text = scope.room((textRoom = 2 * bytes.length));
        heap.bytes.set(bytes, text);
        for (let need = bytes.length + 16; ; need = heap.u32(count)) {
          if (need > room) {
            list = scope.room(4 * (room = 2 * need));
            if (offsets) offsetList = scope.room(8 * room);
          }
          this.#check(exports.web_tokenize(pointer, text, bytes.length, special ? 1 : 0, list, offsetList, room, count), "tokenizing");
          if (heap.u32(count) <= room) break;
        }
        counts[i] = heap.u32(count);
        ids.push(heap.words(list, counts[i]));
        if (offsets) places.push(toUnits(heap.words(offsetList, 2 * counts[i]), string));
      });
      return { counts, ids: joined(ids), offsets: joined(places) };
    });
  }

  /** Text whose length the engine says: fetched again when the first room was too small. */
  #textOut(scope: Scope, room: number, write: (text: number, capacity: number, bytes: number) => number, during: string): string {
    const { heap } = this;
    const bytes = scope.alloc(8);
    for (let capacity = room + 1; ; capacity = heap.u64(bytes) + 1) {
      const text = scope.alloc(capacity);
      this.#check(write(text, capacity, bytes), during);
      const length = heap.u64(bytes);
      if (length < capacity) return heap.decode(text, text + length);
    }
  }

  detokenize({ model, ids, special }: Operations["detokenize"][0]): string {
    const { pointer } = this.#model(model);
    return this.heap.scoped((scope) => {
      const list = scope.words(ids);
      return this.#textOut(
        scope,
        8 * ids.length,
        (text, capacity, bytes) =>
          this.#exports.web_detokenize(pointer, list, ids.length, special ? 1 : 0, text, capacity, bytes),
        "detokenizing",
      );
    });
  }

  formatChat({ model, messages }: { model: number; messages: Message[] }): string {
    const { pointer } = this.#model(model);
    return this.heap.scoped((scope) => {
      const fields = messages.flatMap((m) => [scope.text(m.role).pointer, scope.text(m.content).pointer]);
      const list = scope.words(fields);
      return this.#textOut(
        scope,
        1024,
        (text, capacity, bytes) =>
          this.#exports.web_chat_format(pointer, list, messages.length, text, capacity, bytes),
        "formatting the conversation",
      );
    });
  }

  /* ── Embeddings ── */

  embed(args: Operations["embed"][0], job: Job): Promise<WireVectors> {
    const model = this.#model(args.model);
    return this.#using(model, job, async () => {
      const { heap } = this;
      const exports = this.#exports;
      const scope = heap.scope();
      let task = 0;
      try {
        const out = scope.alloc(Math.max(layout.tensor.size, layout.embedStats.size));
        this.#check(exports.web_embed_begin(model.pointer, this.#embedOptions(scope, args), out), "embedding");
        task = heap.u32(out);
        for (let done = 0; !this.#advance(task, job, sliceUs, "embedding"); ) {
          exports.web_embed_stats(task, out);
          const texts = heap.u32(out + layout.embedStats.texts);
          if (texts !== done) job.post({ embedded: (done = texts) });
          await this.#between(model, task, job);
        }
        this.#check(exports.web_embed_vectors(task, out), "embedding");
        const { bytes } = this.#readTensor(out);
        exports.web_embed_stats(task, out);
        return {
          bytes,
          dimensions: heap.u32(out + layout.embedStats.dimensions),
          tokens: heap.u64(out + layout.embedStats.tokens),
          truncated: heap.u32(out + layout.embedStats.truncated),
        };
      } finally {
        if (task) exports.web_task_destroy(task);
        scope.free();
      }
    });
  }

  /** A brink_embed_desc. Texts may hold NUL, so their lengths go with them. */
  #embedOptions(scope: Scope, args: Operations["embed"][0]): number {
    const { heap } = this;
    const { embed } = layout;
    const texts = args.texts.map((text) => scope.text(text));
    const lengths = scope.alloc(8 * texts.length);
    texts.forEach(({ length }, i) => heap.setI64(lengths + 8 * i, length));
    const pointers = scope.words(texts.map(({ pointer }) => pointer));
    const optional = (text: string | undefined) => (text === undefined ? 0 : scope.text(text).pointer);
    const [prefix, prompt] = [optional(args.prefix), optional(args.prompt)];
    const at = scope.alloc(embed.size);
    heap.setU32(at + embed.texts, pointers);
    heap.setU32(at + embed.bytes, lengths);
    heap.setU32(at + embed.count, texts.length);
    heap.setU32(at + embed.prefix, prefix);
    heap.setU32(at + embed.prompt, prompt);
    heap.setU32(at + embed.dimensions, args.dimensions);
    heap.setU32(at + embed.maxTokens, args.maxTokens);
    heap.setU32(at + embed.pooling, layout.pooling[args.pooling ?? "model"]);
    heap.setU32(at + embed.normalize, layout.normalize[args.normalize === undefined ? "model" : args.normalize ? "on" : "off"]);
    heap.setU32(at + embed.precision, layout.precision[args.precision]);
    return at;
  }

  /* ── Sessions and generation ── */

  #session(id: number): Session {
    const session = this.#sessions.get(id);
    if (!session) throw disposed("session");
    return session;
  }

  createSession({ model: id, context }: { model: number; context: number }): { session: number } {
    const model = this.#model(id);
    const pointer = this.heap.scoped((scope) => {
      const out = scope.alloc(4);
      this.#check(this.#exports.web_session_create(model.pointer, context, out), "creating a session");
      return this.heap.u32(out);
    });
    return this.#addSession(pointer, model);
  }

  #addSession(pointer: number, model: Model): { session: number } {
    const session = this.#next++;
    this.#sessions.set(session, { pointer, model, busy: false });
    model.sessions.add(session);
    return { session };
  }

  heldTokens({ session, tokens }: { session: number; tokens: Uint32Array }): number {
    const { pointer } = this.#session(session);
    return this.heap.scoped((scope) => this.#exports.web_session_held(pointer, scope.words(tokens), tokens.length));
  }

  forkSession({ session: id }: { session: number }): { session: number } {
    const { pointer, model } = this.#idle(id);
    const fork = this.heap.scoped((scope) => {
      const out = scope.alloc(4);
      this.#check(this.#exports.web_session_fork(pointer, out), "forking a session");
      return this.heap.u32(out);
    });
    return this.#addSession(fork, model);
  }

  loadSession({ model: id, context, bytes }: Operations["loadSession"][0]): { session: number } {
    const model = this.#model(id);
    const pointer = this.heap.scoped((scope) => {
      const out = scope.alloc(4);
      this.#check(this.#exports.web_session_load(model.pointer, context, scope.put(bytes), bytes.length, out), "loading a session");
      return this.heap.u32(out);
    });
    return this.#addSession(pointer, model);
  }

  saveSession({ session: id }: Operations["saveSession"][0], job: Job): Promise<Uint8Array<ArrayBuffer>> {
    const session = this.#idle(id);
    return this.#occupy(session, job, async () => {
      const { heap } = this;
      const exports = this.#exports;
      const scope = heap.scope();
      let task = 0;
      try {
        const out = scope.alloc(16);
        this.#check(exports.web_session_save_begin(session.pointer, out), "saving a session");
        task = heap.u32(out);
        while (!this.#advance(task, job, sliceUs, "saving a session")) await this.#between(session.model, task, job);
        this.#check(exports.web_session_saved(task, out, out + 8), "saving a session");
        const at = heap.u32(out);
        return heap.bytes.slice(at, at + heap.u64(out + 8));
      } finally {
        if (task) exports.web_task_destroy(task);
        scope.free();
      }
    });
  }

  /** Work on a session alone, which ends before it is disposed of. */
  #occupy<T>(session: Session, job: Job, work: () => Promise<T>): Promise<T> {
    return this.#using(session.model, job, async () => {
      session.busy = true;
      this.#sessionOf.set(job, session);
      try {
        return await work();
      } finally {
        session.busy = false;
      }
    });
  }

  sessionLength({ session }: { session: number }): number {
    return this.#exports.web_session_length(this.#session(session).pointer);
  }

  truncateSession({ session: id, length }: { session: number; length: number }): null {
    const session = this.#idle(id);
    this.#check(this.#exports.web_session_truncate(session.pointer, length), "truncating a session");
    return null;
  }

  #idle(id: number): Session {
    const session = this.#session(id);
    if (session.busy)
      throw makeError("invalid-argument", "the session is generating already", "Await or abort the first generation, or use a second session.");
    return session;
  }

  async disposeSession({ session: id }: { session: number }): Promise<null> {
    const session = this.#sessions.get(id);
    if (!session) return null;
    this.#sessions.delete(id);
    session.model.sessions.delete(id);
    if (session.busy) {
      const users = [...session.model.users].filter(([job]) => this.#sessionOf.get(job) === session);
      for (const [job] of users) job.stop(disposed("session"));
      await Promise.allSettled(users.map(([, done]) => done));
    }
    this.#exports.web_session_destroy(session.pointer);
    return null;
  }

  #sessionOf = new WeakMap<Job, Session>();

  generate(args: Operations["generate"][0], job: Job): Promise<GenerateStats> {
    const model = this.#model(args.model);
    return this.#using(model, job, async () => {
      const own = args.session === 0;
      const tokens = this.#promptTokens(args);
      const id = own ? this.createSession({ model: args.model, context: 0 }).session : args.session;
      const session = this.#idle(id);
      try {
        return await this.#occupy(session, job, () => this.#generateOn(session, tokens, args, job));
      } finally {
        if (own) await this.disposeSession({ session: id });
      }
    });
  }

  #promptTokens({ model, prompt, messages, tokens }: Operations["generate"][0]): Uint32Array {
    if (tokens) return tokens;
    // a template spells out the special tokens itself
    const texts = [messages ? this.formatChat({ model, messages }) : (prompt ?? "")];
    return this.tokenize({ model, texts, special: !messages, offsets: false }).ids;
  }

  async #generateOn(session: Session, tokens: Uint32Array, args: Operations["generate"][0], job: Job): Promise<GenerateStats> {
    const { heap } = this;
    const exports = this.#exports;
    const scope = heap.scope();
    const adapter = args.adapter === 0 ? undefined : this.#adapter(args.adapter, session.model);
    let task = 0;
    let grammar = 0;
    if (adapter) adapter.users++;
    try {
      const out = scope.alloc(8);
      if (args.grammar) {
        const { pointer, length } = scope.text(args.grammar.text);
        this.#check(exports.web_grammar_create(session.model.pointer, args.grammar.isSchema ? 1 : 0, pointer, length, out), "generating");
        grammar = heap.u32(out);
      }
      const stop = scope.words(args.stop.map((text) => scope.text(text).pointer));
      const status = exports.web_generate_begin(
        session.pointer, scope.words(tokens), tokens.length, args.maxTokens, stop, args.stop.length,
        (args.ignoreEnd ? layout.generateFlags.ignoreEnd : 0) |
          (args.margins ? layout.generateFlags.keepLogits : 0) |
          (args.profile ? layout.generateFlags.profile : 0) |
          (args.whole ? layout.generateFlags.whole : 0) |
          (args.shift ? layout.generateFlags.shift : 0),
        args.keep,
        args.draftTokens,
        this.#sampling(scope, args.sampling),
        grammar,
        adapter?.pointer ?? 0,
        out,
      );
      this.#check(status, "generating");
      task = heap.u32(out);
      for (;;) {
        let done: boolean;
        try {
          // with margins one step at a time, since only the newest token's logits are kept
          done = this.#advance(task, job, args.margins ? 0 : sliceUs, "generating");
        } finally {
          this.#postTokens(task, out, args.margins, job); // also those before an abort
        }
        if (done) break;
        await this.#between(session.model, task, job);
      }
      if (args.profile) this.#postProfile(task, job);
      return this.#stats(task, scope);
    } finally {
      if (task) exports.web_task_destroy(task);
      exports.web_grammar_destroy(grammar);
      if (adapter) adapter.users--;
      scope.free();
    }
  }

  loadAdapter({ model: id, name, config, weights, modules }: Operations["loadAdapter"][0]): Operations["loadAdapter"][1] {
    const { heap } = this;
    const model = this.#model(id);
    const scope = heap.scope();
    try {
      const out = scope.alloc(4);
      const status = this.#exports.web_adapter_create(
        model.pointer, scope.text(name).pointer, scope.put(config), config.length, scope.put(weights), weights.length,
        modules ? scope.put(modules) : 0, modules?.length ?? 0, out,
      );
      this.#check(status, "loading");
      const adapter = this.#next++;
      this.#adapters.set(adapter, { pointer: heap.u32(out), model, users: 0 });
      return { adapter };
    } finally {
      scope.free();
    }
  }

  #adapter(id: number, model: Model): Adapter {
    const adapter = this.#adapters.get(id);
    if (!adapter) throw disposed("adapter");
    if (adapter.model !== model) throw makeError("invalid-argument", "the adapter is another model's");
    return adapter;
  }

  disposeAdapter({ adapter: id }: { adapter: number }): null {
    const adapter = this.#adapters.get(id);
    if (!adapter) return null;
    if (adapter.users) throw makeError("invalid-argument", "the adapter is in use", "Await or abort the generations that use it.");
    this.#adapters.delete(id);
    this.#exports.web_adapter_destroy(adapter.pointer);
    return null;
  }

  #sampling(scope: Scope, options: WireSampling): number {
    const { heap } = this;
    const { size, bias, biasCount, topK, seed, ...floats } = layout.sampling;
    const list = scope.alloc(8 * options.logitBias.length);
    options.logitBias.forEach(([token, value], i) => {
      heap.setU32(list + 8 * i, token);
      heap.setF32(list + 8 * i + 4, value);
    });
    const at = scope.alloc(size);
    heap.setU32(at + bias, list);
    heap.setU32(at + biasCount, options.logitBias.length);
    heap.setU32(at + topK, Math.min(options.topK, 0xffffffff));
    heap.setI64(at + seed, options.seed);
    for (const [name, offset] of Object.entries(floats)) heap.setF32(at + offset, options[name as keyof typeof floats]);
    return at;
  }

  #postTokens(task: number, out: number, margins: boolean, job: Job): void {
    const { heap } = this;
    const tokens: GeneratedToken[] = [];
    while (this.#exports.web_generate_next(task, out, out + 4))
      tokens.push({ id: heap.u32(out), text: heap.text(heap.u32(out + 4)) });
    if (tokens.length === 0) return;
    if (margins && this.#exports.web_generate_top_two(task, out))
      tokens[tokens.length - 1]!.margin = heap.f32(out) - heap.f32(out + 4);
    job.post({ tokens });
  }

  #postProfile(task: number, job: Job): void {
    const { heap } = this;
    const exports = this.#exports;
    const profile = heap.scoped((scope): Profile => {
      const at = scope.alloc(Math.max(layout.node.size, layout.gpuInfo.size));
      const nodes = Array.from({ length: exports.web_node_count(task) }, (_, i) => {
        exports.web_node(task, i, at);
        return {
          name: heap.text(heap.u32(at + layout.node.name)),
          type: heap.text(heap.u32(at + layout.node.type)),
          ms: heap.u64(at + layout.node.nanoseconds) / 1e6,
          bytes: heap.u64(at + layout.node.bytes),
          dispatches: heap.u32(at + layout.node.dispatches),
        };
      });
      exports.web_context_gpu(this.#context, at);
      return { nodes, gpuBandwidth: heap.u64(at + layout.gpuInfo.bandwidth) || undefined };
    });
    job.post({ profile });
  }

  #stats(task: number, scope: Scope): GenerateStats {
    const { heap } = this;
    const at = scope.alloc(layout.stats.size);
    this.#exports.web_generate_stats(task, at);
    const count = (name: "promptTokens" | "cachedTokens" | "prefillTokens" | "shifts" | "droppedTokens" | "draftTokens" | "acceptedTokens") =>
      heap.u32(at + layout.stats[name]);
    const prefillTokens = count("prefillTokens");
    const tokens = heap.u32(at + layout.stats.tokens);
    const prefillMs = heap.u64(at + layout.stats.prefillUs) / 1000;
    const decodeMs = heap.u64(at + layout.stats.decodeUs) / 1000;
    const finish = heap.u32(at + layout.stats.finish);
    return {
      finishReason: finish === layout.finish.length ? "length" : finish === layout.finish.schema ? "schema" : "stop",
      promptTokens: count("promptTokens"),
      cachedTokens: count("cachedTokens"),
      prefillTokens,
      tokens,
      shifts: count("shifts"),
      droppedTokens: count("droppedTokens"),
      draftTokens: count("draftTokens"),
      acceptedTokens: count("acceptedTokens"),
      prefillMs,
      decodeMs,
      prefillTokensPerSecond: prefillMs > 0 ? (1000 * prefillTokens) / prefillMs : 0,
      decodeTokensPerSecond: decodeMs > 0 ? (1000 * (tokens - 1)) / decodeMs : 0,
    };
  }
}

