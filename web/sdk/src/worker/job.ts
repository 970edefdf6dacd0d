/* job.ts — one call of the page while it is worked on: how it is cancelled, and what it tells. */
import { makeError, type BrinkError } from "../errors.js";
import type { CallEvent } from "../protocol.js";
import { wake } from "./queue.js";

export class Aborted extends Error {}

interface Pull {
  job: Job;
  resolve(bytes: Uint8Array): void;
  reject(error: Error): void;
}

export class Job {
  readonly post: (event: CallEvent) => void;
  #controller = new AbortController();
  #reason: Error | undefined;
  static #pulls = new Map<number, Pull>();
  static #nextPull = 1;

  constructor(post: (event: CallEvent) => void) {
    this.post = post;
  }
  get signal(): AbortSignal {
    return this.#controller.signal;
  }
  get stopped(): boolean {
    return this.#reason !== undefined;
  }
  stop(reason: Error = new Aborted("aborted")): void {
    this.#reason ??= reason;
    this.#controller.abort(this.#reason);
    for (const [number, pull] of Job.#pulls)
      if (pull.job === this) {
        Job.#pulls.delete(number);
        pull.reject(this.#reason);
      }
    wake();
  }
  /** Throws what the job was stopped for, if it was. */
  check(): void {
    if (this.#reason) throw this.#reason;
  }

  /** Asks the page for a part of a file that the caller holds in memory. */
  pull(file: string, offset: number, length: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.check();
      const pull = Job.#nextPull++;
      Job.#pulls.set(pull, { job: this, resolve, reject });
      this.post({ pull, file, offset, length });
    });
  }
  static answer(pull: number, bytes: Uint8Array): void {
    Job.#pulls.get(pull)?.resolve(bytes);
    Job.#pulls.delete(pull);
  }
}

export function disposed(what: string): BrinkError {
  return makeError("disposed", `the ${what} was disposed of`);
}
