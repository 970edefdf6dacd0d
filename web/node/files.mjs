/* files.mjs — what page and workers lack in Node: fetch() of file: addresses (404 for what is not there),
   and the word that memory may be shared. */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { extname } from "node:path";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

globalThis.crossOriginIsolated ??= true; // threads may share memory here

const fetchRemote = globalThis.fetch;
const types = { ".wasm": "application/wasm", ".json": "application/json" };

globalThis.fetch = async (request, options) => {
  const address = String(request?.url ?? request);
  if (!address.startsWith("file:")) return fetchRemote(request, options);
  const path = fileURLToPath(address);
  const found = await stat(path).catch(() => null);
  if (!found?.isFile()) return new Response(null, { status: 404 });
  const headers = { "content-length": found.size, "content-type": types[extname(path)] ?? "application/octet-stream" };
  const stream = createReadStream(path, { highWaterMark: 1 << 20, signal: options?.signal ?? undefined });
  return new Response(Readable.toWeb(stream), { headers });
};
