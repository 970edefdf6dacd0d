"""Published exports of the same architectures: their weights, converted here, give their outputs.

The full set lies outside the repository: BRINK_FIXTURES, by default shared/fixtures/models beside
it. Where it is absent these tests are reported as skipped with that reason.
"""

import json
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
import tiny
from onnx import numpy_helper

from brinktools.config import Rope, decoder_from_config
from brinktools.convert import convert
from brinktools.rope import rope_tables

FIXTURES = Path(os.environ.get("BRINK_FIXTURES")
                or Path(__file__).resolve().parents[3] / "shared/fixtures/models")
needs_fixtures = pytest.mark.skipif(not FIXTURES.is_dir(), reason=f"no fixtures at {FIXTURES}")


def fixture_weights(folder, config):
    """The hub's names for the weights of a genai_fp32 fixture."""
    model = onnx.load(str(folder / "model.onnx"))
    stored = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    gemma = config["model_type"] == "gemma3_text"
    heads, kv, size = (config["num_attention_heads"], config["num_key_value_heads"],
                       config.get("head_dim", config["hidden_size"]
                                  // config["num_attention_heads"]))
    weights = {"model.embed_tokens.weight": stored["lm_head.MatMul.weight"].T}
    for name, value in stored.items():
        if name.endswith("qkv_proj.MatMul.weight") or name.endswith("qkv_proj.Add.bias"):
            parts = np.split(value, [heads * size, (heads + kv) * size], axis=-1)
            for part, piece in zip("qkv", parts):
                layer = name.split(".attn.")[0]
                kind = "bias" if name.endswith("bias") else "weight"
                weights[f"{layer}.self_attn.{part}_proj.{kind}"] = piece.T
        elif name.startswith("model.") and name.endswith(".MatMul.weight"):
            weights[name.replace(".attn.", ".self_attn.").replace(".MatMul", "")] = value.T
        elif name.startswith("model.") and "norm" in name:
            plain = name.replace(".attn.", ".self_attn.").replace("norm.layernorm", "norm")
            if "final_norm" in plain:
                plain = "model.norm.weight"
            weights[plain] = value - 1 if gemma else value
    return {name: np.ascontiguousarray(value) for name, value in weights.items()}


@needs_fixtures
@pytest.mark.parametrize("family", ["llama", "qwen2", "gemma3"])
def test_fixture_outputs(tmp_path, family):
    folder = FIXTURES / family / "genai_fp32"
    config = json.loads((folder / "config.json").read_text())
    hub = tiny.write_hub(tmp_path / "hub", config, fixture_weights(folder, config))
    convert(hub, tmp_path / "out", "f32")
    session = tiny.open_session(tmp_path / "out")
    sets = sorted((folder / "model").glob("test_data_set_*"))
    assert len(sets) >= 2
    for data in sets:
        def tensors(kind):
            found = {}
            for path in data.glob(f"{kind}_*.pb"):
                proto = onnx.load_tensor(str(path))
                found[proto.name] = numpy_helper.to_array(proto)
            return found
        want = tensors("output")
        got = session.run(list(want), tensors("input"))
        assert len(want) >= 5
        for (name, expected), value in zip(want.items(), got):
            np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-4, err_msg=name)


@needs_fixtures
def test_llama3_scaling_is_the_fixtures():
    folder = FIXTURES / "llama/genai_fp32"
    config = json.loads((folder / "config.json").read_text())
    decoder = decoder_from_config(config, "config.json")
    assert decoder.rope.scaling["rope_type"] == "llama3"
    model = onnx.load(str(folder / "model.onnx"))
    stored = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    cos, sin = rope_tables(decoder.rope, decoder.head_dim, decoder.context, "config.json")
    np.testing.assert_allclose(cos, stored["cos_cache"], atol=2e-5)
    np.testing.assert_allclose(sin, stored["sin_cache"], atol=2e-5)


def test_linear_scaling_slows_every_frequency():
    cos, _ = rope_tables(Rope(10000.0), 8, 16, "x")
    slow, _ = rope_tables(Rope(10000.0, {"rope_type": "linear", "factor": 4.0}), 8, 16, "x")
    np.testing.assert_allclose(slow[::4], cos[:4], atol=1e-7)


def test_yarn_keeps_fast_and_slows_slow_frequencies():
    scaling = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 4096}
    gain = 0.1 * np.log(4.0) + 1
    cos, _ = rope_tables(Rope(10000.0), 128, 64, "x")
    mixed, _ = rope_tables(Rope(10000.0, scaling), 128, 64, "x")
    slow, _ = rope_tables(Rope(10000.0, {"rope_type": "linear", "factor": 4.0}), 128, 64, "x")
    np.testing.assert_allclose(mixed[:, 0], cos[:, 0] * gain, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(mixed[:, -1], slow[:, -1] * gain, rtol=1e-5, atol=1e-6)


def test_frequency_factors_divide():
    factors = np.array([1, 2, 4, 8], np.float32)
    cos, _ = rope_tables(Rope(10000.0), 8, 64, "x", factors)
    plain, _ = rope_tables(Rope(10000.0), 8, 64, "x")
    np.testing.assert_allclose(cos[::8][:8, 3], plain[:8, 3], atol=1e-6)
