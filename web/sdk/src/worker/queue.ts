/* queue.ts — lets the worker's messages be heard between two slices of work. A MessageChannel, since
   timers are held to 4 ms and slowed further in background tabs. */

const channel = new MessageChannel();
const waiting: (() => void)[] = [];
channel.port1.onmessage = () => waiting.shift()!();

export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    channel.port2.postMessage(null);
  });
}
