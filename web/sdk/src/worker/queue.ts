/* queue.ts — lets the worker's messages be heard between two slices of work. A MessageChannel, since
   timers are held to 4 ms and slowed further in background tabs. Where work waits for the GPU instead, it
   sleeps until something wakes it. */

const channel = new MessageChannel();
const waiting: (() => void)[] = [];
channel.port1.onmessage = () => waiting.shift()!();

export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    channel.port2.postMessage(null);
  });
}

const sleeping: (() => void)[] = [];

/** Until the next wake(). Whoever sleeps asks again what it waits for: all of them are woken. */
export function sleep(): Promise<void> {
  return new Promise((resolve) => void sleeping.push(resolve));
}
export function wake(): void {
  for (const resolve of sleeping.splice(0)) resolve();
}
