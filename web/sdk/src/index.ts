/* @brink/web — small neural networks in the browser: the engine in a worker, behind this API.

     const engine = await Brink.create();
     const model = await engine.load("./models/smollm2/", { onProgress });
     for await (const { text } of model.generate({ prompt: "Once" })) show(text);
     engine.dispose();

   What may take long takes an AbortSignal and then rejects with the signal's reason. Everything
   else that fails rejects with a BrinkError. */
import { Connection } from "./connection.js";
import { InvalidArgumentError, makeError } from "./errors.js";
import { Generation } from "./generation.js";
import type { WireGenerate, WireModel, WireSampling } from "./protocol.js";
import { readFile, resolveSource } from "./source.js";
import { packTensor, unpackTensor } from "./tensor.js";
import type {
  Embeddings,
  EmbedOptions,
  EmbedPrecision,
  EngineInfo,
  EngineOptions,
  GenerateOptions,
  LoadOptions,
  MemoryUse,
  Message,
  ModelFacts,
  ModelSource,
  NamedTensor,
  RunOptions,
  SamplingOptions,
  Tensor,
  TokenizeOptions,
  TokenOffsets,
  ValueInfo,
  VectorTypes,
} from "./types.js";

export * from "./errors.js";
export { Generation } from "./generation.js";
export type * from "./types.js";

function defaultThreads(): number {
  return Math.max(1, Math.min(8, globalThis.navigator?.hardwareConcurrency ?? 1));
}

function wholeNumber(name: string, value: number | undefined, least: number, fallback: number): number {
  if (value === undefined) return fallback;
  if (!Number.isSafeInteger(value) || value < least)
    throw new InvalidArgumentError(`${name} must be a whole number from ${least}, not ${value}`);
  return value;
}

/** The engine: one worker with its helper threads. */
export class Brink {
  readonly info: EngineInfo;
  #connection: Connection;

  private constructor(connection: Connection, info: EngineInfo) {
    this.#connection = connection;
    this.info = info;
  }

  static async create(options: EngineOptions = {}): Promise<Brink> {
    const { signal } = options;
    const least = options.variant?.endsWith("threads") ? 2 : 1;
    const threads = wholeNumber("threads", options.threads, 1, Math.max(least, defaultThreads()));
    const memoryBudget = wholeNumber("memoryBudget", options.memoryBudget, 0, 0);
    const base = typeof document === "undefined" ? import.meta.url : document.baseURI;
    const wasmBase = new URL(options.wasmBase ?? new URL("./", import.meta.url), base).href;
    signal?.throwIfAborted();
    const shared = threads > 1 && globalThis.crossOriginIsolated && (options.variant?.endsWith("threads") ?? true);
    const connection = new Connection(shared ? threads - 1 : 0, (line) => console.debug(`brink: ${line}`));
    const abandon = () => connection.dispose();
    signal?.addEventListener("abort", abandon, { once: true });
    try {
      const { info, helpers } = await connection.call("start", {
        threads,
        memoryBudget,
        wasmBase: wasmBase.endsWith("/") ? wasmBase : `${wasmBase}/`,
        variant: options.variant,
        backend: options.backend ?? "auto",
        submitMs: wholeNumber("submitMs", options.submitMs, 1, 0),
      });
      connection.startHelpers(helpers);
      return new Brink(connection, info);
    } catch (error) {
      connection.dispose();
      throw signal?.aborted ? signal.reason : error;
    } finally {
      signal?.removeEventListener("abort", abandon);
    }
  }

  /** Loads a model from a folder's address or from files, straight into the engine's memory. */
  async load(source: ModelSource, options: LoadOptions = {}): Promise<Model> {
    const connection = this.#connection;
    const { wire, graph, read } = resolveSource(source, options.graph);
    const loaded = await connection.call(
      "load",
      { source: wire, graph, graphOnly: options.graphOnly ?? false, exact: options.exact ?? false },
      {
        signal: options.signal,
        onEvent: (event) => {
          if ("progress" in event) options.onProgress?.(event.progress);
          else if ("pull" in event) connection.sendChunk(event.pull, read(event.file, event.offset, event.length));
        },
      },
    );
    return new Model(connection, loaded, source);
  }

  memory(): Promise<MemoryUse> {
    return this.#connection.call("memory", null);
  }

