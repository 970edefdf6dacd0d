"""A source of weights under the hub's tensor names, whatever the file format.

`open_checkpoint` takes a .gguf file or a folder with config.json and *.safetensors. Both give
`config` (as the hub's config.json), `has(name)`, and `tensor(name)`: float32, or Packed where the
source is block-quantised. Norm weights come as the factor itself (Gemma's hub files store it less
one). One tensor is in memory at a time.
"""

import json
import math
import mmap
import re
from pathlib import Path

import numpy as np

from .blocks import Packed, bf16_to_f32, unpack
from .config import config_from_gguf
from .errors import BrinkError
from .gguf import GgufFile

GGUF_NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
}
GGUF_NORMS = {"post_attention_layernorm": "ffn_norm"}
GGUF_GEMMA_NORMS = {"post_attention_layernorm": "post_attention_norm",
                    "pre_feedforward_layernorm": "ffn_norm",
                    "post_feedforward_layernorm": "post_ffw_norm"}
GGUF_TOP = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def open_checkpoint(source):
    source = Path(source)
    if source.is_dir():
        ggufs = sorted(source.glob("*.gguf"))
        if not (source / "config.json").exists() and len(ggufs) == 1:
            return GgufCheckpoint(ggufs[0])
        return HubCheckpoint(source)
    if not source.exists():
        raise BrinkError(f"{source}: no such file or folder")
    return GgufCheckpoint(source)


def read_json(path):
    """A JSON object from a file, or an error that names it."""
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise BrinkError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise BrinkError(f"{path}: not JSON ({error})") from None
    if not isinstance(value, dict):
        raise BrinkError(f"{path}: not a JSON object")
    return value


class GgufCheckpoint:
    """llama's q and k rows are stored pairwise for interleaved rotation; they are put back in the
    hub's order here, a permutation of rows that leaves every block whole."""

    def __init__(self, path):
        self.where = Path(path)
        self.file = GgufFile(path)
        self.metadata = self.file.metadata
        self.config = config_from_gguf(self.metadata, self.file.tensors, self.where)
        self.folder = None
        gemma = self.config["model_type"] == "gemma3_text"
        self.names = GGUF_NAMES | (GGUF_GEMMA_NORMS if gemma else GGUF_NORMS)

    def _gguf_name(self, name):
        module, _, kind = name.rpartition(".")
        if module in GGUF_TOP:
            return f"{GGUF_TOP[module]}.{kind}"
        found = re.fullmatch(r"model\.layers\.(\d+)\.(.+)", module)
        if found and found[2] in self.names:
            return f"blk.{found[1]}.{self.names[found[2]]}.{kind}"
        return name

    def has(self, name):
        return self._gguf_name(name) in self.file.tensors

    def shape(self, name):
        return self._stored(name).shape

    def _stored(self, name):
        stored = self._gguf_name(name)
        if stored not in self.file.tensors:
            raise BrinkError(f"{self.where}: there is no tensor {stored}")
        return self.file.tensors[stored]

    def tensor(self, name):
        tensor = self._stored(name)
        values = unpack(tensor.kind, tensor.rows)
        if len(tensor.shape) == 1 and isinstance(values, Packed):
            values = values.dequantize()
        found = re.search(r"self_attn\.([qk])_proj\.(weight|bias)$", name)
        if found and self.config["model_type"] == "llama":
            heads = self.config["num_attention_heads" if found[1] == "q" else "num_key_value_heads"]
            rows = tensor.shape[0]
            if rows % (2 * heads):
                raise BrinkError(f"{self.where}: {tensor.name} has {rows} rows for {heads} heads")
            order = np.arange(rows).reshape(heads, rows // heads // 2, 2)
            order = order.swapaxes(1, 2).reshape(-1)
            if len(tensor.shape) == 1:
                return values.reshape(-1)[order]
            return values.rows(order) if isinstance(values, Packed) else values[order]
        return values.reshape(-1) if len(tensor.shape) == 1 else values


class SafetensorsFile:
    """Format: https://huggingface.co/docs/safetensors. Tensors are views of the mapped file."""

    DTYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2", "F64": "<f8"}

    def __init__(self, path):
        self.path = Path(path)
        try:
            with open(self.path, "rb") as file:
                self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "the file is empty"
            raise BrinkError(f"{self.path}: {reason}") from None
        size = int.from_bytes(self.data[:8], "little")
        if len(self.data) < 8 or size > len(self.data) - 8:
            raise BrinkError(f"{self.path}: the header of {size} bytes does not fit the file")
        try:
            header = json.loads(self.data[8:8 + size])
        except (ValueError, RecursionError):
            raise BrinkError(f"{self.path}: the header is not JSON") from None
        if not isinstance(header, dict):
            raise BrinkError(f"{self.path}: the header is not an object")
        self.start = 8 + size
        self.entries = {name: entry for name, entry in header.items() if name != "__metadata__"}

    def shape(self, name):
        return self._entry(name)[0].shape

    def tensor(self, name):
        """float32 values."""
        raw, dtype = self._entry(name)
        return bf16_to_f32(raw) if dtype == "BF16" else raw.astype(np.float32)

    def _entry(self, name):
        """(a view of the file, the type's name), checked against the file."""
        entry = self.entries[name]
        try:
            dtype, shape, (begin, end) = entry["dtype"], tuple(entry["shape"]), entry[
                "data_offsets"]
            count = math.prod(shape)
            valid = all(isinstance(x, int) and x >= 0 for x in (*shape, begin, end))
        except (TypeError, KeyError, ValueError):
            raise BrinkError(f"{self.path}: the entry of {name} is malformed") from None
        if not isinstance(dtype, str) or dtype not in self.DTYPES:
            raise BrinkError(f"{self.path}: {name} has type {dtype}, which is not supported")
        kind = np.dtype(self.DTYPES[dtype])
        if not valid or end - begin != count * kind.itemsize or end > len(self.data) - self.start:
            raise BrinkError(f"{self.path}: {name} lies at bytes {begin} to {end}, which does not "
                             f"fit its shape {list(shape)} or the file")
        raw = np.frombuffer(self.data, kind, count, self.start + begin)
        return raw.reshape(shape), dtype


class HubCheckpoint:
    def __init__(self, folder):
        self.folder = Path(folder)
        self.where = self.folder / "config.json"
        self.config = read_json(self.where)
        if isinstance(self.config.get("text_config"), dict):  # the language part of a larger model
            self.config = self.config["text_config"]
        self.metadata = None
        files = sorted(self.folder.glob("*.safetensors"))
        if not files:
            raise BrinkError(f"{self.folder}: there is no .safetensors file")
        self.tensors = {}
        for file in map(SafetensorsFile, files):
            for name in file.entries:
                plain = re.sub(r"^(language_model\.|model\.language_model\.)",
                               lambda m: "model." if m[0].startswith("model.") else "", name)
                self.tensors[plain] = (file, name)
        self.gemma = self.config.get("model_type") == "gemma3_text"

    def has(self, name):
        return name in self.tensors

    def shape(self, name):
        file, stored = self._stored(name)
        return file.shape(stored)

    def _stored(self, name):
        if name not in self.tensors:
            raise BrinkError(f"{self.folder}: there is no tensor {name}")
        return self.tensors[name]

    def tensor(self, name):
        file, stored = self._stored(name)
        values = file.tensor(stored)
        if self.gemma and name.endswith("norm.weight"):
            values = values + np.float32(1)
        return values
