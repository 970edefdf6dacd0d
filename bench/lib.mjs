/* lib.mjs — what the suites share: paths, statistics over rounds, the table, child processes.

   A figure is a ratio, brink over its peer, taken round by round (the two run one after the other,
   which of them first alternates), so that what disturbs the machine disturbs both; the table shows
   the median round and the range. The single measurements go to build/bench/SUITE.json. */
import { spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
export const out = join(root, "build/bench");
export const fromRoot = (name, fallback) => resolve(root, process.env[name] ?? fallback);
export const repeat = Math.max(1, Number(process.env.BENCH_REPEAT ?? 5));
export const cores = cpus().length;
const load = loadavg()[0]; // before the suite adds its own
/** Thread counts to measure: BENCH_THREADS ("1,4"), or one and all cores. */
export const threadCounts = process.env.BENCH_THREADS ? process.env.BENCH_THREADS.split(",").map(Number) : [...new Set([1, cores])];
export const modelName = process.env.BENCH_MODEL ?? "smollm2";
export const prompts = () => JSON.parse(readFileSync(join(out, "prompts.json"), "utf8"));

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** {median, min, max} of brink/peer over the rounds; each round is {brink: {…}, peer: {…}}. */
export function ratio(rounds, name) {
  const values = rounds.map((round) => round.brink[name] / round.peer[name]);
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

const digits = (x) => (x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x >= 0.1 ? x.toFixed(2) : x.toFixed(3));

/** Rows of [what, ratio, "higher" | "lower"]; a ratio is {median, min, max} or a number. */
export function table(title, rows) {
  const cells = rows.map(([what, r, better]) => [
    what,
    digits(r.median ?? r),
    r.median === undefined ? "" : `${digits(r.min)} – ${digits(r.max)}`,
    better === "higher" ? "higher is better" : "lower is better",
  ]);
  const head = [title, "ratio", "range", ""];
  const width = head.map((_, i) => Math.max(...[head, ...cells].map((row) => row[i].length)));
  for (const row of [head, ...cells])
    console.log(row.map((cell, i) => (i === 1 ? cell.padStart(width[i]) : cell.padEnd(width[i]))).join("  ").trimEnd());
}

/** Says so when the machine already had other work: the figures then measure that as well. */
export function warnIfBusy() {
  if (load > 0.5) console.log(`The load was ${load.toFixed(1)} before this began: figures by the clock, of several threads above all, are not to be trusted.`);
}

export function save(suite, result) {
  mkdirSync(out, { recursive: true });
  const machine = { cpu: cpus()[0].model, cores, load, platform: `${process.platform} ${process.arch}`, date: new Date().toISOString() };
  writeFileSync(join(out, `${suite}.json`), JSON.stringify({ suite, machine, ...result }, null, 1) + "\n");
}

/** Which of the two goes first in round `i`. */
export const order = (i) => (i % 2 ? ["peer", "brink"] : ["brink", "peer"]);

/** A child that answers each line on its input with one line of JSON. */
export class Child {
  constructor(command, args) {
    this.process = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.lines = createInterface({ input: this.process.stdout })[Symbol.asyncIterator]();
    this.exit = new Promise((done) => this.process.once("close", done));
    this.name = command;
  }
  async answer() {
    const { value, done } = await this.lines.next();
    if (done) throw new Error(`${this.name} ended with status ${await this.exit}`);
    return JSON.parse(value);
  }
  ask(line) {
    this.process.stdin.write(`${line}\n`);
    return this.answer();
  }
  /** Most bytes that were resident at once, files mapped included. */
  peak() {
    const status = readFileSync(`/proc/${this.process.pid}/status`, "utf8");
    return 1024 * Number(/^VmHWM:\s+(\d+) kB/m.exec(status)[1]);
  }
  /** Milliseconds that its threads have computed so far, waiting for the processor not counted. */
  cpu() {
    const tasks = `/proc/${this.process.pid}/task`;
    return readdirSync(tasks).reduce((sum, id) => sum + Number(readFileSync(`${tasks}/${id}/schedstat`, "utf8").split(" ")[0]), 0) / 1e6;
  }
  async end() {
    this.process.stdin.end();
    return this.exit;
  }
}
