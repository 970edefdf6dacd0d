/* connection.ts — the page's end of the workers: numbered calls, their events, and the end of it all.

   Invariant: every call settles exactly once. When any worker dies, all of them are ended and every
   call that is pending or comes later fails with the same EngineDiedError. */
import { BrinkError, DisposedError, EngineDiedError, makeError } from "./errors.js";
import type { CallEvent, FromWorker, HelperStart, Operation, Operations, ToWorker } from "./protocol.js";

interface Call {
  resolve(value: unknown): void;
  reject(error: unknown): void;
  onEvent: ((event: CallEvent) => void) | undefined;
}

export interface CallOptions {
  signal?: AbortSignal | undefined;
  onEvent?: (event: CallEvent) => void;
  transfer?: Transferable[];
}

export class Connection {
  #worker: Worker;
  #helpers: Worker[] = [];
  #spare: Worker[] = [];
  #calls = new Map<number, Call>();
  #next = 1;
  #end: BrinkError | undefined;
  #log: (line: string) => void;

  /** Starts the engine's worker, and `spare` more for helper threads while the engine is compiled. */
  constructor(spare: number, log: (line: string) => void) {
    this.#log = log;
    this.#worker = this.#spawn();
    this.#spare = Array.from({ length: spare }, () => this.#spawn());
  }

  #spawn(): Worker {
    const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "brink" });
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#receive(data);
    worker.onmessageerror = () => this.#die("a message of the engine's worker could not be read");
    worker.onerror = (event) => {
      event.preventDefault();
      this.#die(event.message ? `the engine's worker failed (${event.message})` : "the engine's worker could not be started");
    };
    return worker;
  }

  #post(message: ToWorker, transfer: Transferable[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  /** Starts the helper threads, which join the engine's pool as they are ready. A call that comes
      earlier computes without them; one that fails to start ends the engine. */
  startHelpers(helpers: readonly HelperStart[]): void {
    for (const start of helpers) {
      const worker = this.#spare.shift() ?? this.#spawn();
      this.#helpers.push(worker);
      worker.postMessage({ type: "helper", ...start } satisfies ToWorker);
    }
    for (const worker of this.#spare.splice(0)) worker.terminate();
  }

  call<K extends Operation>(op: K, args: Operations[K][0], options: CallOptions = {}): Promise<Operations[K][1]> {
    const { signal, onEvent, transfer } = options;
    return new Promise((resolve, reject) => {
      if (this.#end) return reject(this.#end);
      if (signal?.aborted) return reject(signal.reason);
      const id = this.#next++;
      const abort = () => this.#post({ type: "abort", id });
      const settle = () => signal?.removeEventListener("abort", abort);
      signal?.addEventListener("abort", abort, { once: true });
      this.#calls.set(id, {
        resolve: (value) => (settle(), resolve(value as Operations[K][1])),
        reject: (error) => (settle(), reject(signal?.aborted && !this.#end ? signal.reason : error)),
        onEvent,
      });
      this.#post({ type: "call", id, op, args }, transfer);
    });
  }

  sendChunk(pull: number, bytes: Uint8Array<ArrayBuffer>): void {
    if (!this.#end) this.#post({ type: "chunk", pull, bytes }, [bytes.buffer]);
  }

  #receive(message: FromWorker): void {
    switch (message.type) {
      case "log":
        return this.#log(message.line);
      case "died":
        return this.#die(message.message);
      case "event":
        return this.#calls.get(message.id)?.onEvent?.(message.event);
      case "result":
        return this.#take(message.id)?.resolve(message.value);
      case "failure": {
        const { code, message: text, hint } = message.error;
        const error = code === "aborted" ? new DOMException("The call was aborted.", "AbortError") : makeError(code, text, hint);
        return this.#take(message.id)?.reject(error);
      }
    }
  }

  #take(id: number): Call | undefined {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    return call;
  }

  #die(message: string): void {
    this.#finish(new EngineDiedError(message));
  }
  dispose(): void {
    this.#finish(new DisposedError("the engine was disposed of"));
  }

  #finish(error: BrinkError): void {
    if (this.#end) return;
    this.#end = error;
    for (const worker of [this.#worker, ...this.#helpers, ...this.#spare]) worker.terminate();
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const call of calls) call.reject(error);
  }
}
