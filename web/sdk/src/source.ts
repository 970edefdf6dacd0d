/* source.ts — what load() accepts, made into what the worker can open. Addresses become absolute
   here, where the page's base is known; bytes that the caller holds stay here and go over in pieces,
   so that they are never in memory a third time. */
import { InvalidArgumentError, makeError } from "./errors.js";
import type { WireFile, WireSource } from "./protocol.js";
import type { FileSource, ModelSource } from "./types.js";

export interface ResolvedSource {
  wire: WireSource;
  graph: string | undefined;
  /** A copy of part of a file whose bytes the caller holds. */
  read(file: string, offset: number, length: number): Uint8Array<ArrayBuffer>;
}

function absolute(address: string | URL): URL {
  const base = typeof document === "undefined" ? globalThis.location?.href : document.baseURI;
  try {
    return new URL(address, base);
  } catch {
    throw new InvalidArgumentError(`"${String(address)}" is not an address`);
  }
}

function resolveFolder(address: string | URL, graph: string | undefined): ResolvedSource {
  const url = absolute(address);
  const { search } = url;
  url.search = url.hash = "";
  if (url.pathname.endsWith(".onnx")) {
    const slash = url.pathname.lastIndexOf("/") + 1;
    graph ??= decodeURIComponent(url.pathname.slice(slash));
    url.pathname = url.pathname.slice(0, slash);
  } else if (!url.pathname.endsWith("/")) {
    url.pathname += "/";
  }
  return { wire: { kind: "folder", base: url.href, search }, graph, read: () => new Uint8Array(0) };
}

function view(source: FileSource): Uint8Array | undefined {
  if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  return source instanceof ArrayBuffer ? new Uint8Array(source) : undefined;
}

/** A file of a source, whole; undefined where there is none. */
export async function readFile(source: ModelSource, name: string, signal?: AbortSignal): Promise<Uint8Array | undefined> {
  const { wire, read } = resolveSource(source, undefined);
  if (wire.kind === "folder") return fetchFile(`${new URL(name, wire.base).href}${wire.search}`, name, signal);
  const file = wire.files[name];
  if (file === undefined) return undefined;
  if ("url" in file) return fetchFile(file.url, name, signal);
  return "blob" in file ? new Uint8Array(await file.blob.arrayBuffer()) : read(name, 0, file.bytes);
}

async function fetchFile(url: string, name: string, signal: AbortSignal | undefined): Promise<Uint8Array | undefined> {
  let response: Response;
  try {
    response = await fetch(url, { signal: signal ?? null });
  } catch (error) {
    signal?.throwIfAborted();
    throw makeError("network", `${name}: ${url} could not be fetched (${(error as Error).message})`);
  }
  const page = response.headers.get("content-type")?.startsWith("text/html") ?? false;
  if (response.status === 404 || response.status === 410 || page) return undefined;
  if (!response.ok) throw makeError("network", `${name}: the server answered ${response.status} for ${url}`);
  return new Uint8Array(await response.arrayBuffer());
}

function resolveFiles(files: Readonly<Record<string, FileSource>>, graph: string | undefined): ResolvedSource {
  const held = new Map<string, Uint8Array>();
  const wire: Record<string, WireFile> = {};
  for (const [name, source] of Object.entries(files)) {
    const bytes = view(source);
    if (bytes) {
      held.set(name, bytes);
      wire[name] = { bytes: bytes.length };
    } else if (source instanceof Blob) wire[name] = { blob: source };
    else if (typeof source === "string" || source instanceof URL) wire[name] = { url: absolute(source).href };
    else throw new InvalidArgumentError(`file "${name}" must be an address, a Blob or an ArrayBuffer`);
  }
  const graphs = Object.keys(wire).filter((name) => name.endsWith(".onnx"));
  if (graph === undefined && !("model.onnx" in wire) && graphs.length === 1) graph = graphs[0];
  return {
    wire: { kind: "files", files: wire },
    graph,
    read: (file, offset, length) => new Uint8Array(held.get(file)!.subarray(offset, offset + length)),
  };
}

export function resolveSource(source: ModelSource, graph: string | undefined): ResolvedSource {
  if (typeof source === "string" || source instanceof URL) return resolveFolder(source, graph);
  if (typeof source === "object" && source !== null) return resolveFiles(source, graph);
  throw new InvalidArgumentError("a model's source is an address or an object of files by name");
}
