"""Wrong files give one clear error and leave nothing; no other exception ever escapes."""

import json
import struct

import numpy as np
import pytest
import tiny

from brinktools import cli
from brinktools.convert import convert
from brinktools.errors import BrinkError

ROUNDS = 250


@pytest.fixture(scope="module")
def gguf_bytes(tmp_path_factory):
    path = tmp_path_factory.mktemp("gguf") / "m.gguf"
    config, weights = tiny.tiny_model("llama")
    tiny.write_gguf(path, config, weights, ("Q4_1", "Q8_0"))
    return path.read_bytes()


def attempt(source, out):
    """Converts; True if it worked, False on a BrinkError. Whatever else happens fails the test."""
    try:
        convert(source, out, "q4")
        return True
    except BrinkError as error:
        assert str(source.name) in str(error) or str(source) in str(error)
        assert str(error).isprintable()
        return False


def test_truncated_gguf(tmp_path, gguf_bytes):
    whole = len(gguf_bytes)
    sizes = list(range(0, 2000, 23)) + list(range(2000, whole, whole // 60)) + [whole - 1]
    for i, size in enumerate(sizes):
        path = tmp_path / "m.gguf"
        path.write_bytes(gguf_bytes[:size])
        assert not attempt(path, tmp_path / f"out{i}"), f"{size} of {whole} bytes"
    assert [p.name for p in tmp_path.iterdir()] == ["m.gguf"]


def test_flipped_gguf(tmp_path, gguf_bytes):
    """Random bytes of the header changed: an error or a model, and never anything else."""
    rng = np.random.default_rng(11)
    header = gguf_bytes.index(b"blk.2.ffn_down.weight") + 60
    worked = 0
    for i in range(ROUNDS):
        data = bytearray(gguf_bytes)
        for at in rng.integers(0, header, rng.integers(1, 4)):
            data[at] = rng.choice([0, 1, 127, 128, 255, rng.integers(256)])
        path = tmp_path / "m.gguf"
        path.write_bytes(data)
        worked += attempt(path, tmp_path / f"out{i}")
    assert 0 < worked < ROUNDS, "both outcomes must have been seen"


@pytest.mark.parametrize("key, value", [
    ("hidden_size", -1), ("hidden_size", "64"), ("hidden_size", 1 << 40), ("hidden_size", 65),
    ("num_hidden_layers", 4), ("num_hidden_layers", 1 << 30), ("num_attention_heads", 3),
    ("num_key_value_heads", 3), ("head_dim", 31), ("head_dim", 1 << 30), ("vocab_size", 79),
    ("vocab_size", None), ("model_type", "mamba"), ("model_type", ["llama"]), ("hidden_act", "relu"),
    ("rope_theta", -5), ("rope_theta", "x"), ("rope_scaling", {"rope_type": "dynamic"}),
    ("rope_scaling", {"rope_type": "linear"}), ("rope_scaling", {"type": "linear", "factor": 0}),
    ("rope_scaling", [1]), ("rms_norm_eps", "x"), ("layer_types", ["full_attention"]),
    ("layer_types", ["chunked"] * 3), ("partial_rotary_factor", 0.5)])
def test_wrong_config(tmp_path, capsys, key, value):
    config, weights = tiny.tiny_model("llama")
    hub = tiny.write_hub(tmp_path / "hub", config | {key: value}, weights)
    assert cli.main(["convert", str(hub), str(tmp_path / "out"), "--precision", "q4"]) == 3
    out, error = capsys.readouterr()
    assert out == "" and len(error.splitlines()) == 1 and str(hub) in error
    assert [p.name for p in tmp_path.iterdir()] == ["hub"]


def test_flipped_safetensors(tmp_path):
    config, weights = tiny.tiny_model("llama")
    hub = tiny.write_hub(tmp_path / "hub", config, weights)
    path = hub / "model.safetensors"
    data = path.read_bytes()
    header = 8 + struct.unpack("<Q", data[:8])[0]
    rng = np.random.default_rng(4)
    worked = 0
    for i in range(ROUNDS):
        changed = bytearray(data)
        for at in rng.integers(0, header, rng.integers(1, 3)):
            changed[at] = rng.choice([ord("9"), ord("-"), 0, 255, rng.integers(256)])
        path.write_bytes(changed)
        worked += attempt(hub, tmp_path / f"out{i}")
    assert worked < ROUNDS
    for size in (0, 5, 8, header - 1, header, len(data) - 1):
        path.write_bytes(data[:size])
        assert not attempt(hub, tmp_path / "short")


def test_missing_pieces(tmp_path, capsys):
    config, weights = tiny.tiny_model("llama")
    for name in ("model.layers.1.mlp.up_proj.weight", "model.norm.weight",
                 "model.embed_tokens.weight"):
        hub = tiny.write_hub(tmp_path / name, config, {k: v for k, v in weights.items()
                                                       if k != name})
        with pytest.raises(BrinkError, match=name):
            convert(hub, tmp_path / "out", "q4")
    empty = tmp_path / "empty"
    empty.mkdir()
    for source in (empty, tmp_path / "absent", empty / "absent.gguf"):
        assert cli.main(["convert", str(source), str(tmp_path / "out"), "--precision", "q4"]) == 3
    (empty / "config.json").write_text("{")
    assert cli.main(["convert", str(empty), str(tmp_path / "out"), "--precision", "q4"]) == 3
    (empty / "config.json").write_text(json.dumps(config))
    assert cli.main(["convert", str(empty), str(tmp_path / "out"), "--precision", "q4"]) == 3
    assert all(line.startswith("brinktools: ") for line in capsys.readouterr().err.splitlines())
    assert not (tmp_path / "out").exists()


def test_usage(tmp_path, capsys):
    assert cli.main(["convert", "a", "b"]) == 2
    assert cli.main(["convert", "a", "b", "--precision", "q3"]) == 2
    assert cli.main(["convert", "a", "b", "--precision", "q4", "--context", "0"]) == 2
    assert cli.main([]) == 2
    assert capsys.readouterr().out == ""
