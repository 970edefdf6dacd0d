/* lib.mjs — what the suites share: paths, statistics over rounds, the table, child processes.

   A figure is a ratio, brink over its peer, taken round by round (the sides run one after the other,
   which of them first alternates), so that what disturbs the machine disturbs all; the table shows
   the median round and the range. Where a peer runs in several forms (quantisations of one model,
   libraries), the figure is against the one that does best at it. Every single measurement, and the
   figures, go to build/bench/SUITE.json. */
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, totalmem } from "node:os";
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
export const modelsFolder = fromRoot("BRINK_MODELS", "build/models");
export const prompts = () => JSON.parse(readFileSync(join(out, "prompts.json"), "utf8"));
/** The prompt's ids as ids of MiniLM's vocabulary of 30,522, none of them special. */
export const bertIds = (count) => Array.from({ length: count }, (_, i) => 2000 + (prompts().speed[i % 512] % 28000));
export const threadsText = (n) => `${n} thread${n > 1 ? "s" : ""}`;

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
const spread = (values) => ({ median: median(values), min: Math.min(...values), max: Math.max(...values) });

/** {median, min, max} of brink/peer over the rounds; each round is {brink: {…}, [peer]: {…}}. */
export function ratio(rounds, name, peer = "peer") {
  return spread(rounds.map((round) => round.brink[name] / round[peer][name]));
}

/**
 * A figure: brink over the peer that does best at `name`. `better` says which way is good, `target`
 * is what the ratio is to reach; `limit` is instead what brink's own value may be.
 */
export function figure(what, rounds, name, better, { target, limit, unit } = {}) {
  const medians = Object.fromEntries(Object.keys(rounds[0]).map((side) => [side, median(rounds.map((r) => r[side][name]))]));
  const peers = Object.keys(medians).filter((side) => side !== "brink");
  const sign = better === "higher" ? 1 : -1;
  const peer = peers.reduce((best, side) => (sign * medians[side] > sign * medians[best] ? side : best), peers[0]);
  return { what, better, unit, target, limit, peer, ratio: ratio(rounds, name, peer), medians };
}

/** Whether a figure is as good as asked; undefined where nothing is asked. */
export function reached({ ratio, better, target, limit, medians }) {
  if (limit !== undefined) return medians.brink <= limit;
  if (target === undefined) return undefined;
  const value = ratio.median ?? ratio;
  return better === "higher" ? value >= target : value <= target;
}

export const digits = (x) => (x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x >= 0.1 ? x.toFixed(2) : x.toPrecision(2));

/** Prints figures, a line each; `ratio` may be a single number. */
export function table(title, figures) {
  const several = new Set(figures.map((f) => f.peer)).size > 1;
  const cells = figures.map((f) => {
    const ok = reached(f);
    const asked = f.limit === undefined ? (f.target === undefined ? "" : `${f.target}`) : `${f.limit} ${f.unit}`;
    const got = ok === undefined ? "" : f.limit === undefined ? (ok ? "reached" : "missed") : `${digits(f.medians.brink)} ${f.unit}: ${ok ? "reached" : "missed"}`;
    return [
      f.what,
      digits(f.ratio.median ?? f.ratio),
      f.ratio.median === undefined ? "" : `${digits(f.ratio.min)} – ${digits(f.ratio.max)}`,
      f.better === "higher" ? "higher is better" : "lower is better",
      asked,
      got,
      several ? (f.peer ?? "") : "",
    ];
  });
  const head = [title, "ratio", "range", "", "target", "", several ? "best peer" : ""];
  const width = head.map((_, i) => Math.max(...[head, ...cells].map((row) => row[i].length)));
  for (const row of [head, ...cells])
    console.log(row.map((cell, i) => (i === 1 || i === 4 ? cell.padStart(width[i]) : cell.padEnd(width[i]))).join("  ").trimEnd());
}

/** Says so when the machine already had other work: the figures then measure that as well. */
export function warnIfBusy() {
  if (load > 0.5) console.log(`The load was ${load.toFixed(1)} before this began: figures by the clock, of several threads above all, are not to be trusted.`);
}

/** What the figures were taken on; the features are those that matrix kernels choose by. */
function machine() {
  const flags = /^flags\s*:\s*(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1].split(" ") ?? [];
  const features = flags.filter((flag) => /^(avx2|fma|f16c|avx512(f|bw|_vnni|_bf16)|avx_vnni|amx_(tile|int8|bf16))$/.test(flag));
  return { cpu: cpus()[0].model, features, cores, memory_gib: Math.round(totalmem() / 2 ** 30), system: `${process.platform} ${process.arch}`, node: process.version, load, date: new Date().toISOString() };
}

/** Writes build/bench/SUITE.json: {suite, machine, groups: [{title, figures}], …}. */
export function save(suite, result) {
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, `${suite}.json`), JSON.stringify({ suite, machine: machine(), repeat, ...result }, null, 1) + "\n");
}

/** The sides in the order of round `i`: each of them comes first as often as the others. */
export function order(i, sides = ["brink", "peer"]) {
  const k = i % sides.length;
  return [...sides.slice(k), ...sides.slice(0, k)];
}

/** Compiles a driver of this folder, NAME.c, on the public API; returns its path. */
export function driver(name) {
  const path = join(out, name);
  execFileSync("cc", [
    ...["-std=c17", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-I", join(root, "include")],
    ...[join(root, `bench/${name}.c`), fromRoot("BRINK_LIB", "build/release/libbrink.a")],
    ...["-pthread", "-lm", "-o", path],
  ]);
  return path;
}

export const python = join(root, ".venv/bin/python");

/** A child that answers each line on its input with one line of JSON. */
export class Child {
  constructor(command, args) {
    this.process = spawn(command, args.map(String), { stdio: ["pipe", "pipe", "inherit"] });
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
  /** Most bytes that were resident at once: private ones and pages of files. */
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
