/* index.mjs — lets @brink/web run in Node: import it before the SDK.

   Node has no global Worker and fetches no files. The first becomes a thread of node:worker_threads that
   runs thread.mjs first; the second reads them. `navigator.gpu` is npm's "webgpu" (Dawn) where that is
   installed; $BRINK_DAWN are its options, separated by spaces ("backend=vulkan adapter=NVIDIA"). */
import { Worker as Thread } from "node:worker_threads";
import "./files.mjs";

globalThis.Worker ??= class Worker {
  #thread;
  onmessage = null;
  onmessageerror = null;
  onerror = null;

  constructor(url) {
    this.#thread = new Thread(new URL("./thread.mjs", import.meta.url), { workerData: String(url) });
    this.#thread.on("message", (data) => this.onmessage?.({ data }));
    this.#thread.on("messageerror", (error) => this.onmessageerror?.(error));
    this.#thread.on("error", ({ message }) => this.onerror?.({ message, preventDefault() {} }));
  }
  postMessage(message, transfer) {
    this.#thread.postMessage(message, transfer);
  }
  terminate() {
    void this.#thread.terminate();
  }
};
