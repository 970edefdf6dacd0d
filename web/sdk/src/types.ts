/* types.ts — the public types: tensors, what a model is, options and results. */
import type { Adapter } from "./index.js";

/** numpy's names for ONNX's element types. Elements of 4 bits are two a byte, the first low. */
export type TensorType =
  | "float32"
  | "uint8"
  | "int8"
  | "uint16"
  | "int16"
  | "int32"
  | "int64"
  | "bool"
  | "float16"
  | "float64"
  | "uint32"
  | "uint64"
  | "bfloat16"
  | "uint4"
  | "int4";

/** float16 and bfloat16 are the bits of each element; bool is a byte, 0 or 1. */
export type TensorData =
  | Float32Array
  | Float64Array
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | BigInt64Array
  | BigUint64Array;

/** A dense row-major array. */
export interface Tensor {
  /** Left out: the type that the array's class names (Float32Array: float32). */
  type?: TensorType;
  shape: readonly number[];
  data: TensorData;
}

/** A tensor that came out of the engine: its type is always said. */
export interface NamedTensor extends Tensor {
  name: string;
  type: TensorType;
  shape: number[];
}

/** An input or output as the graph declares it. */
export interface ValueInfo {
  name: string;
  type: TensorType | "undefined" | "string";
  /** A number, a symbolic dimension's name, or "" for an unnamed one; undefined: the graph does not say. */
  shape: (number | string)[] | undefined;
}

export interface ModelFacts {
  /** Elements of all weights, and their bytes as stored. */
  parameters: number;
  weightsBytes: number;
  /** Has token input, logits and a key-value cache, so generate() works. */
  languageModel: boolean;
  /** Has token input and gives vectors, so embed() works. */
  embedder: boolean;
  vocabulary: number;
  /** Most tokens that the configuration allows; 0: it does not say. */
  context: number;
}

export type Variant = "plain" | "relaxed" | "threads" | "relaxed-threads";

export interface EngineOptions {
  /** Threads that compute; by default the cores that the browser reports, at most 8. One without
      cross-origin isolation. */
  threads?: number;
  /** Most bytes that the engine may hold at once; by default what the browser grants. */
  memoryBudget?: number;
  /** Folder of the .wasm files; by default where this module lies. */
  wasmBase?: string | URL;
  /** Which build of the engine; by default the fastest that this page may run. */
  variant?: Variant;
  /** Where models run. "auto", the default: on the GPU if the browser has one that is no CPU in
      disguise, else in wasm. "webgpu": on any adapter, and create() fails where there is none. */
  backend?: "auto" | Backend;
  /** Longest that one batch of work should keep the GPU, in milliseconds (100). Fewer let the page and other
      models in sooner, beside a long prompt too. */
  submitMs?: number;
  signal?: AbortSignal;
}

export type Backend = "wasm" | "webgpu";

export interface GpuInfo {
  /** The adapter's, "" where the browser hides it. */
  name: string;
  /** It is a CPU. */
  software: boolean;
  /** Features in use. */
  f16: boolean;
  subgroups: boolean;
  timestamps: boolean;
}

/** What the engine runs on, for showing to people. */
export interface EngineInfo {
  version: string;
  /** Where models run; what the GPU has no kernel for runs in wasm also with "webgpu". */
  backend: Backend;
  /** Undefined with the backend "wasm". */
  gpu: GpuInfo | undefined;
  variant: Variant;
  threads: number;
  /** Most bytes that the browser lets the engine grow to; undefined: no maximum was agreed. */
  maximumBytes: number | undefined;
}

export type FileSource = string | URL | Blob | ArrayBuffer | ArrayBufferView;

/** A folder's address (or that of one .onnx file), or the files by their names in the folder. */
export type ModelSource = string | URL | Readonly<Record<string, FileSource>>;

export interface LoadProgress {
  /** Never falls. */
  loadedBytes: number;
  /** Of the files known so far; grows as the engine asks for more. */
  totalBytes: number;
  /** The file being fetched, or "" while the engine prepares what it has. */
  file: string;
}

export interface LoadOptions {
  /** The graph's name in the folder: "model.onnx" unless the source names another. */
  graph?: string;
  /** Do not look for a configuration and a tokenizer. */
  graphOnly?: boolean;
  /** f32 activations in quantised products, whatever a node says. */
  exact?: boolean;
  onProgress?: (progress: LoadProgress) => void;
  signal?: AbortSignal;
}

export interface TokenizeOptions {
  /** With what the tokenizer adds around a text; true if not given. */
  special?: boolean;
}

export interface TokenOffsets {
  ids: Uint32Array;
  /** For each token where it begins in the text and where it ends, for text.slice(): two numbers a token,
      one behind the other. What the tokenizer adds is at 0, 0. */
  offsets: Uint32Array;
}

export interface Message {
  role: "system" | "user" | "assistant" | (string & {});
  content: string;
}

/** What one node of the graph took. */
export interface NodeTime {
  /** The node's, as in the file, and its operator. */
  name: string;
  type: string;
  /** In wasm or, where it ran there, on the GPU; 0 where it is computed together with another node, or the
      browser gives no timestamps. */
  ms: number;
  /** Read and written. */
  bytes: number;
  /** On the GPU; 0: it ran in wasm, or with another node. */
  dispatches: number;
}

export interface Profile {
  /** In the order they ran; of a generation, the mean of its decoding steps. */
  nodes: NodeTime[];
  /** Bytes a second that a copy in the GPU's memory reached, to compare with; undefined: not known. */
  gpuBandwidth: number | undefined;
}

