#!/usr/bin/env bash
# make clean: removes what was built; what setup fetched stays (archives, models, tools).
set -euo pipefail
cd "$(dirname "$0")/.."
[ -d build ] || exit 0
find build -mindepth 1 -maxdepth 1 \
    ! -name deps ! -name models ! -name stamps ! -name zig-cache -exec rm -rf {} +
