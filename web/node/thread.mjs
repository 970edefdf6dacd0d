/* thread.mjs — the scope that the SDK's worker expects, made of a thread of Node's. */
import { parentPort, workerData } from "node:worker_threads";
import "./files.mjs";

globalThis.self = globalThis;
globalThis.postMessage = (message, transfer) => parentPort.postMessage(message, transfer);
globalThis.close = () => parentPort.close();
try {
  const { create, globals } = await import("webgpu");
  Object.assign(globalThis, globals);
  const gpu = create((process.env.BRINK_DAWN ?? "").split(" ").filter(Boolean));
  Object.defineProperty(globalThis.navigator, "gpu", { value: gpu, configurable: true });
} catch (error) {
  if (error.code !== "ERR_MODULE_NOT_FOUND") throw error; // without it there is wasm alone
}
await import(workerData);
parentPort.on("message", (data) => globalThis.onmessage?.({ data }));
