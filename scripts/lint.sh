#!/usr/bin/env bash
# make lint: clang-format in check mode over our C, then clang-tidy over src/ and cli/ as the asan
# preset compiles them (clang-tidy wants clang's flags). With --fix clang-format rewrites the files
# instead, and nothing else is done.
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -t files < <(find include src cli web/native tests bench -path '*/node_modules' -prune -o \
    -type f \( -name '*.c' -o -name '*.h' \) -print 2>/dev/null | sort)
if [ "${1-}" = --fix ]; then
    clang-format-19 -i "${files[@]}"
    exit
fi
clang-format-19 --dry-run -Werror "${files[@]}"
cmake --preset asan --log-level=WARNING >/dev/null
mapfile -t compiled < <(.venv/bin/python -c '
import json, os
root = os.getcwd() + "/"
for entry in json.load(open("build/asan/compile_commands.json")):
    path = entry["file"].removeprefix(root)
    if path.startswith(("src/", "cli/")):
        print(path)' | sort -u)
printf '%s\n' "${compiled[@]}" |
    xargs -P "$(nproc)" -n 4 clang-tidy-19 -p build/asan --quiet --warnings-as-errors='*' \
        2> >(grep -v -E '^[0-9]+ warnings? (generated|treated)|^Suppressed|^Use -header-filter|^$' >&2)
echo "lint: ${#files[@]} files formatted, ${#compiled[@]} files checked"
