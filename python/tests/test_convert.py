"""Converted models, run by onnxruntime, against the architectures in plain numpy."""

import json

import numpy as np
import onnx
import pytest
import reference
import tiny

from brinktools.blocks import quantize
from brinktools.convert import convert
from brinktools.errors import BrinkError

IDS = [3, 17, 5, 5, 42, 8, 61, 2, 30, 11]


def check(folder, config, weights, tolerance, exact=True):
    """A prefill of seven tokens and three single steps against the whole sequence at once."""
    want = reference.logits(config, weights, np.array(IDS))
    session = tiny.open_session(folder, exact)
    got, past = tiny.run(session, IDS[:7])
    for token in IDS[7:]:
        step, past = tiny.run(session, [token], past)
        got = np.concatenate([got, step])
    assert got.shape == want.shape
    assert np.abs(want).max() > 0.5, "logits near zero would compare equal to anything"
    assert np.abs(got - want).max() <= tolerance * np.abs(want).max()


@pytest.mark.parametrize("family", tiny.FAMILIES)
@pytest.mark.parametrize("tied", [True, False])
def test_safetensors_f32(tmp_path, family, tied):
    config, weights = tiny.tiny_model(family, tied=tied)
    convert(tiny.write_hub(tmp_path / "hub", config, weights), tmp_path / "out", "f32")
    check(tmp_path / "out", config, weights, 2e-5)


@pytest.mark.parametrize("family", tiny.FAMILIES)
@pytest.mark.parametrize("precision, tolerance", [("q8", 2e-5), ("q4", 2e-5), ("f16", 2e-2),
                                                  ("q4f16", 3e-2)])
def test_safetensors_rounded(tmp_path, family, precision, tolerance):
    """Rounded weights are what is compared with, so that only the graph can differ."""
    config, weights = tiny.tiny_model(family)
    convert(tiny.write_hub(tmp_path / "hub", config, weights), tmp_path / "out", precision)
    if precision.startswith("q"):
        for name, value in weights.items():
            if value.ndim == 2:
                bits = 8 if precision == "q8" or "embed" in name else 4
                weights[name] = quantize(value, bits).dequantize()[:, :value.shape[1]]
    check(tmp_path / "out", config, weights, tolerance)


@pytest.mark.parametrize("family", tiny.FAMILIES)
@pytest.mark.parametrize("kinds, hidden", [
    (("Q4_0",), 64), (("Q4_1",), 64), (("Q5_0", "Q8_0"), 64),
    (("Q8_0", "Q4_1", "Q5_0", "Q4_0"), 64), (("Q6_K", "Q4_K"), 256), (("Q4_K", "Q6_K"), 256)])
@pytest.mark.parametrize("precision", ["q4", "q4f16", "f32"])
def test_gguf(tmp_path, family, kinds, hidden, precision):
    """Blocks are carried over: the result is that of GGUF's own dequantised weights."""
    config, weights = wide_model(family) if hidden == 256 else tiny.tiny_model(family)
    config["query_pre_attn_scalar"] = config["head_dim"]  # what GGUF implies
    if family == "gemma3_text":
        config["layer_types"] = ["sliding_attention"] * 3  # every sixth layer is full
    stored = tiny.write_gguf(tmp_path / "m.gguf", config, weights, kinds)
    convert(tmp_path / "m.gguf", tmp_path / "out", precision)
    check(tmp_path / "out", config, stored, 3e-2 if precision == "q4f16" else 2e-5)


@pytest.mark.parametrize("kind", ["F32", "F16"])
def test_gguf_float(tmp_path, kind):
    config, weights = tiny.tiny_model("llama")
    stored = tiny.write_gguf(tmp_path / "m.gguf", config, weights, (kind,))
    convert(tmp_path / "m.gguf", tmp_path / "out", "f32")
    check(tmp_path / "out", config, stored, 2e-5)


def wide_model(family):
    """hidden 256 and heads * head_dim 256, as blocks of 256 need."""
    config, weights = tiny.tiny_model(family, 256, 256)
    rng = np.random.default_rng(5)
    config["num_attention_heads"], config["num_key_value_heads"], config["head_dim"] = 8, 2, 32
    for name in list(weights):
        if "q_proj.weight" in name or "o_proj.weight" in name:
            weights[name] = (rng.standard_normal((256, 256)) / 16).astype(np.float32)
        if "q_proj.bias" in name:
            weights[name] = rng.random(256).astype(np.float32)
    return config, weights


def test_layout(tmp_path):
    """The names, types and alignment that readers of the layout rely on."""
    config, weights = tiny.tiny_model("llama")
    tiny.write_gguf(tmp_path / "m.gguf", config, weights, ("Q8_0", "Q4_1"))
    convert(tmp_path / "m.gguf", tmp_path / "out", "q4")
    names = {p.name for p in (tmp_path / "out").iterdir()}
    assert names == {"model.onnx", "model.onnx.data", "config.json", "genai_config.json",
                     "tokenizer.json", "tokenizer_config.json", "generation_config.json",
                     "brink_modules.json"}
    model = onnx.load(str(tmp_path / "out/model.onnx"), load_external_data=False)
    size = (tmp_path / "out/model.onnx.data").stat().st_size
    for weight in model.graph.initializer:
        place = {e.key: e.value for e in weight.external_data}
        assert place["location"] == "model.onnx.data"
        assert int(place["offset"]) % 64 == 0
        assert int(place["offset"]) + int(place["length"]) <= size
    nodes = {node.name: node for node in model.graph.node}
    assert len(nodes) == len(model.graph.node)
    products = [n for n in model.graph.node if n.op_type == "MatMulNBits"]
    assert len(products) == 3 * 7 + 1
    assert all(a.i == 4 for n in products for a in n.attribute if a.name == "accuracy_level")
    assert "/model/layers.0/attn/q_proj/MatMulNBits" in nodes
    assert [i.name for i in model.graph.input][:3] == ["input_ids", "attention_mask",
                                                       "past_key_values.0.key"]
    modules = json.loads((tmp_path / "out/brink_modules.json").read_text())["modules"]
    stored = {weight.name for weight in model.graph.initializer}
    assert len(modules) == 3 * 7 + 2
    for entry in modules.values():
        assert entry["node"] in nodes and set(entry["weights"]) <= stored
    head, gather = modules["lm_head"], modules["model.embed_tokens"]
    assert head["weights"] == gather["weights"], "a tied table is stored once"
    assert nodes[gather["node"]].op_type == "GatherBlockQuantized"


def test_context_bounds_the_rotary_tables(tmp_path):
    config, weights = tiny.tiny_model("llama")
    hub = tiny.write_hub(tmp_path / "hub", config, weights)
    convert(hub, tmp_path / "out", "f32", context=32)
    written = json.loads((tmp_path / "out/genai_config.json").read_text())
    assert written["model"]["context_length"] == 32
    assert json.loads((tmp_path / "out/config.json").read_text())["max_position_embeddings"] == 32


def test_existing_folder_is_left_alone(tmp_path):
    config, weights = tiny.tiny_model("llama")
    hub = tiny.write_hub(tmp_path / "hub", config, weights)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").write_text("x")
    with pytest.raises(BrinkError, match="already there"):
        convert(hub, tmp_path / "out", "f32")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine"]
