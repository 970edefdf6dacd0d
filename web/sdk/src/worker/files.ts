/* files.ts — a model's files, each streamed chunk by chunk into the wasm heap: whole, or, where the engine
   passes it on to the GPU, through a buffer of the size of a part.

   Files are fetched side by side from when it is known that the load will ask for them. One that goes in
   parts is asked for then, and read when it is its turn.

   Invariant: of a file at most one chunk lies outside the heap, and each file is fetched once. Only
   where a server does not say how long a file is (and the graph does not either) is a buffer
   outgrown and copied. */
import { makeError } from "../errors.js";
import type { CallEvent, WireSource } from "../protocol.js";
import type { Engine } from "./engine.js";
import type { Job } from "./job.js";

interface Opened {
  /** undefined: not known before the end. */
  size: number | undefined;
  chunks: AsyncIterable<Uint8Array>;
}

interface Chunks {
  /** undefined at the end; a chunk lasts until the next one is asked for. */
  next(): Promise<Uint8Array | undefined>;
  cancel(): Promise<void>;
}

/** Reads into one buffer over and over where the browser can: fresh memory for each chunk costs more
    than to copy it. */
function chunksOf(stream: ReadableStream<Uint8Array>, size: number): Chunks {
  let reader: ReadableStreamBYOBReader;
  try {
    reader = stream.getReader({ mode: "byob" });
  } catch {
    const plain = stream.getReader(); // not every browser iterates streams
    return { next: async () => (await plain.read()).value, cancel: () => plain.cancel() };
  }
  let buffer = new ArrayBuffer(Math.max(1, Math.min(size, 4 << 20)));
  return {
    async next() {
      const { done, value } = await reader.read(new Uint8Array(buffer));
      if (done || !value) return undefined;
      buffer = value.buffer as ArrayBuffer;
      return value;
    },
    cancel: () => reader.cancel(),
  };
}

async function* read(stream: ReadableStream<Uint8Array>, name: string, size = 1 << 18): AsyncGenerator<Uint8Array> {
  const chunks = chunksOf(stream, size);
  try {
    for (let chunk; (chunk = await chunks.next()); ) yield chunk;
  } catch (error) {
    throw makeError("network", `${name}: the transfer broke off (${(error as Error).message})`);
  } finally {
    chunks.cancel().catch(() => {});
  }
}

async function openUrl(url: string, name: string, job: Job, signal: AbortSignal): Promise<Opened | undefined> {
  let response: Response;
  try {
    response = await fetch(url, { signal });
  } catch (error) {
    job.check();
    throw makeError("network", `${name}: ${url} could not be fetched (${(error as Error).message})`);
  }
  const missing = response.status === 404 || response.status === 410;
  // a server for single-page applications answers with its page for what it does not have
  const page = response.headers.get("content-type")?.startsWith("text/html") ?? false;
  if (missing || page) {
    response.body?.cancel().catch(() => {});
    return undefined;
  }
  if (!response.ok || !response.body)
    throw makeError("network", `${name}: the server answered ${response.status} for ${url}`);
  const length = response.headers.get("content-length");
  const encoded = response.headers.get("content-encoding");
  const size = length !== null && (encoded === null || encoded === "identity") ? Number(length) : undefined;
  return { size, chunks: read(response.body, name, size) };
}

async function* pull(job: Job, file: string, size: number): AsyncGenerator<Uint8Array> {
  const chunk = 4 << 20;
  for (let offset = 0; offset < size; offset += chunk)
    yield await job.pull(file, offset, Math.min(chunk, size - offset));
}

async function open(source: WireSource, name: string, job: Job, signal: AbortSignal): Promise<Opened | undefined> {
  if (source.kind === "folder") {
    const url = new URL(name.split("/").map(encodeURIComponent).join("/"), source.base);
    if (!url.href.startsWith(source.base))
      throw makeError("bad-input", `${name}: a model's file must lie in the model's folder`);
    url.search = source.search;
    return openUrl(url.href, name, job, signal);
  }
  const file = Object.hasOwn(source.files, name) ? source.files[name]! : undefined;
  if (!file) return undefined;
  if ("url" in file) return openUrl(file.url, name, job, signal);
  if ("blob" in file) return { size: file.blob.size, chunks: read(file.blob.stream(), name, file.blob.size) };
  return { size: file.bytes, chunks: pull(job, name, file.bytes) };
}

export class Progress {
  #loaded = 0;
  #total = 0;
  #last = 0;
  #post: (event: CallEvent) => void;

