/* layout.ts — brink.h's structs and numbers as they lie in the 32-bit wasm heap. The asserts in
   web/native hold the C side to the same offsets. */
import type { TensorType } from "./types.js";

export const status = {
  ok: 0,
  pending: 1,
  invalidArgument: 2,
  badInput: 3,
  unsupported: 4,
  outOfMemory: 5,
  deviceFailed: 6,
  cancelled: 7,
} as const;

export const loadFlags = { graphOnly: 1, exact: 2, gpu: 4 } as const;

export const generateFlags = { ignoreEnd: 1, keepLogits: 2, profile: 4, whole: 8, shift: 16 } as const;

export const want = { size: 16, file: 0, optional: 4, inParts: 5, leastBytes: 8 } as const;
export const memory = { size: 16, live: 0, peak: 8 } as const;
export const gpuInfo = { size: 16, name: 0, software: 4, f16: 5, subgroups: 6, timestamps: 7, bandwidth: 8 } as const;
export const facts = {
  size: 32,
  parameters: 0,
  weightsBytes: 8,
  languageModel: 16,
  embedder: 17,
  vocabulary: 20,
  context: 24,
} as const;
export const valueInfo = { size: 112, name: 0, type: 4, rank: 8, shape: 16, dimNames: 80 } as const;
export const tensor = { size: 96, name: 0, type: 4, rank: 8, shape: 16, data: 80, bytes: 88 } as const;
export const node = { size: 32, name: 0, type: 4, nanoseconds: 8, bytes: 16, dispatches: 24 } as const;
export const sampling = {
  size: 48,
  bias: 0,
  biasCount: 4,
  repetitionPenalty: 8,
  frequencyPenalty: 12,
  presencePenalty: 16,
  temperature: 20,
  topK: 24,
  topP: 28,
  minP: 32,
  seed: 40,
} as const;
export const stats = {
  size: 56,
  finish: 0,
  promptTokens: 4,
  cachedTokens: 8,
  prefillTokens: 12,
  tokens: 16,
  shifts: 20,
  droppedTokens: 24,
  draftTokens: 28,
  acceptedTokens: 32,
  prefillUs: 40,
  decodeUs: 48,
} as const;
export const embed = {
  size: 48,
  texts: 0,
  bytes: 4,
  count: 8,
  prefix: 12,
  prompt: 16,
  dimensions: 20,
  maxTokens: 24,
  pooling: 28,
  normalize: 32,
  precision: 36,
} as const;
export const pooling = { model: 0, mean: 1, cls: 2, last: 3 } as const;
export const normalize = { model: 0, on: 1, off: 2 } as const;
export const precision = { float32: 0, int8: 1, ubinary: 2 } as const;
export const embedStats = { size: 32, dimensions: 0, texts: 4, truncated: 8, tokens: 16 } as const;
export const finish = { none: 0, stop: 1, length: 2, schema: 3 } as const;
export const maxRank = 8;

/** By ONNX's number: name and bits of an element. */
export const elementTypes = new Map<number, { name: TensorType; bits: number }>([
  [1, { name: "float32", bits: 32 }],
  [2, { name: "uint8", bits: 8 }],
  [3, { name: "int8", bits: 8 }],
  [4, { name: "uint16", bits: 16 }],
  [5, { name: "int16", bits: 16 }],
  [6, { name: "int32", bits: 32 }],
  [7, { name: "int64", bits: 64 }],
  [9, { name: "bool", bits: 8 }],
  [10, { name: "float16", bits: 16 }],
  [11, { name: "float64", bits: 64 }],
  [12, { name: "uint32", bits: 32 }],
  [13, { name: "uint64", bits: 64 }],
  [16, { name: "bfloat16", bits: 16 }],
  [21, { name: "uint4", bits: 4 }],
  [22, { name: "int4", bits: 4 }],
]);
