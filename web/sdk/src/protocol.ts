/* protocol.ts — what page and worker say to each other.

   The page numbers its calls; the worker answers each exactly once, with any number of events
   before. A worker that is first told to be a helper thread computes and is asked nothing. */
import type { WireError } from "./errors.js";
import type { RawTensor } from "./tensor.js";
import type {
  Backend,
  EmbedPrecision,
  EngineInfo,
  GeneratedToken,
  GenerateStats,
  LoadProgress,
  MemoryUse,
  Message,
  ModelFacts,
  Pooling,
  Profile,
  SamplingOptions,
  ValueInfo,
  Variant,
} from "./types.js";

/** A file that the worker opens itself, or one whose bytes it pulls from the page. */
export type WireFile = { url: string } | { blob: Blob } | { bytes: number };
export type WireSource =
  | { kind: "folder"; base: string; search: string }
  | { kind: "files"; files: Record<string, WireFile> };

export interface HelperStart {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  index: number;
  /** Top of the helper's own stack, and its thread-local block; both in the shared heap. */
  stackTop: number;
  tls: number;
}

export interface Started {
  info: EngineInfo;
  /** One for each helper thread that the page is to start. */
  helpers: HelperStart[];
}

export interface StartOptions {
  threads: number;
  /** Bytes; 0: no limit. */
  memoryBudget: number;
  wasmBase: string;
  variant: Variant | undefined;
  backend: "auto" | Backend;
  /** 0: the engine's own choice. */
  submitMs: number;
}

export interface WireModel {
  model: number;
  inputs: ValueInfo[];
  outputs: ValueInfo[];
  facts: ModelFacts;
}

export type WireSampling = Required<Omit<SamplingOptions, "logitBias">> & { logitBias: [number, number][] };

export interface WireGenerate {
  model: number;
  /** 0: a session for this call alone. */
  session: number;
  prompt?: string;
  messages?: Message[];
  tokens?: Uint32Array;
  maxTokens: number;
  whole: boolean;
  shift: boolean;
  keep: number;
  draftTokens: number;
  stop: string[];
  sampling: WireSampling;
  /** The text of a schema or of rules; undefined: neither. */
  grammar: { isSchema: boolean; text: string } | undefined;
  /** 0: none. */
  adapter: number;
  ignoreEnd: boolean;
  margins: boolean;
  profile: boolean;
}

export interface WireEmbed {
  model: number;
  texts: string[];
  prefix: string | undefined;
  prompt: string | undefined;
  /** 0: all. */
  dimensions: number;
  /** 0: the model's. */
  maxTokens: number;
  pooling: Pooling | undefined;
  normalize: boolean | undefined;
  precision: EmbedPrecision;
}

/** Vectors one behind the other, of `texts` equal parts. */
export interface WireVectors {
  bytes: Uint8Array<ArrayBuffer>;
  dimensions: number;
  tokens: number;
  truncated: number;
}

/** Tokens of all texts, one text's behind the other's. */
export interface WireTokens {
  /** Of each text. */
  counts: Uint32Array<ArrayBuffer>;
  ids: Uint32Array<ArrayBuffer>;
  /** Where each token begins and ends, in UTF-16 units; empty where not asked for. */
  offsets: Uint32Array<ArrayBuffer>;
}

/** Operations by name: arguments and result. */
export interface Operations {
  start: [StartOptions, Started];
  memory: [null, MemoryUse];
  load: [{ source: WireSource; graph: string | undefined; graphOnly: boolean; exact: boolean }, WireModel];
  disposeModel: [{ model: number }, null];
  run: [{ model: number; inputs: RawTensor[]; profile: boolean }, RawTensor[]];
  parseTensor: [{ bytes: Uint8Array<ArrayBuffer> }, RawTensor];
  tokenize: [{ model: number; texts: string[]; special: boolean; offsets: boolean }, WireTokens];
  detokenize: [{ model: number; ids: Uint32Array; special: boolean }, string];
  formatChat: [{ model: number; messages: Message[] }, string];
  embed: [WireEmbed, WireVectors];
  createSession: [{ model: number; context: number }, { session: number }];
  sessionLength: [{ session: number }, number];
  truncateSession: [{ session: number; length: number }, null];
  heldTokens: [{ session: number; tokens: Uint32Array }, number];
  forkSession: [{ session: number }, { session: number }];
  saveSession: [{ session: number }, Uint8Array<ArrayBuffer>];
  loadSession: [{ model: number; context: number; bytes: Uint8Array }, { session: number }];
  disposeSession: [{ session: number }, null];
  loadAdapter: [{ model: number; name: string; config: Uint8Array; weights: Uint8Array; modules: Uint8Array | undefined }, { adapter: number }];
  disposeAdapter: [{ adapter: number }, null];
  generate: [WireGenerate, GenerateStats];
}
export type Operation = keyof Operations;

export type ToWorker =
  | ({ type: "helper" } & HelperStart)
  | { type: "call"; id: number; op: Operation; args: unknown }
  | { type: "abort"; id: number }
  | { type: "chunk"; pull: number; bytes: Uint8Array<ArrayBuffer> };

export type CallEvent =
  | { progress: LoadProgress }
  | { tokens: GeneratedToken[] }
  | { profile: Profile }
  | { embedded: number }
  | { pull: number; file: string; offset: number; length: number };

export type FromWorker =
  | { type: "result"; id: number; value: unknown }
  | { type: "failure"; id: number; error: WireError }
  | { type: "event"; id: number; event: CallEvent }
  | { type: "log"; line: string }
  | { type: "died"; message: string };