export interface RunOptions {
  /** Measures each node, which slows the run. */
  onProfile?: (profile: Profile) => void;
  signal?: AbortSignal;
}

/** How the next token is chosen, in this order. Left out: the highest logit. */
export interface SamplingOptions {
  /** Added to the logits of tokens, by id; -Infinity: never. */
  logitBias?: Readonly<Record<number, number>>;
  /** Divides the logits of tokens that the context holds, the reply included, or multiplies negative ones; 1: none. */
  repetitionPenalty?: number;
  /** Taken off a logit for each time that the reply holds the token, and once if it does. */
  frequencyPenalty?: number;
  presencePenalty?: number;
  /** Divides the logits; 0, the default: greedy, and nothing below applies. */
  temperature?: number;
  /** Among the so many likeliest; 0: all. */
  topK?: number;
  /** Among the fewest likeliest of these that make up so much; 1: all. */
  topP?: number;
  /** Among those at least so probable, beside the likeliest; 0: all. */
  minP?: number;
  /** Same seed, same logits: same tokens. Left out: another one each time. */
  seed?: number;
}

export interface GenerateOptions extends SamplingOptions {
  /** One of the three: a text to go on from, a conversation, or token ids. */
  prompt?: string;
  messages?: readonly Message[];
  tokens?: readonly number[] | Uint32Array;
  /** In a session: what is given is the whole text, of which the session computes what it does not hold, rather
      than what comes next. By default so for messages alone. */
  whole?: boolean;
  /** 256 if not given. */
  maxTokens?: number;
  /** Where the context is full, drop tokens from the middle of the text, rather than end or fail; never the first
      `keep`. The stats say how many. */
  shift?: boolean;
  keep?: number;
  /** Guess up to so many tokens (7 at most) from what the text repeats, and verify them in one step: faster where
      it copies or edits, and the reply stays the same. 0, the default: none. On the GPU none are made. */
  draftTokens?: number;
  /** A JSON Schema (draft 2020-12) that the reply satisfies, also where maxTokens run out: it is then completed
      by the shortest text that does. docs/structured-output.md has what is supported. */
  schema?: object | boolean | string;
  /** Rules that derive the reply, in place of a schema. */
  grammar?: string;
  /** A LoRA adapter, as Model.loadAdapter() gives it. With another than before, what a session holds is computed anew. */
  adapter?: Adapter;
  /** Texts that end the reply and are not part of it. */
  stop?: string | readonly string[];
  signal?: AbortSignal;
  /** Go on past end-of-text tokens: for measuring. */
  ignoreEnd?: boolean;
  /** Measures each node of a decoding step, which slows the generation. Called once, at its end. */
  onProfile?: (profile: Profile) => void;
  /** Report by how much each token's logit led the next: for measuring; slower. */
  margins?: boolean;
}

export interface GeneratedToken {
  id: number;
  /** Whole characters only: may be "" while one is incomplete. */
  text: string;
  /** With `margins`: the highest logit less the second. */
  margin?: number;
}

export interface GenerateStats {
  /** "schema": the text is complete by its schema or grammar. */
  finishReason: "stop" | "length" | "schema";
  promptTokens: number;
  /** Of those, with `whole`: what the session held already. */
  cachedTokens: number;
  /** Computed before the first token of the reply. */
  prefillTokens: number;
  tokens: number;
  /** How often the context was full, and how many tokens were dropped for it. */
  shifts: number;
  droppedTokens: number;
  /** Guessed, and right. */
  draftTokens: number;
  acceptedTokens: number;
  /** From the call to the first token, and from there to the last. */
  prefillMs: number;
  decodeMs: number;
  prefillTokensPerSecond: number;
  decodeTokensPerSecond: number;
}

/** How the vectors of a text's tokens become one: their mean, the first token's, the last token's. */
export type Pooling = "mean" | "cls" | "last";

/** int8 is 127 times the number, rounded; ubinary a bit for each that is above 0, eight a byte, the first
    the highest. */
export type EmbedPrecision = "float32" | "int8" | "ubinary";

export interface EmbedOptions<P extends EmbedPrecision = EmbedPrecision> {
  /** Put before each text, as "query: "; "" for none. By default the model's default prompt, if it has one. */
  prefix?: string;
  /** The name of one of the model's own prompts, instead of a prefix. */
  prompt?: string;
  /** Keep only the first so many numbers, for models trained to allow it (Matryoshka). */
  dimensions?: number;
  /** Of a text, special ones included; what is beyond is cut off. No more than the model's own maximum. */
  maxTokens?: number;
  /** By default as the model's files say, and mean where they are silent. */
  pooling?: Pooling;
  /** Scale each vector to length 1. By default as the model's files say, and true where they are silent. */
  normalize?: boolean;
  /** "float32" if not given. */
  precision?: P;
  /** How many of the texts are done. */
  onProgress?: (done: number, total: number) => void;
  signal?: AbortSignal;
}

/** Vectors in the order of the texts; all are views of one buffer. */
export interface Embeddings<V = Float32Array> {
  /** Numbers of a vector; with "ubinary" its bits. */
  dimensions: number;
  vectors: V[];
  /** Of all texts, after truncation. */
  tokens: number;
  /** Texts of which tokens were cut off. */
  truncated: number;
}

export interface VectorTypes {
  float32: Float32Array;
  int8: Int8Array;
  ubinary: Uint8Array;
}

export interface MemoryUse {
  /** Bytes that the engine holds now, and the most it ever held. */
  live: number;
  peak: number;
  /** The wasm heap as the browser has granted it so far; it never shrinks. */
  heap: number;
}
