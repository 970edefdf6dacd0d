#!/usr/bin/env bash
# make dist: the committed source as an archive, and the wasm modules with the public header.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(sed -n 's/^project(brink VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
out=build/dist
rm -rf "$out"
mkdir -p "$out/brink-wasm-$version"
git archive --format=tar --prefix="brink-$version/" HEAD | gzip -9n >"$out/brink-$version.tar.gz"
cp build/web/brink*.wasm include/brink.h LICENSE "$out/brink-wasm-$version/"
tar -C "$out" --sort=name --owner=0 --group=0 --numeric-owner \
    --mtime="@$(git log -1 --format=%ct)" -cf - "brink-wasm-$version" |
    gzip -9n >"$out/brink-wasm-$version.tar.gz"
rm -rf "$out/brink-wasm-$version"
(cd "$out" && sha256sum -- *.tar.gz | tee SHA256SUMS)
