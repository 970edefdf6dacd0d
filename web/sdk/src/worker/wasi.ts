/* wasi.ts — the few functions of wasi_snapshot_preview1 that the engine's C library calls. No file
   system, no environment: what is not listed answers ENOSYS. */

export class ProcessExit extends Error {
  constructor(code: number) {
    super(`the engine ended itself with code ${code}`);
  }
}

const ok = 0;
const badFile = 8;
const noSystemCall = 52;

export function wasi(
  module: WebAssembly.Module,
  memory: () => WebAssembly.Memory,
  log: (line: string) => void,
): Record<string, Record<string, (...args: never[]) => unknown>> {
  const view = () => new DataView(memory().buffer);
  let pending = "";
  const decoder = new TextDecoder();

  const known: Record<string, (...args: never[]) => unknown> = {
    clock_time_get(clock: number, _precision: bigint, out: number): number {
      const ms = clock === 0 ? Date.now() : performance.now();
      view().setBigUint64(out >>> 0, BigInt(Math.round(ms * 1e6)), true);
      return ok;
    },
    random_get(pointer: number, size: number): number {
      // getRandomValues takes neither shared memory nor more than 65,536 bytes
      for (let done = 0; done < size; ) {
        const part = crypto.getRandomValues(new Uint8Array(Math.min(65536, size - done)));
        new Uint8Array(memory().buffer).set(part, (pointer >>> 0) + done);
        done += part.length;
      }
      return ok;
    },
    fd_write(file: number, vectors: number, count: number, written: number): number {
      if (file !== 1 && file !== 2) return badFile;
      let total = 0;
      for (let i = 0; i < count; ++i) {
        const at = view().getUint32((vectors >>> 0) + 8 * i, true);
        const size = view().getUint32((vectors >>> 0) + 8 * i + 4, true);
        pending += decoder.decode(new Uint8Array(memory().buffer).slice(at, at + size), { stream: true });
        total += size;
      }
      const lines = pending.split("\n");
      pending = lines.pop()!;
      lines.forEach(log);
      view().setUint32(written >>> 0, total, true);
      return ok;
    },
    proc_exit(code: number): never {
      throw new ProcessExit(code);
    },
    sched_yield: () => ok,
    fd_close: () => ok,
    fd_seek: () => badFile,
    fd_fdstat_get: () => badFile,
    fd_prestat_get: () => badFile,
    environ_sizes_get: (count: number, size: number) => zero(count, size),
    args_sizes_get: (count: number, size: number) => zero(count, size),
    environ_get: () => ok,
    args_get: () => ok,
  };
  function zero(...pointers: number[]): number {
    for (const pointer of pointers) view().setUint32(pointer >>> 0, 0, true);
    return ok;
  }

  const functions: Record<string, (...args: never[]) => unknown> = {};
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module))
    if (from === "wasi_snapshot_preview1" && kind === "function")
      functions[name] = known[name] ?? (() => noSystemCall);
  return { wasi_snapshot_preview1: functions };
}
