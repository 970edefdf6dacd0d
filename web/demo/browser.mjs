/* browser.mjs — starts headless Chromium with a fresh profile for the demonstration and the tests. */
import { accessSync, constants } from "node:fs";
import { chromium } from "playwright-core";

const args = [
  "--headless",
  "--no-sandbox",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** The browser's path: $CHROMIUM, or Debian's. Throws a plain sentence when it is not there. */
export function chromiumPath() {
  const path = process.env.CHROMIUM ?? "/usr/bin/chromium";
  try {
    accessSync(path, constants.X_OK);
  } catch {
    throw new Error(`${path} is not there: install Debian's chromium (make setup) or set CHROMIUM to the browser's path`);
  }
  return path;
}

/** WebGPU without a GPU: on Chromium's own Vulkan, which computes on the CPU. */
export const softwareGpu = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];

/** A browser without a profile of its own: playwright gives each launch a new, empty one. */
export function launchBrowser(more = []) {
  return chromium.launch({ executablePath: chromiumPath(), headless: true, args: [...args, ...more] });
}
