"""Thousands of damaged files, the same in every run: reading one gives values or a BrinkError that names it,
in bounded time and memory, and never anything else.

Each batch runs in a child whose address space may grow by no more than 1 GiB; a case may take ten seconds.
"""

import json
import multiprocessing
import random
import resource
import signal
import struct
import traceback
from pathlib import Path

import gguf
import numpy as np
import pytest
import tiny
from safetensors.numpy import save

from brinktools.adapter import Adapter
from brinktools.checkpoint import GgufCheckpoint, HubCheckpoint, SafetensorsFile
from brinktools.errors import BrinkError
from brinktools.gguf import GgufFile
from brinktools.tokenizer import tokenizer_from_gguf

CASES, GROWTH, SECONDS = 1500, 1 << 30, 10
NUMBERS = [0, 1, 2, 7, 8, 255, 256, 65535, 1 << 16, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 40,
           (1 << 63) - 1, 1 << 63, (1 << 64) - 1]
WORDS = [b"-1", b"1e999", b"NaN", b"null", b"true", b"[]", b"{}", b'""', b'"\\ud800"', b"[" * 3000, b"9" * 400,
         b"18446744073709551616", b'"a"', b"0.5"]


def mutate(data, rng, header):
    """A few changes, most of them in the first `header` bytes."""
    out = bytearray(data)
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(min(header, len(out)) if rng.random() < 0.9 else len(out)) if out else 0
        kind = rng.randrange(8)
        if kind == 0:
            out[at:at + 1] = bytes([rng.randrange(256)])
        elif kind == 1:
            out[at:at + 8] = struct.pack("<Q", rng.choice(NUMBERS))
        elif kind == 2:
            out[at:at + 4] = struct.pack("<I", rng.choice(NUMBERS) & 0xFFFFFFFF)
        elif kind == 3:
            del out[at:at + rng.randrange(1, 40)]
        elif kind == 4:
            out[at:at] = out[at:at + rng.randrange(1, 200)]
        elif kind == 5:
            out[at:at] = rng.randbytes(rng.randrange(1, 20))
        elif kind == 6:
            out[at:at + rng.randrange(6)] = rng.choice(WORDS)
        else:
            del out[at:]
    return bytes(out)


def batch(read, path, data, header, report):
    """In the child: the cases one after the other; what is wrong goes to `report`."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + GROWTH, used + GROWTH))
    rng, outcomes = random.Random(20), {"read": 0, "refused": 0}

    def late(*_):
        raise TimeoutError

    signal.signal(signal.SIGALRM, late)
    np.seterr(all="ignore")
    for case in range(CASES):
        path.write_bytes(mutate(data, rng, header))
        signal.alarm(SECONDS)
        try:
            read(path)
            outcomes["read"] += 1
        except BrinkError as error:
            text = str(error)
            if path.name not in text and str(path.parent) not in text or not text.isprintable():
                report.write_text(f"case {case}: the error is {text!r}")
                return
            outcomes["refused"] += 1
        except BaseException:  # noqa: BLE001: whatever it is, it must not escape
            report.write_text(f"case {case}: {traceback.format_exc()[-2000:]}")
            return
        finally:
            signal.alarm(0)
    if min(outcomes.values()) == 0:
        report.write_text(f"both outcomes must have been seen: {outcomes}")


def survives(read, path, data, header=None):
    report = path.parent / "report"
    child = multiprocessing.get_context("fork").Process(
        target=batch, args=(read, path, data, header or len(data), report))
    child.start()
    child.join(300)
    if child.is_alive():
        child.kill()
        pytest.fail("the batch did not end")
    assert not report.exists(), report.read_text()
    assert child.exitcode == 0


def read_model(path):
    source = GgufCheckpoint(path)
    tokenizer_from_gguf(source.metadata, source.where)
    for name in source.file.tensors:
        source.tensor(name)


def read_tokenizer(path):
    json.dumps(tokenizer_from_gguf(GgufFile(path).metadata, path), allow_nan=False)


def read_weights(path):
    file = SafetensorsFile(path)
    for name in file.entries:
        file.tensor(name)


def test_gguf(tmp_path):
    path = tmp_path / "m.gguf"
    config, weights = tiny.tiny_model("llama")
    tiny.write_gguf(path, config, weights, ("Q4_1", "Q8_0"))
    data = path.read_bytes()
    survives(read_model, path, data, data.index(b"blk.2.ffn_down.weight") + 60)


@pytest.mark.parametrize("model", ["gpt2", "llama", "bert", "t5"])
def test_gguf_tokenizer(tmp_path, model):
    path = tmp_path / "m.gguf"
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_tokenizer_model(model)
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(["[UNK]", "</s>", "a", "b", "ab", "\u2581a", "<0x41>"])
    writer.add_token_types([2, 3, 1, 1, 1, 4, 6])
    writer.add_token_scores([0.0, 0.0, -1.0, -2.0, -3.0, -4.0, -5.0])
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(1)
    writer.add_unk_token_id(0)
    writer.add_add_space_prefix(True)
    writer.add_remove_extra_whitespaces(True)
    writer.add_precompiled_charsmap(bytes(range(1, 9)))
    writer.add_chat_template([{"name": "default", "template": "x"}, {"name": "tools", "template": "y"}])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    read_tokenizer(path)
    survives(read_tokenizer, path, path.read_bytes())


def test_safetensors(tmp_path):
    data = save({f"layer.{i}.w": np.full((3, i + 1), i, np.float32) for i in range(4)}
                | {"half": np.ones(5, np.float16)}, {"format": "pt"})
    survives(read_weights, tmp_path / "model.safetensors", data,
             8 + struct.unpack("<Q", data[:8])[0])


def test_nested_json(tmp_path):
    deep = b"[" * 100_000
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(deep)) + deep)
    with pytest.raises(BrinkError, match="is not JSON"):
        SafetensorsFile(path)
    (tmp_path / "config.json").write_bytes(b'{"a":' + deep)
    with pytest.raises(BrinkError, match="config.json: not JSON"):
        HubCheckpoint(tmp_path)


def test_config(tmp_path):
    config, weights = tiny.tiny_model("llama")
    hub = tiny.write_hub(tmp_path / "hub", config, weights)

    def read(path):
        source = HubCheckpoint(path.parent)
        source.tensor("model.norm.weight")

    survives(read, hub / "config.json", (hub / "config.json").read_bytes())


def test_adapter(tmp_path):
    matrices = {}
    for part, shape in (("A", (2, 6)), ("B", (4, 2))):
        matrices[f"base_model.model.model.layers.0.q_proj.lora_{part}.weight"] = np.ones(shape, np.float32)
    (tmp_path / "adapter_model.safetensors").write_bytes(save(matrices))
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "rank_pattern": {}, "bias": "none",
              "alpha_pattern": {"q_proj": 8, "(a|b)_proj": 2}, "target_modules": ["q_proj"]}

    def read(path):
        adapter = Adapter(path.parent)
        for module in adapter.pairs:
            adapter.merge(module, np.zeros((4, 6), np.float32))

    for wrong in ([1], {"(": 1}, {"(a+)+": 1}, {"a{99999999999}": 1}, {"q_proj": {}}):
        (tmp_path / "adapter_config.json").write_text(json.dumps(config | {"alpha_pattern": wrong}))
        with pytest.raises(BrinkError, match="adapter_config.json"):
            read(tmp_path / "adapter_config.json")
    survives(read, tmp_path / "adapter_config.json", json.dumps(config).encode())
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    survives(read, tmp_path / "adapter_model.safetensors", save(matrices))
