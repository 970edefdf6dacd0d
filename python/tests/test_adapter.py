"""A LoRA adapter merged into the weights equals the base model with those weights changed."""

import json

import numpy as np
import pytest
import tiny
from safetensors.numpy import save_file
from test_convert import check

from brinktools.blocks import quantize
from brinktools.convert import convert
from brinktools.errors import BrinkError

TARGETS = ["model.layers.0.self_attn.q_proj", "model.layers.2.mlp.down_proj"]


def write_adapter(folder, weights, rank=4, alpha=8, **settings):
    """Returns the weights with the adapter's change."""
    folder.mkdir()
    rng = np.random.default_rng(9)
    stored, changed = {}, dict(weights)
    for module in TARGETS:
        n, k = weights[f"{module}.weight"].shape
        down, up = (rng.standard_normal(s).astype(np.float32) * 0.2 for s in ((rank, k), (n, rank)))
        stored[f"base_model.model.{module}.lora_A.weight"] = down
        stored[f"base_model.model.{module}.lora_B.weight"] = up
        scale = alpha / (rank ** 0.5 if settings.get("use_rslora") else rank)
        changed[f"{module}.weight"] = weights[f"{module}.weight"] + scale * (up @ down)
    save_file(stored, str(folder / "adapter_model.safetensors"))
    (folder / "adapter_config.json").write_text(json.dumps(
        {"peft_type": "LORA", "r": rank, "lora_alpha": alpha, "bias": "none", **settings}))
    return changed


@pytest.mark.parametrize("settings", [{}, {"use_rslora": True}])
def test_merge_f32(tmp_path, settings):
    config, weights = tiny.tiny_model("qwen3")
    hub = tiny.write_hub(tmp_path / "hub", config, weights)
    changed = write_adapter(tmp_path / "lora", weights, **settings)
    convert(hub, tmp_path / "out", "f32", tmp_path / "lora")
    check(tmp_path / "out", config, changed, 2e-5)
    with pytest.raises(AssertionError):  # the change is large enough to be seen
        check(tmp_path / "out", config, weights, 2e-5)


def test_merge_into_gguf_blocks(tmp_path):
    """llama's permuted rows meet the adapter in the hub's order; only touched tensors are rounded."""
    config, weights = tiny.tiny_model("llama")
    stored = tiny.write_gguf(tmp_path / "m.gguf", config, weights, ("Q4_1",))
    changed = write_adapter(tmp_path / "lora", stored)
    convert(tmp_path / "m.gguf", tmp_path / "exact", "f32", tmp_path / "lora")
    check(tmp_path / "exact", config, changed, 2e-5)
    convert(tmp_path / "m.gguf", tmp_path / "out", "q4", tmp_path / "lora")
    for module in TARGETS:
        changed[f"{module}.weight"] = quantize(changed[f"{module}.weight"], 4).dequantize()
    check(tmp_path / "out", config, changed, 2e-5)


@pytest.mark.parametrize("settings, message", [
    ({"use_dora": True}, "use_dora"), ({"bias": "all"}, "bias"), ({"peft_type": "IA3"}, "IA3"),
    ({"modules_to_save": ["lm_head"]}, "modules_to_save"), ({"lora_alpha": "x"}, "lora_alpha")])
def test_refused(tmp_path, settings, message):
    config, weights = tiny.tiny_model("llama")
    hub = tiny.write_hub(tmp_path / "hub", config, weights)
    write_adapter(tmp_path / "lora", weights, **settings)
    with pytest.raises(BrinkError, match=message):
        convert(hub, tmp_path / "out", "f32", tmp_path / "lora")
    assert not (tmp_path / "out").exists()


def test_adapter_of_another_model(tmp_path):
    config, weights = tiny.tiny_model("llama")
    hub = tiny.write_hub(tmp_path / "hub", config, weights)
    write_adapter(tmp_path / "lora", weights)
    path = tmp_path / "lora/adapter_model.safetensors"
    save_file({"base_model.model.model.layers.9.mlp.up_proj.lora_A.weight": np.ones((2, 64), "f4"),
               "base_model.model.model.layers.9.mlp.up_proj.lora_B.weight": np.ones((96, 2), "f4")},
              str(path))
    with pytest.raises(BrinkError, match="layers.9.mlp.up_proj is not a module"):
        convert(hub, tmp_path / "out", "f32", tmp_path / "lora")
    save_file({"base_model.model.model.layers.0.mlp.up_proj.lora_A.weight": np.ones((2, 32), "f4"),
               "base_model.model.model.layers.0.mlp.up_proj.lora_B.weight": np.ones((96, 2), "f4")},
              str(path))
    with pytest.raises(BrinkError, match="has matrices"):
        convert(hub, tmp_path / "out", "f32", tmp_path / "lora")
    assert not (tmp_path / "out").exists()
