/* firefox.mjs — starts headless Firefox for the tests, its WebGPU on Mesa's lavapipe. */
import puppeteer from "puppeteer-core";
import { need } from "./support.mjs";

export function launchFirefox() {
  return puppeteer.launch({
    browser: "firefox",
    executablePath: need(process.env.FIREFOX ?? "/usr/bin/firefox-esr", "install Debian's firefox-esr (make setup) or set FIREFOX"),
    headless: true,
    env: { ...process.env, VK_ICD_FILENAMES: "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json" },
    extraPrefsFirefox: { "dom.webgpu.enabled": true, "gfx.webgpu.ignore-blocklist": true },
    protocolTimeout: 600_000,
  });
}
