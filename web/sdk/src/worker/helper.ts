/* helper.ts — a helper thread: the same module on the same memory, with a stack and thread-local
   block of its own. It works until the pool ends or the page ends the worker. */
import type { HelperStart } from "../protocol.js";
import type { Exports } from "./module.js";
import { wasi } from "./wasi.js";
import { WebGpu } from "./webgpu.js";

export async function runHelper(start: HelperStart, log: (line: string) => void): Promise<void> {
  const { module, memory } = start;
  const webgpu = new WebGpu(undefined, () => {}).imports; // it calls none of them
  const instance = await WebAssembly.instantiate(module, { ...wasi(module, () => memory, log), webgpu, env: { memory } });
  const exports = instance.exports as unknown as Exports;
  exports.__stack_pointer!.value = start.stackTop | 0;
  exports.__wasm_init_tls!(start.tls);
  exports.brink_worker_main!(start.index);
}
