#!/usr/bin/env python3
"""How far the logits of every causal fixture, of SmolLM2 and of Gemma lie from their references.

    tests/conformance/logits.py [--backend cpu|gpu]… [--tree DIR]… [--models NAME,…] [--markdown]

A fixture's references are its data sets (a prefill and a step with a cache); for the installed models
onnxruntime reads the same folder, asked for f32 activations, over three prompts and four steps each.
brink runs with --exact. The error is the largest difference over the largest logit of the set. The
last line is `N passed, N failed`, by the limits below.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

ROOT = Path(__file__).resolve().parent.parent.parent
BRINK = ROOT / os.environ.get("BRINK", "build/brink")
MODELS = ROOT / os.environ.get("BRINK_MODELS", "build/models")
# By kind, as the fixtures' meta.json has it: what rounding leaves, over the largest logit. Quantised
# fixtures were made with f32 activations, f16 ones by a runtime that computes in f32 in between.
LIMITS = {"fp32": 1e-4, "fp16": 1e-2, "q4": 1e-3, "q4f16": 3e-2, "int8dyn": 3e-2}
MODEL_LIMIT = 1e-3


def tensor(path):
    proto = onnx.TensorProto()
    proto.ParseFromString(path.read_bytes())
    return proto.name, numpy_helper.to_array(proto)


def fixtures(trees):
    """(family/variant, graph, kind) of every graph whose outputs hold logits."""
    for tree in trees:
        for meta in sorted(Path(tree).glob("*/*/meta.json")):
            for graph, about in json.loads(meta.read_text()).items():
                path = meta.parent / f"{graph}.onnx"
                names = [i[0] for i in about["inputs"]]
                causal = any(n.startswith("past_") for n in names) and "input_ids" in names
                if causal and any(o[0] == "logits" for o in about["outputs"]) and path.exists():
                    yield f"{meta.parent.parent.name}/{meta.parent.name}", path, about["kind"]


def error_of(path, place, backend):
    """The largest error over the graph's sets."""
    worst = 0.0
    with tempfile.TemporaryDirectory() as scratch:
        for case in sorted((place / path.stem).glob("test_data_set_*")):
            wanted = dict(tensor(p) for p in case.glob("output_*.pb"))["logits"].astype(np.float64)
            command = [BRINK, "run", path, "--exact", "--json", "--quiet", "--backend", backend,
                       "--output-dir", scratch]
            for file in sorted(case.glob("input_*.pb")):
                command += ["--input", f"{tensor(file)[0]}={file}"]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode != 0:
                raise RuntimeError(done.stderr.strip().splitlines()[-1])
            output = next(o for o in json.loads(done.stdout)["outputs"] if o["name"] == "logits")
            got = np.load(Path(scratch) / output["file"]).astype(np.float64)
            if got.shape != wanted.shape or not np.isfinite(got).all():
                return float("inf")
            worst = max(worst, float(np.abs(got - wanted).max() / np.abs(wanted).max()))
    return worst


def model_error(name, backend):
    sys.path.insert(0, str(ROOT / "bench"))
    import logits

    prompts = [[(17 * i + 31 * p) % 40000 + 300 for i in range(length)]
               for p, length in enumerate(logits.LENGTHS)]
    result = logits.compare(name, prompts, backend)
    return result["max_abs"] / result["largest_logit"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--backend", action="append")
    parser.add_argument("--tree", action="append")
    parser.add_argument("--models", default="smollm2,gemma3")
    parser.add_argument("--markdown", action="store_true")
    asked = parser.parse_args()
    backends = asked.backend or ["cpu"]
    rows = [(name, kind, LIMITS[kind], lambda b, p=path: error_of(p, p.parent, b))
            for name, path, kind in fixtures(asked.tree or [ROOT / "tests/fixtures/models"])]
    for name in filter(None, asked.models.split(",")):
        if (MODELS / name / "model.onnx").exists():
            rows.append((name, "installed", MODEL_LIMIT, lambda b, n=name: model_error(n, b)))
        else:
            print(f"{name} is not installed: brink models get {name}", file=sys.stderr)
    if asked.markdown:
        print(f"| model | kind | limit | {' | '.join(backends)} |\n|{'---|' * (3 + len(backends))}")
    passed = failed = 0
    for name, kind, limit, error in rows:
        cells = []
        for backend in backends:
            try:
                value = error(backend)
                cells.append(f"{value:.1e}")
                fine = value <= limit
            except (RuntimeError, subprocess.CalledProcessError) as problem:
                cells.append(str(problem))
                fine = False
            passed += fine
            failed += not fine
        line = [name, kind, f"{limit:.0e}", *cells]
        print(f"| {' | '.join(line)} |" if asked.markdown else "  ".join(line), flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