  /** Reads a serialized ONNX TensorProto, as test data sets hold them. */
  async readTensor(bytes: ArrayBuffer | Uint8Array): Promise<NamedTensor> {
    const copy = new Uint8Array(bytes instanceof ArrayBuffer ? bytes.slice(0) : bytes);
    return unpackTensor(await this.#connection.call("parseTensor", { bytes: copy }, { transfer: [copy.buffer] }));
  }

  /** Ends the workers and frees all their memory at once. Calls that are pending fail. */
  dispose(): void {
    this.#connection.dispose();
  }
}

/** A loaded model. */
export class Model {
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly facts: Readonly<ModelFacts>;
  #connection: Connection;
  #model: number;
  #source: ModelSource;

  /** @internal */
  constructor(connection: Connection, { model, inputs, outputs, facts }: WireModel, source: ModelSource) {
    this.#source = source;
    this.#connection = connection;
    this.#model = model;
    this.inputs = inputs;
    this.outputs = outputs;
    this.facts = facts;
  }

  /** Computes every output of the graph from inputs by name. */
  async run(inputs: Readonly<Record<string, Tensor>>, options: RunOptions = {}): Promise<Record<string, NamedTensor>> {
    const raw = Object.entries(inputs).map(([name, tensor]) => packTensor(name, tensor));
    const outputs = await this.#connection.call(
      "run",
      { model: this.#model, inputs: raw, profile: options.onProfile !== undefined },
      {
        signal: options.signal,
        transfer: raw.map((tensor) => tensor.bytes.buffer),
        onEvent: (event) => "profile" in event && options.onProfile?.(event.profile),
      },
    );
    return Object.fromEntries(outputs.map((output) => [output.name, unpackTensor(output)]));
  }

  /** Token ids of a text, or of each of several; with what the tokenizer adds around it unless `special` is
      false. With `offsets` also where each token is in the text. What comes of several are views of one buffer. */
  tokenize(text: string, options?: TokenizeOptions & { offsets?: false }): Promise<Uint32Array>;
  tokenize(texts: readonly string[], options?: TokenizeOptions & { offsets?: false }): Promise<Uint32Array[]>;
  tokenize(text: string, options: TokenizeOptions & { offsets: true }): Promise<TokenOffsets>;
  tokenize(texts: readonly string[], options: TokenizeOptions & { offsets: true }): Promise<TokenOffsets[]>;
  async tokenize(
    texts: string | readonly string[],
    { special = true, offsets = false }: TokenizeOptions & { offsets?: boolean } = {},
  ): Promise<Uint32Array | TokenOffsets | (Uint32Array | TokenOffsets)[]> {
    const found = await this.#connection.call("tokenize", { model: this.#model, texts: listOfTexts(texts), special, offsets });
    let end = 0;
    const list = Array.from(found.counts, (count) => {
      const start = end;
      end += count;
      const ids = found.ids.subarray(start, end);
      return offsets ? { ids, offsets: found.offsets.subarray(2 * start, 2 * end) } : ids;
    });
    return typeof texts === "string" ? list[0]! : list;
  }

  /** The text of tokens, special ones left out unless `special` is true. */
  detokenize(ids: ArrayLike<number>, options: { special?: boolean } = {}): Promise<string> {
    return this.#connection.call("detokenize", { model: this.#model, ids: Uint32Array.from(ids), special: options.special ?? false });
  }

  /** A conversation as the model's chat template spells it, up to the opening of the next reply. */
  formatChat(messages: readonly Message[]): Promise<string> {
    return this.#connection.call("formatChat", { model: this.#model, messages: copyMessages(messages) });
  }

  /** Vectors of texts, as sentence-transformers' encode() gives them: pooled, prefixed, cut and normalised as the
      model's files say where the options do not. Texts of similar length are computed together. */
  async embed<P extends EmbedPrecision = "float32">(texts: string | readonly string[], options: EmbedOptions<P> = {}): Promise<Embeddings<VectorTypes[P]>> {
    const list = listOfTexts(texts);
    const precision: EmbedPrecision = options.precision ?? "float32";
    oneOf("precision", precision, ["float32", "int8", "ubinary"]);
    oneOf("pooling", options.pooling, ["mean", "cls", "last"]);
    const { onProgress } = options;
    const { bytes, ...rest } = await this.#connection.call(
      "embed",
      {
        model: this.#model,
        texts: list,
        prefix: options.prefix,
        prompt: options.prompt,
        dimensions: wholeNumber("dimensions", options.dimensions, 1, 0),
        maxTokens: wholeNumber("maxTokens", options.maxTokens, 1, 0),
        pooling: options.pooling,
        normalize: options.normalize,
        precision,
      },
      { signal: options.signal, onEvent: (event) => "embedded" in event && onProgress?.(event.embedded, list.length) },
    );
    onProgress?.(list.length, list.length);
    return { ...rest, vectors: splitVectors(bytes, list.length, precision) as VectorTypes[P][] };
  }

