#!/usr/bin/env bash
# make conformance: the reference graphs of the repository and of BRINK_FIXTURES, the ONNX package's
# own cases, and packaged models against onnxruntime (fetched when they are not there yet).
set -uo pipefail
cd "$(dirname "$0")/.."
status=0
.venv/bin/python tests/conformance/onnx_cases.py --write-page || status=1
tests/conformance/run "$@" || status=1
tests/real/run --get || status=1
exit $status