  constructor(post: (event: CallEvent) => void) {
    this.#post = post;
  }
  /** Bytes that will come, as soon as that is known. */
  expect(bytes: number): void {
    this.#total += bytes;
  }
  add(bytes: number, file: string): void {
    this.#loaded += bytes;
    if (performance.now() - this.#last >= 50) this.post(file);
  }
  post(file: string): void {
    this.#last = performance.now();
    this.#post({ progress: { loadedBytes: this.#loaded, totalBytes: this.#total, file } });
  }
}

interface Fetched {
  pointer: number;
  size: number;
}

/** What the engine says of a file that it asks for. */
export interface Want {
  name: string;
  inParts: boolean;
  leastBytes: number;
}

/** Bytes of a part: a multiple of 4. */
const partBytes = 4 << 20;

/** The whole of a file in a buffer from web_buffer_alloc, or undefined if there is none. */
async function fetchFile(
  engine: Engine,
  opening: Promise<Opened | undefined>,
  { name, leastBytes }: Want,
  progress: Progress,
  job: Job,
  signal: AbortSignal,
): Promise<Fetched | undefined> {
  const opened = await opening;
  if (!opened) return undefined;
  let capacity = opened.size ?? Math.max(leastBytes, 1 << 16);
  let pointer = engine.bufferAlloc(capacity, name);
  let size = 0;
  try {
    for await (const chunk of opened.chunks) {
      signal.throwIfAborted();
      if (size + chunk.length > capacity) {
        const larger = Math.max(Math.ceil(capacity * 1.5), size + chunk.length);
        const moved = engine.bufferAlloc(larger, name);
        engine.heap.bytes.copyWithin(moved, pointer, pointer + size);
        engine.bufferFree(pointer);
        pointer = moved;
        capacity = larger;
      }
      engine.heap.bytes.set(chunk, pointer + size);
      size += chunk.length;
      if (opened.size === undefined) progress.expect(chunk.length);
      progress.add(chunk.length, name);
    }
    if (opened.size !== undefined && size < opened.size)
      throw makeError("network", `${name}: the transfer ended after ${size} of ${opened.size} bytes`);
    progress.post(name);
    return { pointer, size };
  } catch (error) {
    engine.bufferFree(pointer);
    job.check(); // an aborted transfer fails with an error of its own: report the abort
    throw error;
  }
}

/** Takes a part, which is only lent, and the end as one of no bytes. */
export type TakePart = (at: number, pointer: number, size: number) => void;

/** The file in parts to `give`, through one buffer. */
async function passFile(
  engine: Engine,
  opened: Opened,
  { name }: Want,
  progress: Progress,
  signal: AbortSignal,
  give: TakePart,
): Promise<void> {
  const pointer = engine.bufferAlloc(partBytes, name);
  let filled = 0;
  let given = 0;
  let size = 0;
  try {
    for await (const chunk of opened.chunks) {
      signal.throwIfAborted();
      for (let at = 0; at < chunk.length; ) {
        const some = chunk.subarray(at, at + partBytes - filled);
        engine.heap.bytes.set(some, pointer + filled);
        at += some.length;
        filled += some.length;
        if (filled < partBytes) continue;
        give(given, pointer, filled);
        given += filled;
        filled = 0;
      }
      size += chunk.length;
      if (opened.size === undefined) progress.expect(chunk.length);
      progress.add(chunk.length, name);
    }
    if (opened.size !== undefined && size < opened.size)
      throw makeError("network", `${name}: the transfer ended after ${size} of ${opened.size} bytes`);
    if (filled > 0) give(given, pointer, filled);
    give(size, 0, 0);
    progress.post(name);
  } finally {
    engine.bufferFree(pointer);
  }
}

/** The files of one load. What was begun and not taken is ended and freed by end(). */
export class Transfers {
  #engine: Engine;
  #source: WireSource;
  #progress: Progress;
  #job: Job;
  #controller = new AbortController();
  #begun = new Map<string, Promise<Fetched | undefined>>();
  #opening = new Map<string, Promise<Opened | undefined>>();

  constructor(engine: Engine, source: WireSource, progress: Progress, job: Job) {
    this.#engine = engine;
    this.#source = source;
    this.#progress = progress;
    this.#job = job;
    const stop = () => this.#controller.abort(job.signal.reason);
    if (job.signal.aborted) stop();
    else job.signal.addEventListener("abort", stop, { once: true });
  }

  async #open(name: string): Promise<Opened | undefined> {
    const opened = await open(this.#source, name, this.#job, this.#controller.signal);
    if (opened?.size !== undefined) this.#progress.expect(opened.size);
    return opened;
  }

  begin(want: Want): void {
    const { name } = want;
    if (this.#begun.has(name) || this.#opening.has(name)) return;
    const opening = this.#open(name);
    opening.catch(() => {}); // told to whoever takes it
    if (want.inParts) {
      this.#opening.set(name, opening);
      return;
    }
    const file = fetchFile(this.#engine, opening, want, this.#progress, this.#job, this.#controller.signal);
    file.catch(() => {});
    this.#begun.set(name, file);
  }

  /** The file, which is the caller's from now on; undefined if there is none. */
  take(want: Want): Promise<Fetched | undefined> {
    this.begin(want);
    const file = this.#begun.get(want.name)!;
    this.#begun.delete(want.name);
    return file;
  }

  /** Whether a file can be had again later: the page's own bytes are not kept for that. */
  isLasting(name: string): boolean {
    return this.#source.kind === "folder" || !("bytes" in (this.#source.files[name] ?? {}));
  }

  /** The file, one part after another; false if there is none. */
  async pass(want: Want, give: TakePart): Promise<boolean> {
    this.begin(want);
    const opening = this.#opening.get(want.name)!;
    this.#opening.delete(want.name);
    try {
      const opened = await opening;
      if (opened) await passFile(this.#engine, opened, want, this.#progress, this.#controller.signal, give);
      return opened !== undefined;
    } catch (error) {
      this.#job.check(); // an aborted transfer fails with an error of its own: report the abort
      throw error;
    }
  }

  async end(): Promise<void> {
    this.#controller.abort();
    for (const file of await Promise.allSettled(this.#begun.values()))
      if (file.status === "fulfilled" && file.value) this.#engine.bufferFree(file.value.pointer);
    this.#begun.clear();
  }
}