  /** Reads a LoRA adapter as PEFT saves it (adapter_config.json, adapter_model.safetensors); the model's own folder
      has to have the brink_modules.json that its conversion wrote. Any number may be loaded; generate() names one. */
  async loadAdapter(source: ModelSource, options: { signal?: AbortSignal } = {}): Promise<Adapter> {
    const { signal } = options;
    const need = async (name: string) => {
      const bytes = await readFile(source, name, signal);
      if (!bytes) throw makeError("bad-input", `${name}: no such file in the adapter's source`);
      return bytes;
    };
    const [config, weights, modules] = await Promise.all([
      need("adapter_config.json"),
      need("adapter_model.safetensors"),
      readFile(this.#source, "brink_modules.json", signal),
    ]);
    signal?.throwIfAborted();
    const { adapter } = await this.#connection.call("loadAdapter", { model: this.#model, name: "adapter", config, weights, modules }, { signal });
    return new Adapter(this.#connection, adapter);
  }

  /** Generates from a prompt, a conversation or tokens, in a session of its own. */
  generate(options: GenerateOptions): Generation {
    return startGeneration(this.#connection, this.#model, 0, options);
  }

  /** A conversation that keeps its tokens: what it generates next continues what it holds. */
  async createSession(options: { context?: number } = {}): Promise<Session> {
    const context = wholeNumber("context", options.context, 0, 0);
    const { session } = await this.#connection.call("createSession", { model: this.#model, context });
    return new Session(this.#connection, this.#model, session);
  }

  /** A session as Session.save() gave it, of the same model; on any backend. */
  async loadSession(bytes: Uint8Array, options: { context?: number } = {}): Promise<Session> {
    const context = wholeNumber("context", options.context, 0, 0);
    const { session } = await this.#connection.call("loadSession", { model: this.#model, context, bytes });
    return new Session(this.#connection, this.#model, session);
  }

  /** Frees the model and its sessions; what still uses it fails with a DisposedError. */
  async dispose(): Promise<void> {
    await this.#connection.call("disposeModel", { model: this.#model });
  }
}

/** A LoRA adapter of one model. */
export class Adapter {
  #connection: Connection;
  /** @internal */
  readonly id: number;

  /** @internal */
  constructor(connection: Connection, id: number) {
    this.#connection = connection;
    this.id = id;
  }

  /** Frees it; not while a generation uses it. */
  async dispose(): Promise<void> {
    await this.#connection.call("disposeAdapter", { adapter: this.id });
  }
}

/** The tokens of one conversation, with what the model remembers of them. */
export class Session {
  #connection: Connection;
  #model: number;
  #session: number;

  /** @internal */
  constructor(connection: Connection, model: number, session: number) {
    this.#connection = connection;
    this.#model = model;
    this.#session = session;
  }

  /** Appends the prompt to what the session holds and generates; one generation at a time. Messages are the whole
      conversation: what the session holds of its beginning is not computed again. */
  generate(options: GenerateOptions): Generation {
    return startGeneration(this.#connection, this.#model, this.#session, options);
  }
  /** Tokens that it holds. */
  length(): Promise<number> {
    return this.#connection.call("sessionLength", { session: this.#session });
  }
  /** How many of these tokens, from the first on, it holds: what generate() with `whole` need not compute. */
  held(tokens: ArrayLike<number>): Promise<number> {
    return this.#connection.call("heldTokens", { session: this.#session, tokens: Uint32Array.from(tokens) });
  }
  /** What it holds as bytes, for Model.loadSession(): a file, or an entry of a database. */
  save(options: { signal?: AbortSignal } = {}): Promise<Uint8Array> {
    return this.#connection.call("saveSession", { session: this.#session }, { signal: options.signal });
  }
  /** Another session that holds the same, and goes on by itself. */
  async fork(): Promise<Session> {
    const { session } = await this.#connection.call("forkSession", { session: this.#session });
    return new Session(this.#connection, this.#model, session);
  }
  /** Forgets the tokens from `length` on. */
  async truncate(length: number): Promise<void> {
    await this.#connection.call("truncateSession", { session: this.#session, length: wholeNumber("length", length, 0, 0) });
  }
  async dispose(): Promise<void> {
    await this.#connection.call("disposeSession", { session: this.#session });
  }
}

function listOfTexts(texts: string | readonly string[]): string[] {
  const list = typeof texts === "string" ? [texts] : [...texts];
  const wrong = list.findIndex((text) => typeof text !== "string");
  if (wrong >= 0) throw new InvalidArgumentError(`text ${wrong} is not a string`);
  return list;
}

function oneOf(name: string, value: string | undefined, values: string[]): void {
  if (value !== undefined && !values.includes(value))
    throw new InvalidArgumentError(`${name} must be one of ${values.join(", ")}, not ${value}`);
}

function splitVectors({ buffer, length }: Uint8Array<ArrayBuffer>, count: number, precision: EmbedPrecision): VectorTypes[EmbedPrecision][] {
  const size = count === 0 ? 0 : length / count;
  const view = { float32: Float32Array, int8: Int8Array, ubinary: Uint8Array }[precision];
  return Array.from({ length: count }, (_, i) => new view(buffer, i * size, size / view.BYTES_PER_ELEMENT));
}

function copyMessages(messages: readonly Message[]): Message[] {
  return messages.map(({ role, content }) => ({ role: String(role), content: String(content) }));
}

function number(name: string, value: number | undefined, least: number, most: number, fallback: number): number {
  if (value === undefined) return fallback;
  if (!(value >= least && value <= most)) throw new InvalidArgumentError(`${name} must be a number from ${least} to ${most}, not ${value}`);
  return value;
}

function sampling(options: SamplingOptions): WireSampling {
  const most = 1e30;
  return {
    logitBias: Object.entries(options.logitBias ?? {}).map(([id, bias]) => [
      wholeNumber("a token of logitBias", Number(id), 0, 0),
      number("logitBias", bias, -Infinity, most, 0),
    ]),
    repetitionPenalty: number("repetitionPenalty", options.repetitionPenalty, 0, most, 1),
    frequencyPenalty: number("frequencyPenalty", options.frequencyPenalty, -most, most, 0),
    presencePenalty: number("presencePenalty", options.presencePenalty, -most, most, 0),
    temperature: number("temperature", options.temperature, 0, most, 0),
    topK: wholeNumber("topK", options.topK, 0, 0),
    topP: number("topP", options.topP, 0, 1, 1),
    minP: number("minP", options.minP, 0, 1, 0),
    seed: wholeNumber("seed", options.seed, 0, Math.floor(Math.random() * 2 ** 53)),
  };
}

function grammar({ schema, grammar: rules }: GenerateOptions): WireGenerate["grammar"] {
  if (schema !== undefined && rules !== undefined) throw new InvalidArgumentError("generate() takes one of schema and grammar");
  if (schema !== undefined) return { isSchema: true, text: typeof schema === "string" ? schema : JSON.stringify(schema) };
  return rules === undefined ? undefined : { isSchema: false, text: rules };
}

function startGeneration(connection: Connection, model: number, session: number, options: GenerateOptions): Generation {
  const { prompt, messages, tokens, stop } = options;
  if ([prompt, messages, tokens].filter((given) => given !== undefined).length !== 1)
    throw new InvalidArgumentError("generate() takes exactly one of prompt, messages and tokens");
  return new Generation(
    connection,
    {
      model,
      session,
      ...(prompt === undefined ? {} : { prompt }),
      ...(messages === undefined ? {} : { messages: copyMessages(messages) }),
      ...(tokens === undefined ? {} : { tokens: Uint32Array.from(tokens) }),
      maxTokens: wholeNumber("maxTokens", options.maxTokens, 1, 256),
      whole: options.whole ?? messages !== undefined,
      shift: options.shift ?? false,
      keep: wholeNumber("keep", options.keep, 0, 0),
      draftTokens: wholeNumber("draftTokens", options.draftTokens, 0, 0),
      stop: stop === undefined ? [] : typeof stop === "string" ? [stop] : [...stop],
      sampling: sampling(options),
      grammar: grammar(options),
      adapter: options.adapter?.id ?? 0,
      ignoreEnd: options.ignoreEnd ?? false,
      margins: options.margins ?? false,
      profile: options.onProfile !== undefined,
    },
    options,
  );
}
