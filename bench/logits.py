"""Are brink's logits onnxruntime's? On the same converted folder, in --exact, within 1e-3.

Both get the same values: a prompt, then single tokens (onnxruntime's greedy choice) over the keys
and values that each computed itself. The graphs ask for 8-bit activations (accuracy_level 4);
onnxruntime is given a copy that asks for f32 (1), as --exact does in brink. Every position counts.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

ROOT = Path(__file__).resolve().parent.parent
LIMIT, STEPS, LENGTHS = 1e-3, 4, (64, 17, 5)
BRINK = ROOT / os.environ.get("BRINK", "build/brink")
MODELS = ROOT / os.environ.get("BRINK_MODELS", "build/models")


def f32_session(folder: Path, scratch: Path) -> onnxruntime.InferenceSession:
    graph = onnx.load(folder / "model.onnx", load_external_data=False)
    for node in graph.graph.node:
        for attribute in node.attribute:
            if attribute.name == "accuracy_level":
                attribute.i = 1
    onnx.save(graph, scratch / "model.onnx")
    for data in folder.glob("model.onnx?*"):
        shutil.copy(data, scratch)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        scratch / "model.onnx", options, providers=["CPUExecutionProvider"]
    )


def brink_run(
    folder: Path, scratch: Path, feeds: dict[str, np.ndarray], backend: str
) -> dict[str, np.ndarray]:
    command = [BRINK, "run", folder / "model.onnx", "--exact", "--json", "--quiet"]
    command += ["--backend", backend]
    for i, (name, value) in enumerate(feeds.items()):
        np.save(scratch / f"input{i}.npy", value)
        command += ["--input", f"{name}={scratch / f'input{i}.npy'}"]
    done = subprocess.run(
        [*command, "--output-dir", scratch / "out"], check=True, stdout=subprocess.PIPE
    )
    outputs = json.loads(done.stdout)["outputs"]
    return {o["name"]: np.load(path(o["file"], scratch / "out")) for o in outputs}


def path(file: str, folder: Path) -> Path:
    return Path(file) if Path(file).exists() else folder / file


def feeds_for(session, ids, past: dict[str, np.ndarray] | None, length: int):
    feeds = {}
    for value in session.get_inputs():
        dtype = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}.get(value.type)
        if value.name == "input_ids":
            feeds[value.name] = np.array([ids], dtype)
        elif value.name == "attention_mask":
            feeds[value.name] = np.ones((1, length + len(ids)), dtype)
        elif value.name == "position_ids":
            feeds[value.name] = np.arange(length, length + len(ids), dtype=dtype)[None]
        elif past is None:
            _, heads, _, size = value.shape
            kind = np.float16 if value.type == "tensor(float16)" else np.float32
            feeds[value.name] = np.zeros((1, heads, 0, size), kind)
        else:
            feeds[value.name] = past[value.name.replace("past_key_values", "present")]
    return feeds


def compare(name: str, prompts: list[list[int]], backend: str = "cpu") -> dict:
    folder = MODELS / name
    worst, largest, positions, greedy = 0.0, 0.0, 0, 0
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        session = f32_session(folder, scratch)
        names = [o.name for o in session.get_outputs()]
        for ids in prompts:
            ours = theirs = None
            length = 0
            for _ in range(1 + STEPS):
                theirs = dict(zip(names, session.run(None, feeds_for(session, ids, theirs, length))))
                ours = brink_run(folder, scratch, feeds_for(session, ids, ours, length), backend)
                a, b = ours["logits"].astype(np.float64), theirs["logits"].astype(np.float64)
                if a.shape != b.shape or not np.isfinite(a).all():
                    raise SystemExit(f"{name}: logits {a.shape}, onnxruntime's {b.shape}, or not finite")
                worst = max(worst, float(np.abs(a - b).max()))
                largest = max(largest, float(np.abs(b).max()))
                positions += a.shape[1]
                greedy += int((a.argmax(-1) == b.argmax(-1)).sum())
                length += len(ids)
                ids = [int(b[0, -1].argmax())]
    return {"max_abs": worst, "largest_logit": largest, "positions": positions, "same_argmax": greedy}


def main() -> int:
    agreement = json.loads((ROOT / "build/bench/prompts.json").read_text())["agreement"]
    results, failed = {}, False
    for name in ("smollm2", "gemma3"):
        if not (MODELS / name / "model.onnx").exists():
            print(f"{name:8}  not installed: brink models get {name}")
            continue
        # ids are SmolLM2's: below 49,152 they are tokens of any of these vocabularies
        prompts = [agreement[i][:length] for i, length in enumerate(LENGTHS)]
        r = results[name] = compare(name, prompts)
        passed = r["max_abs"] <= LIMIT
        failed |= not passed
        print(
            f"{name:8}  {'passes' if passed else 'FAILS'}: logits differ by at most {r['max_abs']:.1e} "
            f"(limit {LIMIT:.0e}, largest logit {r['largest_logit']:.0f}) over {r['positions']} "
            f"positions of {len(prompts)} prompts; argmax equal at {r['same_argmax']}"
        )
    report = {"suite": "logits", "limit": LIMIT, "onnxruntime": onnxruntime.__version__, "results": results}
    (ROOT / "build/bench/logits.json").write_text(json.dumps(report, indent=1) + "\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
