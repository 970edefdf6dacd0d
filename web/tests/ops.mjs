/* ops.mjs — every operator case of tests/ops through the SDK, on the GPU backend of each host:

     npm run test:ops [-- [chromium] [firefox] [node] [OPERATOR...]]

   The hosts are all three unless some are named. A case that differs is run again in the host's wasm
   backend: where that says the very same, the case is listed apart, since the GPU is not the reason. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { launchBrowser, softwareGpu } from "../demo/browser.mjs";
import { startServer } from "../demo/serve.mjs";
import { launchFirefox } from "./firefox.mjs";
import { compareGraphs } from "./gpu_cases.mjs";
import { need, needEngine, opCases, root, wasmFolder } from "./support.mjs";

process.env.VK_ICD_FILENAMES ??= "/usr/lib/chromium/vk_swiftshader_icd.json"; // Firefox has its own

const scratch = mkdtempSync(join(tmpdir(), "brink-ops-"));
process.on("exit", () => rmSync(scratch, { recursive: true }));
const casesFolder = join(scratch, "cases");

/** `compare(backend, graphs)` in a page of its own for each call, so that nothing grows. */
async function inBrowser(launch) {
  const server = await startServer({ wasm: wasmFolder, mounts: [["/ops/", casesFolder], ["/tests/", join(root, "web/tests")]] });
  const browser = await launch();
  const compare = async (backend, graphs) => {
    const page = await browser.newPage();
    try {
      await page.goto(`${server.url}blank.html`);
      return await page.evaluate(
        async ({ backend, graphs }) => {
          const { compareGraphs } = await import("/tests/gpu_cases.mjs");
          const { Brink } = await import("/sdk/index.js");
          const engine = await Brink.create({ wasmBase: "./wasm/", backend });
          return { gpu: engine.info.gpu?.name, ...(await compareGraphs(engine, "/ops/", graphs)) };
        },
        { backend, graphs },
      );
    } finally {
      await page.close();
    }
  };
  return { compare, close: () => Promise.all([browser.close(), server.close()]) };
}

async function inNode() {
  await import("../node/index.mjs");
  const { Brink } = await import("../sdk/dist/index.js");
  const address = (folder) => pathToFileURL(join(folder, "/")).href;
  const compare = async (backend, graphs) => {
    const engine = await Brink.create({ wasmBase: address(wasmFolder), backend });
    try {
      return { gpu: engine.info.gpu?.name, ...(await compareGraphs(engine, address(casesFolder), graphs)) };
    } finally {
      engine.dispose();
    }
  };
  return { compare, close: () => {} };
}

const hosts = {
  chromium: ["Chromium", () => inBrowser(() => launchBrowser(softwareGpu))],
  firefox: ["Firefox", () => inBrowser(launchFirefox)],
  node: ["Node", inNode],
};
const atOnce = 250; // cases an engine sees

async function check(name, open, cases) {
  const began = performance.now();
  const { compare, close } = await open();
  const failures = [];
  const apart = [];
  let adapter;
  try {
    for (let i = 0; i < cases.length; i += atOnce) {
      const some = cases.slice(i, i + atOnce);
      const found = await compare("webgpu", some);
      adapter = found.gpu;
      const suspects = some.filter(({ graph }) => found.failures.some((line) => line.startsWith(`${graph}: `)));
      const wasm = suspects.length > 0 ? (await compare("wasm", suspects)).failures : [];
      for (const line of found.failures) (wasm.includes(line) ? apart : failures).push(line);
    }
  } finally {
    await close();
  }
  for (const line of failures) console.log(line);
  for (const line of apart) console.log(`in wasm too: ${line}`);
  const differing = new Set(failures.map((line) => line.split(": ")[0])).size;
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  console.log(
    `ops: ${cases.length} cases in ${name} (${adapter || "no name"}): ${differing} differ` +
      `${apart.length > 0 ? `, ${apart.length} in wasm too` : ""}; ${seconds} s`,
  );
  return failures.length + apart.length === 0;
}

needEngine();
need(join(root, "web/sdk/dist/index.js"), "run npm run build");
const words = process.argv.slice(2);
const named = Object.keys(hosts).filter((host) => words.includes(host));
const cases = opCases(casesFolder, words.filter((word) => !(word in hosts)));
let good = true;
for (const host of named.length > 0 ? named : Object.keys(hosts)) good = (await check(...hosts[host], cases)) && good;
process.exit(good ? 0 : 1);
