/* serve.mjs — a static server for the demonstration, on this machine only.

     node demo/serve.mjs [--port 8080] [--no-isolation] [--wasm DIR] [--models DIR]

   Serves the page at /, the SDK at /sdk/, the engine at /wasm/ (build/web) and models at /models/
   (build/models, or $BRINK_MODELS). Sends the headers of cross-origin isolation and a strict content
   security policy with everything, and answers byte ranges. */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { dirname, extname, join, normalize, resolve, sep } from "node:path";
import { pipeline } from "node:stream";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

export const web = resolve(dirname(fileURLToPath(import.meta.url)), "..");
export const root = dirname(web);

const types = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".map": "application/json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".wasm": "application/wasm",
};

export const policy =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; " +
  "style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'";

/** One range of a file: [begin, end], null without a range, or "unsatisfiable". */
function parseRange(header, size) {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? "");
  if (!match || (match[1] === "" && match[2] === "")) return null;
  const begin = match[1] === "" ? Math.max(0, size - Number(match[2])) : Number(match[1]);
  const end = match[1] === "" || match[2] === "" ? size - 1 : Math.min(Number(match[2]), size - 1);
  return begin <= end ? [begin, end] : "unsatisfiable";
}

/** The file that a path names below one of the mounts ([prefix, folder], the first match counts). */
function locate(mounts, path) {
  for (const [prefix, folder] of mounts) {
    if (!path.startsWith(prefix)) continue;
    const base = resolve(folder);
    const file = normalize(join(base, path.slice(prefix.length)));
    return file === base || file.startsWith(base + sep) ? file : null;
  }
  return null;
}

/**
 * Starts a server. `mounts` come before its own; `intercept(request, response)` may answer itself
 * and then returns true. Resolves to { url, requests, close() }; requests lists every path asked for.
 */
export async function startServer(options = {}) {
  const { port = 0, isolation = true, mounts = [], intercept } = options;
  const wasm = options.wasm ?? process.env.BRINK_WASM ?? join(root, "build/web");
  const models = options.models ?? process.env.BRINK_MODELS ?? join(root, "build/models");
  const all = [
    ...mounts,
    ["/sdk/", join(web, "sdk/dist")],
    ["/wasm/", wasm],
    ["/models/", models],
    ["/page.js", join(web, "demo/dist/page.js")],
    ["/", join(web, "demo")],
  ];
  const requests = [];
  const server = createServer((request, response) => {
    answer(request, response).catch((error) => {
      console.error(`${request.url}: ${error.message}`);
      response.destroy();
    });
  });

  async function answer(request, response) {
    const { pathname } = new URL(request.url, "http://localhost");
    requests.push(pathname);
    response.setHeader("Cache-Control", "no-store");
    response.setHeader("Content-Security-Policy", policy);
    response.setHeader("X-Content-Type-Options", "nosniff");
    if (isolation) {
      response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
      response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
    }
    response.setHeader("Cross-Origin-Resource-Policy", "same-origin");
    if (await intercept?.(request, response)) return;
    const say = (status, text) => response.writeHead(status, { "Content-Type": "text/plain" }).end(`${text}\n`);
    if (request.method !== "GET" && request.method !== "HEAD") return say(405, "only GET");
    let path;
    try {
      path = decodeURIComponent(pathname);
    } catch {
      return say(400, "not an address");
    }
    const file = path.includes("\0") ? null : locate(all, path.endsWith("/") ? `${path}index.html` : path);
    const found = file && (await stat(file).catch(() => null));
    if (!found?.isFile()) return say(404, `${path} is not here`);
    const range = parseRange(request.headers.range, found.size);
    response.setHeader("Accept-Ranges", "bytes");
    response.setHeader("Content-Type", types[extname(file)] ?? "application/octet-stream");
    if (range === "unsatisfiable") {
      response.setHeader("Content-Range", `bytes */${found.size}`);
      return say(416, "no such range");
    }
    const [begin, end] = range ?? [0, found.size - 1];
    if (range) response.setHeader("Content-Range", `bytes ${begin}-${end}/${found.size}`);
    response.writeHead(range ? 206 : 200, { "Content-Length": end - begin + 1 });
    if (request.method === "HEAD" || found.size === 0) return response.end();
    pipeline(createReadStream(file, { start: begin, end, highWaterMark: 1 << 20 }), response, () => {});
  }

  await new Promise((done, fail) => server.once("error", fail).listen(port, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    requests,
    close: () =>
      new Promise((done) => {
        server.close(done);
        server.closeAllConnections();
      }),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      port: { type: "string", default: "8080" },
      "no-isolation": { type: "boolean", default: false },
      wasm: { type: "string" },
      models: { type: "string" },
    },
  });
  const server = await startServer({
    port: Number(values.port),
    isolation: !values["no-isolation"],
    wasm: values.wasm,
    models: values.models,
  }).catch((error) => {
    console.error(`serve: port ${values.port}: ${error.message}`);
    process.exit(5);
  });
  console.log(`brink is at ${server.url} (Ctrl-C ends it)`);
}
