/* generation.ts — a running generation: an async iterable of tokens, and its figures at the end.

   Invariant: leaving the loop early stops the engine's work; a failure is thrown to whoever
   iterates and to whoever awaits `stats`, and to nobody as an unhandled rejection. */
import type { Connection } from "./connection.js";
import type { WireGenerate } from "./protocol.js";
import type { GeneratedToken, GenerateOptions, GenerateStats } from "./types.js";

export class Generation implements AsyncIterable<GeneratedToken> {
  /** The figures, once the last token is there. */
  readonly stats: Promise<GenerateStats>;
  #tokens: GeneratedToken[] = [];
  #taken = 0;
  #ended = false;
  #wake: (() => void)[] = [];
  #controller = new AbortController();

  /** @internal */
  constructor(connection: Connection, args: WireGenerate, { signal, onProfile }: Pick<GenerateOptions, "signal" | "onProfile">) {
    const stop = () => this.#controller.abort(signal!.reason);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
    this.stats = connection
      .call("generate", args, {
        signal: this.#controller.signal,
        onEvent: (event) => {
          if ("profile" in event) onProfile?.(event.profile);
          if (!("tokens" in event)) return;
          this.#tokens.push(...event.tokens);
          this.#notify();
        },
      })
      .finally(() => {
        signal?.removeEventListener("abort", stop);
        this.#ended = true;
        this.#notify();
      });
    this.stats.catch(() => {});
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }

  /** Stops the generation; iterating then throws an AbortError. */
  abort(reason?: unknown): void {
    this.#controller.abort(reason);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<GeneratedToken, void, undefined> {
    try {
      for (;;) {
        while (this.#taken < this.#tokens.length) yield this.#tokens[this.#taken++]!;
        if (this.#ended) break;
        await new Promise<void>((resolve) => this.#wake.push(resolve));
      }
      await this.stats; // throws what the generation failed with
    } finally {
      if (!this.#ended) this.abort();
    }
  }

  /** The whole reply. */
  async text(): Promise<string> {
    await this.stats;
    return this.#tokens.map((token) => token.text).join("");
  }
}
