#!/usr/bin/env bash
# make conformance: every graph of the repository's fixtures and of BRINK_FIXTURES, against the
# reference outputs beside it.
set -euo pipefail
cd "$(dirname "$0")/.."
status=0
for tree in tests/fixtures/models "${BRINK_FIXTURES:-../shared/fixtures/models}"; do
    if [ ! -d "$tree" ]; then
        echo "conformance: $tree is not there, so its graphs are not checked (BRINK_FIXTURES names another place)"
        continue
    fi
    echo "conformance: $tree"
    build/brink check --tree "$tree" "$@" || status=1
done
exit $status
