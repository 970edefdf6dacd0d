/* build.mjs — bundles the SDK (sdk/dist: index.js, worker.js, types) and the demo page's script
   (demo/dist). `--watch` keeps on building. The wasm files come from the engine's own build. */
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const web = dirname(fileURLToPath(import.meta.url));
const watch = process.argv.includes("--watch");
const common = {
  absWorkingDir: web,
  bundle: true,
  format: "esm",
  target: ["es2022"],
  sourcemap: true,
  legalComments: "none",
  logLevel: "warning",
};
// the page imports the SDK as a user's would, from the address where the server puts it
const servedSdk = {
  name: "served-sdk",
  setup(build) {
    build.onResolve({ filter: /^@brink\/web$/ }, () => ({ path: "./sdk/index.js", external: true }));
  },
};
const builds = [
  { ...common, entryPoints: ["sdk/src/index.ts", "sdk/src/worker.ts"], outdir: "sdk/dist", minifySyntax: true },
  { ...common, entryPoints: ["demo/page.ts"], outdir: "demo/dist", plugins: [servedSdk] },
];

rmSync(join(web, "sdk/dist"), { recursive: true, force: true });
if (watch) {
  for (const options of builds) await (await esbuild.context(options)).watch();
  console.log("watching");
} else {
  await Promise.all(builds.map((options) => esbuild.build(options)));
  const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin/tsc");
  const types = ["-p", "sdk/tsconfig.json", "--emitDeclarationOnly", "--declaration", "--outDir", "sdk/dist"];
  execFileSync(process.execPath, [tsc, "-p", "tsconfig.json", "--noEmit"], { cwd: web, stdio: "inherit" });
  execFileSync(process.execPath, [tsc, ...types], { cwd: web, stdio: "inherit" });
}
