"""Is speed paid for in accuracy? Perplexity of brink, fast and exact, beside llama.cpp's.

The text is the beginnings of six clinical visits (data/aci-bench, CC BY 4.0; see data/README.md), 512
tokens each, and the perplexity is over every token but a window's first. llama.cpp reads the GGUF
file that brink's folder is converted from. Brink's logits come from `brink run` on the decoder with
no past: all positions of a window at once, with 8-bit activations ("fast", the default) and with f32
ones ("exact"). Fast is to be within 1 % of llama.cpp, which quantises activations as well.
"""

import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx

ROOT = Path(__file__).resolve().parent.parent
BRINK = ROOT / os.environ.get("BRINK", "build/brink")
MODEL = os.environ.get("BENCH_MODEL", "smollm2")
FOLDER = ROOT / os.environ.get("BRINK_MODELS", "build/models") / MODEL
LIMIT = 0.01
TYPES = {onnx.TensorProto.FLOAT: "f4", onnx.TensorProto.FLOAT16: "f2",
         onnx.TensorProto.INT64: "i8", onnx.TensorProto.INT32: "i4"}


def feeds(inputs, ids: list[int]) -> dict[str, np.ndarray]:
    made = {}
    for value in inputs:
        kind = TYPES[value.type.tensor_type.elem_type]
        dims = value.type.tensor_type.shape.dim
        if value.name == "input_ids":
            made[value.name] = np.array([ids], kind)
        elif value.name == "attention_mask":
            made[value.name] = np.ones((1, len(ids)), kind)
        elif value.name == "position_ids":
            made[value.name] = np.arange(len(ids), dtype=kind)[None]
        else:
            made[value.name] = np.zeros((1, dims[1].dim_value, 0, dims[3].dim_value), kind)
    return made


def brink_logs(inputs, ids: list[int], scratch: Path, *options: str) -> list[float]:
    command = [BRINK, "run", FOLDER / "model.onnx", "--json", "--quiet", *options]
    for i, (name, value) in enumerate(feeds(inputs, ids).items()):
        np.save(scratch / f"input{i}.npy", value)
        command += ["--input", f"{name}={scratch / f'input{i}.npy'}"]
    done = subprocess.run([*command, "--output-dir", scratch], check=True, stdout=subprocess.PIPE)
    file = next(o["file"] for o in json.loads(done.stdout)["outputs"] if o["name"] == "logits")
    file = Path(file) if Path(file).exists() else scratch / file
    logits = np.load(file)[0, :-1].astype(np.float64)
    logits -= logits.max(-1, keepdims=True)
    logs = logits[np.arange(len(ids) - 1), ids[1:]] - np.log(np.exp(logits).sum(-1))
    return logs.tolist()


def llama_logs(windows: list[list[int]]) -> list[list[float]]:
    command = ["node", ROOT / "bench/accuracy_llama.mjs", ROOT / f"build/bench/{MODEL}.gguf",
               str(os.cpu_count())]
    text = "".join(f"{json.dumps(ids)}\n" for ids in windows)
    done = subprocess.run(command, input=text, check=True, stdout=subprocess.PIPE, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def perplexity(logs: list[list[float]]) -> float:
    every = [x for window in logs for x in window]
    return math.exp(-sum(every) / len(every))


def main() -> int:
    # ids are SmolLM2's: below 49,152 they are tokens of any of these vocabularies, of one only words
    windows = json.loads((ROOT / "build/bench/prompts.json").read_text())["accuracy"]
    windows = windows[: int(os.environ.get("BENCH_WINDOWS", len(windows)))]
    inputs = onnx.load(FOLDER / "model.onnx", load_external_data=False).graph.input
    logs = {"llama.cpp": llama_logs(windows), "fast": [], "exact": []}
    with tempfile.TemporaryDirectory() as scratch:
        for ids in windows:
            logs["fast"].append(brink_logs(inputs, ids, Path(scratch)))
            logs["exact"].append(brink_logs(inputs, ids, Path(scratch), "--exact"))
    found = {side: perplexity(values) for side, values in logs.items()}
    positions = sum(len(ids) - 1 for ids in windows)
    title = f"{MODEL}: perplexity over {positions} positions, brink / llama.cpp"
    print(title)
    figures, passed = [], True
    for mode in ("fast", "exact"):
        ratio = found[mode] / found["llama.cpp"]
        ok = ratio <= 1 + LIMIT
        passed &= ok
        print(f"  {mode:5}  {found[mode]:.3f} / {found['llama.cpp']:.3f} = {ratio:.4f}  "
              f"(at most {1 + LIMIT}: {'reached' if ok else 'missed'})")
        figures.append({"what": f"perplexity, {mode}", "better": "lower", "target": 1 + LIMIT,
                        "peer": "llama.cpp", "ratio": ratio,
                        "medians": {"brink": found[mode], "llama.cpp": found["llama.cpp"]}})
    suite = "accuracy" if MODEL == "smollm2" else f"accuracy-{MODEL}"
    report = {"suite": suite, "groups": [{"title": title, "figures": figures}], "perplexity": found}
    (ROOT / f"build/bench/{suite}.json").write_text(json.dumps(report, indent=1) + "\n")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
