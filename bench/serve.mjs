/* serve.mjs — the demo's server as a deployed one would answer: text and wasm in brotli, everything
   but pages cacheable for good. What is compressed is compressed before the page is opened. Pages of
   peers have no content security policy, since wllama's worker comes from a blob. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { extname, join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { startServer } from "../web/demo/serve.mjs";
import { fromRoot, modelsFolder, out, root } from "./lib.mjs";

export const modules = join(root, "bench/node_modules");
/** Prefixes below which a peer finds its own files. */
const mounts = [
  ["/start/", join(root, "bench/start")],
  ["/wllama/", join(modules, "@wllama/wllama/esm")],
  ["/ort/", join(modules, "onnxruntime-web/dist")],
  ["/transformers/", join(modules, "@huggingface/transformers/dist")],
  ["/transformers-ort/", join(modules, "@huggingface/transformers/node_modules/onnxruntime-web/dist")],
  ["/tokenizers/", join(modules, "@huggingface/tokenizers/dist")],
  ["/tokenizer-files/", join(out, "tokenizers")],
  ["/gguf/", out],
  // where transformers.js looks for it
  ["/models/minilm/onnx/model_quantized.onnx", join(modelsFolder, "minilm/model.onnx")],
];
const own = [
  ["/sdk/", join(root, "web/sdk/dist")],
  ["/wasm/", fromRoot("BRINK_WASM", "build/web")],
  ["/models/", modelsFolder],
];
const types = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".json": "application/json", ".wasm": "application/wasm" };

/** A server with a record of transfers: {path, begin, end} in ms of the wall clock. Files are held in
    memory once they were asked for, so that the disk is not measured. */
export async function startPeerServer() {
  const held = new Map();
  const transfers = [];
  function hold(path) {
    if (held.has(path)) return held.get(path);
    const [prefix, folder] = [...mounts, ...own].find(([prefix]) => path.startsWith(prefix)) ?? [];
    const file = folder && join(folder, path.slice(prefix.length));
    let entry = null;
    if (file && !path.includes("..") && existsSync(file) && statSync(file).isFile()) {
      const type = types[extname(path)], body = readFileSync(file);
      const params = { [constants.BROTLI_PARAM_QUALITY]: 9 };
      entry = { type: type ?? "application/octet-stream", body: type ? brotliCompressSync(body, { params }) : body, encoded: type !== undefined };
    }
    held.set(path, entry);
    return entry;
  }
  const server = await startServer({
    wasm: fromRoot("BRINK_WASM", "build/web"),
    models: modelsFolder,
    mounts,
    intercept: (request, response) => {
      const { pathname } = new URL(request.url, "http://localhost");
      const begin = performance.timeOrigin + performance.now();
      response.once("finish", () => transfers.push({ path: pathname, begin, end: performance.timeOrigin + performance.now() }));
      if (!pathname.startsWith("/start/brink") && !pathname.startsWith("/sdk/")) response.removeHeader("Content-Security-Policy");
      if (!pathname.endsWith(".html")) response.setHeader("Cache-Control", "public, max-age=31536000, immutable");
      const entry = hold(pathname);
      if (!entry) return false;
      const encoding = entry.encoded ? { "Content-Encoding": "br", Vary: "Accept-Encoding" } : {};
      response.writeHead(200, { "Content-Type": entry.type, "Content-Length": entry.body.length, ...encoding });
      response.end(request.method === "HEAD" ? undefined : entry.body);
      return true;
    },
  });
  return { ...server, transfers };
}
