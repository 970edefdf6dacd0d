#!/usr/bin/env python3
"""Writes docs/operators.md from src/onnx/ops.def; with --check says whether it is up to date."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "operators.md"
ROW = re.compile(r"^OP\((?!brink)(\w+), (\w+), (\d+), (\w+), (\w+), (\w+), (.*)\)$", re.M)
DOMAINS = {"onnx": "ai.onnx", "ms": "com.microsoft"}


def page():
    rows = ROW.findall((ROOT / "src/onnx/ops.def").read_text())
    lines = ["# Operators", "",
             "Made from `src/onnx/ops.def` by `scripts/operators.py`. A row is an operator from one "
             "opset on; a view moves nothing and needs no kernel.", "",
             f"{len({(d, n) for d, n, *_ in rows})} operators.", "",
             "| domain | operator | from opset | CPU | GPU |", "|---|---|---|---|---|"]
    for domain, name, since, _, kernel, gpu, flags in sorted(
            rows, key=lambda r: (r[0] != "onnx", r[1], int(r[2]))):
        view = "view" if "OP_VIEW" in flags else "planned" if "OP_CONTROL" in flags else ""
        lines.append(f"| {DOMAINS[domain]} | {name} | {since} | "
                     f"{view or ('yes' if kernel != 'none' else 'no')} | "
                     f"{view or ('yes' if gpu != 'none' else 'no')} |")
    return "\n".join(lines) + "\n"


def main():
    if sys.argv[1:] == ["--check"]:
        if not PAGE.exists() or PAGE.read_text() != page():
            print("docs/operators.md is not up to date: run scripts/operators.py")
            return 1
        return 0
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
