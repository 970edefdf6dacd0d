"""Greedy tokens of the f32 reference graphs against those of the PyTorch models (greedy.json).

Decoder-only language models go through `brink generate`; speech models are driven step by step
through `brink run`: the encoder once, then the merged decoder, its cache handed on.
"""

import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper


def brink(command, *arguments):
    done = subprocess.run([command, *map(str, arguments), "--json"], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return json.loads(done.stdout)


def generate(command, folder, wanted):
    prompt = ",".join(map(str, wanted["prompt_ids"]))
    return brink(command, "generate", folder, "--exact", "--tokens", prompt,
                 "--max-tokens", len(wanted["greedy"]))["tokens"]


def run(command, model, inputs):
    with tempfile.TemporaryDirectory() as place:
        arguments = []
        for i, (name, array) in enumerate(inputs.items()):
            path = Path(place) / f"{i}.npy"
            np.save(path, array)
            arguments += ["--input", f"{name}={path}"]
        result = brink(command, "run", model, "--exact", *arguments, "--output-dir", place)
        return {o["name"]: np.load(os.path.join(place, o["file"])) for o in result["outputs"]}


def encoded(command, folder):
    proto = onnx.TensorProto()
    proto.ParseFromString((folder / "encoder_model/test_data_set_0/input_0.pb").read_bytes())
    model = folder / "encoder_model.onnx"
    name = onnx.load(model, load_external_data=False).graph.input[0].name
    return run(command, model, {name: numpy_helper.to_array(proto)})["last_hidden_state"]


def transcribe(command, folder, wanted):
    hidden = encoded(command, folder)
    model = folder / "decoder_model_merged.onnx"
    graph = onnx.load(model, load_external_data=False).graph
    past = {}
    for value in graph.input:
        if value.name.startswith("past_key_values"):
            dims = [d.dim_value for d in value.type.tensor_type.shape.dim]
            past[value.name] = np.zeros((1, dims[1], 0, dims[3]), np.float32)
    ids, tokens = wanted["decoder_prompt_ids"], []
    while len(tokens) < len(wanted["greedy"]):
        outputs = run(command, model, {
            "input_ids": np.array([ids], np.int64), "encoder_hidden_states": hidden, **past,
            "use_cache_branch": np.array([bool(tokens)])})
        for name in past:   # the cached branch gives dummies for the encoder's part
            present = outputs[name.replace("past_key_values", "present")]
            if ".encoder." not in name or not tokens:
                past[name] = present
        ids = [int(outputs["logits"][0, -1].argmax())]
        tokens += ids
    return tokens


def check(command, tree):
    """Counts of folders whose tokens are equal and not."""
    passed = wrong = 0
    for path in sorted(Path(tree).glob("**/greedy.json")):
        folder = path.parent
        wanted = json.loads(path.read_text())
        if "fp32" not in folder.name:
            continue    # quantised variants may part from the f32 weights' tokens
        if "prompt_ids" in wanted and (folder / "model.onnx").exists():
            drive = generate
        elif (folder / "decoder_model_merged.onnx").exists() and \
                (folder / "encoder_model/test_data_set_0").exists() and "image" not in path.read_text():
            drive = transcribe
        else:
            continue    # pictures and split decoders: their pipelines' own tests
        try:
            tokens = drive(command, folder, wanted)
            reason = "" if tokens == wanted["greedy"] else f"{tokens}, not {wanted['greedy']}"
        except RuntimeError as error:
            reason = str(error)
        passed, wrong = passed + (not reason), wrong + bool(reason)
        if reason:
            print(f"{folder.parent.name}/{folder.name}: greedy tokens: {reason}")
    print(f"{Path(tree).name}: greedy tokens equal those of the PyTorch model in {passed} of "
          f"{passed + wrong} f32 models")
    return passed, wrong
