#!/usr/bin/env bash
# make wasm: the named presets, then the size of each module as it is and as brotli serves it.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p build/web
for preset in "$@"; do
    [ -f "build/$preset/build.ninja" ] || cmake --preset "$preset" >"build/$preset.log" 2>&1 ||
        { cat "build/$preset.log" >&2; exit 1; }
    # wasm-opt may have come since
    if [ -e web/node_modules/.bin/wasm-opt ] && ! grep -q wasm-opt "build/$preset/build.ninja"; then
        cmake --preset "$preset" >"build/$preset.log" 2>&1
    fi
    echo "wasm: $preset"
    cmake --build --preset "$preset" -- --quiet
done
node -e '
const fs = require("fs"), zlib = require("zlib");
for (const name of fs.readdirSync("build/web").filter((n) => n.endsWith(".wasm"))) {
  const data = fs.readFileSync("build/web/" + name);
  const brotli = zlib.brotliCompressSync(data, {
    params: { [zlib.constants.BROTLI_PARAM_SIZE_HINT]: data.length } });
  console.log(`${name.padEnd(28)} ${(data.length / 1000).toFixed(0).padStart(6)} kB` +
    ` ${(brotli.length / 1000).toFixed(0).padStart(6)} kB brotli`);
}'
