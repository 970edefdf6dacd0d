/* demo.test.mjs — the demonstration page as a person uses it, and the script that drives it. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { web } from "../demo/serve.mjs";
import { needModel, suite } from "./support.mjs";

describe("the demonstration", () => {
  const pages = suite();
  before(() => needModel("smollm2"));

  test("loads, answers, stops, and asks nothing of the network afterwards", async (t) => {
    const { page, server, problems } = await pages.open(t, { path: "" });
    await page.waitForSelector("#ask:enabled", { timeout: 120_000 });
    assert.match(await page.textContent("#engine"), /WebAssembly with (relaxed )?SIMD, on \d+ threads\./);
    const asked = server.requests.length;
    await page.fill("#max-tokens", "8");
    await page.click("#ask");
    await page.waitForSelector("#ask:enabled", { timeout: 60_000 });
    assert.ok((await page.textContent("#answer")).length > 4);
    assert.match(await page.textContent("#speed"), /tokens\/s/);
    assert.match(await page.textContent("#memory"), /MB/);
    await page.fill("#max-tokens", "1000");
    await page.click("#ask");
    await page.waitForFunction(() => document.getElementById("answer").textContent.length > 10);
    await page.click("#stop");
    await page.waitForSelector("#ask:enabled", { timeout: 5000 });
    assert.equal(await page.textContent("#status"), "Stopped.");
    assert.deepEqual(server.requests.slice(asked), []);
    assert.deepEqual(problems, []);
  });

  test("says in plain words what went wrong", async (t) => {
    const { page } = await pages.open(t, { path: "?model=./models/none/" });
    await page.waitForSelector("#problem:not([hidden])");
    assert.match(await page.textContent("#problem-text"), /model\.onnx: no such file/);
    assert.ok((await page.textContent("#problem-hint")).length > 10);
  });

  test("the driving script compares tokens", (t) => {
    const folder = mkdtempSync(join(tmpdir(), "brink-demo-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const run = (...args) => {
      const { status, stdout, stderr } = spawnSync(process.execPath, [join(web, "demo/run.mjs"), ...args], { encoding: "utf8" });
      return { status, stdout, stderr };
    };
    const screenshot = join(folder, "page.png");
    const first = run("--prompt", "One, two,", "--max-tokens", "6", "--json", "--screenshot", screenshot);
    assert.equal(first.status, 0, first.stderr);
    const result = JSON.parse(first.stdout);
    assert.equal(result.tokens.length, 6);
    assert.equal(readFileSync(screenshot).subarray(1, 4).toString(), "PNG");
    const same = join(folder, "same.json");
    writeFileSync(same, first.stdout);
    assert.equal(run("--tokens-file", same).status, 0);
    const other = join(folder, "other.json");
    writeFileSync(other, JSON.stringify({ ...result, tokens: [...result.tokens.slice(0, 5), 1] }));
    const differs = run("--tokens-file", other);
    assert.equal(differs.status, 1);
    assert.match(differs.stderr, /differ .* at position 5/);
    assert.equal(run().status, 2);
    assert.equal(run("--prompt", "a", "--model", "./models/none/").status, 3);
  });
});
