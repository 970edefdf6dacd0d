#!/usr/bin/env bash
# make conformance: the reference graphs of the repository and of BRINK_FIXTURES.
set -euo pipefail
cd "$(dirname "$0")/.."
exec tests/conformance/run "$@"
