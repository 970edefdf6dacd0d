/* startup.mjs — from navigation to the first result, in a browser that was never started before: a
   profile of its own for each measurement, so nothing is cached and nothing was compiled. The pages
   are in start/; each loads as its library's own manual says, with as many threads as the machine.

   The server is on this machine: what is measured is everything but the network.

   Memory is what all processes of the browser had resident at most, private and pages of files, less
   the same of a browser that shows an empty page. */
import { readFileSync } from "node:fs";
import { figure, order, repeat, save, table, warnIfBusy } from "./lib.mjs";
import { launchBrowser } from "../web/demo/browser.mjs";
import { startPeerServer } from "./serve.mjs";

const cases = [
  {
    what: "SmolLM2-135M, navigation to first token",
    limit: 1.2,
    sides: { brink: "brink-smollm2.html", "wllama Q4_1": "wllama-smollm2.html?file=smollm2.gguf", "wllama Q4_0": "wllama-smollm2.html?file=smollm2-q4_0.gguf" },
  },
  {
    what: "MiniLM, navigation to first vector",
    limit: 0.8,
    sides: { brink: "brink-minilm.html", "onnxruntime-web": "onnxruntime-minilm.html", "transformers.js": "transformers-minilm.html" },
  },
];
const only = process.env.BENCH_CASE;

/** Bytes that the browser's processes had resident at most. */
async function resident(browser) {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  const peak = ({ id }) => 1024 * Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${id}/status`, "utf8"))[1]);
  return processInfo.map(peak).reduce((a, b) => a + b, 0);
}

async function empty(server) {
  const browser = await launchBrowser();
  try {
    await (await (await browser.newContext()).newPage()).goto(`${server.url}start/empty.html`);
    return await resident(browser);
  } finally {
    await browser.close();
  }
}

async function measure(server, page, before) {
  const browser = await launchBrowser();
  try {
    const tab = await (await browser.newContext()).newPage();
    tab.on("pageerror", (error) => console.error(`${page}: ${error.message}`));
    server.transfers.length = 0;
    await tab.goto(`${server.url}start/${page}`, { waitUntil: "commit" });
    await tab.waitForFunction(() => window.result, undefined, { timeout: 60_000, polling: 50 });
    const { origin, ...result } = await tab.evaluate(() => ({ origin: performance.timeOrigin, ...window.result }));
    const transfers = server.transfers.map(({ path, begin, end }) => ({ path, begin: begin - origin, end: end - origin }));
    return { seconds: result.result / 1e3, memory: (await resident(browser)) - before, ...result, transfers };
  } finally {
    await browser.close();
  }
}

warnIfBusy();
const server = await startPeerServer();
const groups = [], results = [];
try {
  const before = await empty(server);
  for (const { what, limit, sides } of cases) {
    if (only && !what.includes(only)) continue;
    const rounds = [];
    for (let i = -1; i < repeat; i++) {
      // the first round only lets the server compress, and files come to the system's cache
      const round = {};
      for (const side of order(Math.max(i, 0), Object.keys(sides))) round[side] = await measure(server, sides[side], before);
      if (i >= 0) rounds.push(round);
    }
    const figures = [
      figure(`${what}, time`, rounds, "seconds", "lower", { limit, unit: "s" }),
      figure("  peak memory until then", rounds, "memory", "lower"),
    ];
    const title = `in a fresh profile, ${rounds[0].brink.threads} threads, ${repeat} rounds`;
    table(title, figures);
    for (const [side, seconds] of Object.entries(figures[0].medians))
      console.log(`  ${side}: ${seconds.toFixed(2)} s, ${(figures[1].medians[side] / 1e6).toFixed(0)} MB`);
    if (process.env.BENCH_VERBOSE) {
      for (const side of Object.keys(sides)) {
        const { transfers, vector, ...rest } = rounds[0][side];
        console.log(side, JSON.stringify(rest));
        for (const t of transfers) console.log(`   ${t.begin.toFixed(0).padStart(6)} ${t.end.toFixed(0).padStart(6)} ${t.path}`);
      }
    }
    groups.push({ title, figures });
    results.push({ what, rounds });
  }
} finally {
  await server.close();
}
save("startup", { groups, results });
