/* heap.ts — reading and writing the wasm heap.

   Invariant: no view outlives a call into the module, since the heap may grow there and old views
   then end early (or detach). Views are therefore made anew whenever the buffer has changed. */
import { makeError } from "../errors.js";

/** The allocator that the module exports. */
export interface HeapExports {
  malloc(size: number): number;
  free(pointer: number): void;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const encodeText = (text: string): Uint8Array => encoder.encode(text);

export class Heap {
  #memory: WebAssembly.Memory;
  #exports: HeapExports;
  #bytes = new Uint8Array(0);
  #view = new DataView(new ArrayBuffer(0));

  constructor(memory: WebAssembly.Memory, exports: HeapExports) {
    this.#memory = memory;
    this.#exports = exports;
  }

  #refresh(): void {
    const { buffer } = this.#memory;
    if (this.#bytes.buffer === buffer && this.#bytes.byteLength === buffer.byteLength) return;
    this.#bytes = new Uint8Array(buffer);
    this.#view = new DataView(buffer);
  }
  get bytes(): Uint8Array {
    this.#refresh();
    return this.#bytes;
  }
  get view(): DataView {
    this.#refresh();
    return this.#view;
  }
  get size(): number {
    return this.#memory.buffer.byteLength;
  }

  u8(at: number): number {
    return this.view.getUint8(at);
  }
  u32(at: number): number {
    return this.view.getUint32(at, true);
  }
  i32(at: number): number {
    return this.view.getInt32(at, true);
  }
  f32(at: number): number {
    return this.view.getFloat32(at, true);
  }
  u64(at: number): number {
    return Number(this.view.getBigUint64(at, true));
  }
  i64(at: number): number {
    return Number(this.view.getBigInt64(at, true));
  }
  setU32(at: number, value: number): void {
    this.view.setUint32(at, value, true);
  }
  setF32(at: number, value: number): void {
    this.view.setFloat32(at, value, true);
  }
  setI64(at: number, value: number): void {
    this.view.setBigInt64(at, BigInt(value), true);
  }

  /** The NUL-terminated UTF-8 text at a pointer; "" for NULL. */
  text(at: number): string {
    if (at === 0) return "";
    const { bytes } = this;
    const end = bytes.indexOf(0, at);
    return this.decode(at, end < 0 ? bytes.length : end);
  }
  decode(begin: number, end: number): string {
    return decoder.decode(this.bytes.slice(begin, end)); // a copy: decode() refuses shared memory
  }

  /** A copy of `count` 32-bit words. */
  words(at: number, count: number): Uint32Array<ArrayBuffer> {
    return new Uint32Array(this.bytes.slice(at, at + 4 * count).buffer as ArrayBuffer);
  }

  /** Runs `work` with an allocator whose blocks are freed when it ends. */
  scoped<T>(work: (scope: Scope) => T): T {
    const scope = new Scope(this, this.#exports);
    try {
      return work(scope);
    } finally {
      scope.free();
    }
  }
  scope(): Scope {
    return new Scope(this, this.#exports);
  }
}

/** Blocks of the heap that are freed together. */
export class Scope {
  #heap: Heap;
  #exports: HeapExports;
  #blocks: number[] = [];

  constructor(heap: Heap, exports: HeapExports) {
    this.#heap = heap;
    this.#exports = exports;
  }
  /** Bytes, aligned to 16, that hold anything. */
  room(size: number): number {
    const pointer = this.#exports.malloc(Math.max(size, 1)) >>> 0;
    if (pointer === 0) throw makeError("out-of-memory", `the engine has no room for another ${size} bytes`);
    this.#blocks.push(pointer);
    return pointer;
  }
  /** Zeroed bytes, aligned to 16. */
  alloc(size: number): number {
    const pointer = this.room(size);
    this.#heap.bytes.fill(0, pointer, pointer + size);
    return pointer;
  }
  put(data: Uint8Array): number {
    const pointer = this.alloc(data.length);
    this.#heap.bytes.set(data, pointer);
    return pointer;
  }
  words(values: ArrayLike<number>): number {
    const words = Uint32Array.from(values);
    return this.put(new Uint8Array(words.buffer));
  }
  /** A NUL-terminated text and its length without the NUL. */
  text(text: string): { pointer: number; length: number } {
    const bytes = encodeText(text);
    const pointer = this.alloc(bytes.length + 1);
    this.#heap.bytes.set(bytes, pointer);
    return { pointer, length: bytes.length };
  }
  free(): void {
    for (const pointer of this.#blocks) this.#exports.free(pointer);
    this.#blocks = [];
  }
}
