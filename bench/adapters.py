"""What a LoRA adapter costs: a token with one beside a token without, and the swap from one to another.

    python bench/adapters.py [MODEL] [--rank 16] [--backend cpu|gpu] [--rounds 5] [--tokens 64]

Two random adapters on all projections; runs alternate in one process, medians are taken.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from safetensors.numpy import save_file

ROOT = Path(__file__).resolve().parent.parent
DRIVER = Path(os.environ.get("BRINK_BUILD", ROOT / "build/release")) / "tests/adapters_driver"


def write_adapter(folder, model, rank, seed):
    """PEFT's files for every product that the model's map names; the bytes of its matrices in f16."""
    graph = onnx.load(model / "model.onnx", load_external_data=False).graph
    nodes = {n.name: n for n in graph.node}
    shapes = {t.name: list(t.dims) for t in graph.initializer}
    rng, tensors = np.random.default_rng(seed), {}
    for module, place in json.loads((model / "brink_modules.json").read_text())["modules"].items():
        node = nodes[place["node"]]
        sizes = {a.name: a.i for a in node.attribute}
        if "_proj" not in module:
            continue
        k, n = (sizes["K"], sizes["N"]) if node.op_type == "MatMulNBits" else shapes[place["weights"][0]]
        for part, shape in (("A", (rank, k)), ("B", (n, rank))):
            tensors[f"base_model.model.{module}.lora_{part}.weight"] = (
                rng.standard_normal(shape) * 0.01).astype("f2")
    folder.mkdir()
    save_file(tensors, str(folder / "adapter_model.safetensors"))
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": rank, "lora_alpha": rank}))
    return sum(t.nbytes for t in tensors.values())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", nargs="?", default=ROOT / "build/models/smollm2", type=Path)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--precision", default="fast")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=64)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        size = write_adapter(scratch / "a", options.model, options.rank, 1)
        write_adapter(scratch / "b", options.model, options.rank, 2)
        runs = ["base", scratch / "a", scratch / "b"] * (options.rounds + 1)
        done = subprocess.run([DRIVER, options.model, options.backend, options.precision,
                               ",".join(str(i) for i in range(10, 138)), str(-options.tokens), *map(str, runs)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True)
    rows = np.array([[float(x) for x in line.split()] for line in done.stderr.splitlines()[-len(runs):]])[3:]
    base, with_a, with_b = rows[0::3], rows[1::3], rows[2::3]
    decode = [statistics.median(a[i, 2] / b[i, 2] for i in range(len(b))) - 1
              for a, b in ((with_a, base), (with_b, base))]
    prefill = statistics.median(with_a[:, 1] / base[:, 1]) - 1
    result = {"model": options.model.name, "backend": options.backend, "rank": options.rank,
              "adapter_mb": round(size / 1e6, 2), "token_us_base": round(statistics.median(base[:, 2]), 1),
              "decode_overhead": round(statistics.mean(decode), 3), "prefill_overhead": round(prefill, 3),
              "swap_us": round(statistics.median([*with_a[:, 0], *with_b[:, 0]]), 1),
              "begin_us_base": round(statistics.median(base[:, 0]), 1)}
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
