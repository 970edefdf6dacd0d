#!/usr/bin/env bash
# make fuzz: runs each target of tests/fuzz for the given number of inputs. A corpus in
# tests/fuzz/corpus/NAME is where it starts; new inputs stay in build/fuzz/corpus/NAME, and one
# that breaks something in build/fuzz/crash-*.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-20000}
cmake --preset fuzz --log-level=WARNING >/dev/null
cmake --build --preset fuzz -- --quiet
passed=0 failed=0
for target in tests/fuzz/*.c; do
    [ -e "$target" ] || { echo "no targets in tests/fuzz"; exit 0; }
    name=$(basename "$target" .c)
    seeds=tests/fuzz/corpus/$name
    mkdir -p "build/fuzz/corpus/$name"
    printf '%s: ' "$name"
    if "build/fuzz/fuzz/fuzz_$name" -runs="$runs" -max_len=65536 -timeout=20 -rss_limit_mb=2048 \
        -print_final_stats=0 -verbosity=0 -artifact_prefix="build/fuzz/crash-$name-" \
        "build/fuzz/corpus/$name" $([ -d "$seeds" ] && echo "$seeds") >"build/fuzz/$name.log" 2>&1; then
        echo "ok"
        passed=$((passed + 1))
    else
        echo "FAILED"
        tail -n 30 "build/fuzz/$name.log"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
