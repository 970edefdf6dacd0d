/* lossy_gpu.mjs — runs in the engine's worker before it. On the channel "gpu" it is told a list of moments
   [call, count], one after another: the newest device is destroyed right after that many calls of the queue's
   `call`, at once where count is 0. It answers "armed", and "destroyed" each time. */
const channel = new BroadcastChannel("gpu");
channel.unref?.(); // Node need not wait for it
let device;
let moments = [];

function destroy() {
  moments.shift();
  device.destroy();
  channel.postMessage("destroyed");
}

const { requestDevice } = GPUAdapter.prototype;
GPUAdapter.prototype.requestDevice = async function (...options) {
  return (device = await requestDevice.apply(this, options));
};
for (const call of ["submit", "writeBuffer"]) {
  const original = GPUQueue.prototype[call];
  GPUQueue.prototype[call] = function (...values) {
    original.apply(this, values);
    if (moments[0]?.[0] === call && --moments[0][1] === 0) destroy();
  };
}
channel.onmessage = ({ data }) => {
  if (typeof data !== "object") return;
  moments = data;
  if (moments[0]?.[1] === 0) destroy();
  channel.postMessage("armed");
};
