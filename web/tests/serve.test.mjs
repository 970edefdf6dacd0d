/* serve.test.mjs — the demonstration's server: headers, ranges, and nothing outside its folders. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { startServer } from "../demo/serve.mjs";

describe("the server", () => {
  let folder;
  let server;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "brink-serve-"));
    writeFileSync(join(folder, "ten.bin"), "0123456789");
    writeFileSync(join(folder, "a.wasm"), "");
    server = await startServer({ mounts: [["/files/", folder]] });
  });
  after(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });

  test("pages are isolated and under a strict policy, unless asked not to be", async () => {
    const headers = (await fetch(server.url)).headers;
    assert.equal(headers.get("cross-origin-opener-policy"), "same-origin");
    assert.equal(headers.get("cross-origin-embedder-policy"), "require-corp");
    assert.match(headers.get("content-security-policy"), /connect-src 'self'/);
    assert.doesNotMatch(headers.get("content-security-policy"), /'unsafe-eval'|blob:/);
    const plain = await startServer({ isolation: false });
    assert.equal((await fetch(plain.url)).headers.get("cross-origin-embedder-policy"), null);
    await plain.close();
  });

  test("types that browsers insist on", async () => {
    const type = async (path) => (await fetch(new URL(path, server.url))).headers.get("content-type");
    assert.equal(await type("/files/a.wasm"), "application/wasm");
    assert.match(await type("/"), /^text\/html/);
    assert.match(await type("/page.css"), /^text\/css/);
    assert.match(await type("/sdk/index.js"), /^text\/javascript/);
  });

  test("byte ranges", async () => {
    const get = async (range) => {
      const response = await fetch(new URL("/files/ten.bin", server.url), { headers: { range } });
      return [response.status, response.headers.get("content-range"), response.ok ? await response.text() : ""];
    };
    assert.deepEqual(await get("bytes=2-4"), [206, "bytes 2-4/10", "234"]);
    assert.deepEqual(await get("bytes=7-"), [206, "bytes 7-9/10", "789"]);
    assert.deepEqual(await get("bytes=-3"), [206, "bytes 7-9/10", "789"]);
    assert.deepEqual(await get("bytes=10-"), [416, "bytes */10", ""]);
  });

  test("nothing outside the folders is served", async () => {
    const status = (path) =>
      new Promise((resolve, reject) => {
        const { port } = new URL(server.url); // http.request, since fetch() would tidy the path
        request({ host: "127.0.0.1", port, path }, (response) => resolve(response.resume().statusCode)).on("error", reject).end();
      });
    assert.equal(await status("/files/ten.bin"), 200);
    assert.equal(await status("/files/../../../etc/passwd"), 404);
    assert.equal(await status("/files/%2e%2e/%2e%2e/%2e%2e/etc/passwd"), 404);
    assert.equal(await status("/files/..%2f..%2f..%2fetc/passwd"), 404);
    assert.equal(await status("/files/%"), 400);
  });
});
