#!/usr/bin/env bash
# make fuzz: runs each target of tests/fuzz for the given number of inputs; those that run the whole
# engine, a template or a schema, far slower than the readers, for a tenth of it. tests/fuzz/corpus/NAME is
# where one starts, with the seeds that tests/fuzz/seeds.py makes; new inputs stay in
# build/fuzz/corpus/NAME, and one that breaks something in build/fuzz/crash-*.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-20000}
cmake --preset fuzz --log-level=WARNING >/dev/null
cmake --build --preset fuzz -- --quiet
if [ -x .venv/bin/python ]; then .venv/bin/python tests/fuzz/seeds.py; fi
passed=0 failed=0
for target in tests/fuzz/*.c; do
    [ -e "$target" ] || { echo "no targets in tests/fuzz"; exit 0; }
    name=$(basename "$target" .c)
    case $name in graph | schema | template) count=$((runs / 10)) ;; *) count=$runs ;; esac
    mkdir -p "build/fuzz/corpus/$name"
    folders=("build/fuzz/corpus/$name")
    for folder in "tests/fuzz/corpus/$name" "build/fuzz/seeds/$name"; do
        if [ -d "$folder" ]; then folders+=("$folder"); fi
    done
    printf '%s: ' "$name"
    if ASAN_OPTIONS=allocator_may_return_null=1 "build/fuzz/fuzz/fuzz_$name" -runs="$count" \
        -seed=1 -entropic=0 -max_len=4096 -timeout=20 -rss_limit_mb=2048 -verbosity=0 \
        -artifact_prefix="build/fuzz/crash-$name-" "${folders[@]}" >"build/fuzz/$name.log" 2>&1; then
        echo "ok, $count inputs"
        passed=$((passed + 1))
    else
        echo "FAILED"
        tail -n 30 "build/fuzz/$name.log"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
