"""Language models of given shapes with random weights, for brink, onnxruntime-genai and llama.cpp.

    python models.py FOLDER NAME…         NAME is a key of SHAPES

leaves in FOLDER, for each, with the same weights everywhere (Q4_0; the embedding, which is the head
too, Q8_0; `--head 4` makes it Q4_0):

    NAME.gguf      for llama.cpp
    NAME-q4        that file as brinktools converts it: f32 activations, 8,192 rotary positions
    NAME-q4f16     the same with f16 activations
    NAME-genai     f16, as onnxruntime-genai's own builder lays a graph out for WebGPU: one product for
                   q, k and v, and nothing on the CPU that would keep graph capture from working
    NAME-genai32   the same with f32 activations (only made where asked for: adapters without f16)

Speed does not depend on what the weights are. What is there is kept. Needs numpy, onnx and gguf.
"""

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from onnx import TensorProto

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))
from brinktools.blocks import Packed  # noqa: E402
from brinktools.checkpoint import open_checkpoint  # noqa: E402
from brinktools.config import decoder_from_config  # noqa: E402
from brinktools.convert import convert, genai_config, write_json, write_tokenizer  # noqa: E402
from brinktools.decoder import MS, DecoderWriter  # noqa: E402
from brinktools.folders import staged  # noqa: E402
from brinktools.onnx_writer import TYPES  # noqa: E402

TYPES.setdefault(np.dtype(np.int32), TensorProto.INT32)
GENAI = {"genai": "q4f16", "genai32": "q4"}
FORMS = ("q4", "q4f16", "genai")


@dataclass
class Shape:
    hidden: int
    layers: int
    inner: int
    heads: int
    kv_heads: int
    vocabulary: int
    rope: float

    @property
    def head(self):
        return self.hidden // self.heads

    def weight_bytes(self, head_bits):
        """What decoding a token reads of the weights: 18 bytes for 32 of 4 bits, 34 of 8."""
        kv = self.head * self.kv_heads
        layer = 2 * self.hidden * (self.hidden + kv) + 3 * self.hidden * self.inner
        return (self.layers * layer * 18 + self.vocabulary * self.hidden *
                (34 if head_bits == 8 else 18)) // 32

    def cache_bytes(self, positions, size=2):
        """What it reads of the cache after so many tokens."""
        return 2 * self.layers * self.head * self.kv_heads * positions * size


SHAPES = {
    "smollm2-135m": Shape(576, 30, 1536, 9, 3, 49152, 1e5),
    "llama3.2-1b": Shape(2048, 16, 8192, 32, 8, 128256, 5e5),
    "small": Shape(256, 2, 512, 4, 2, 2048, 1e4),
}


# ── The GGUF file ─────────────────────────────────────────────────────────────────────────────────

def blocks(random, rows, columns, kind):
    """Quantised rows whose scale keeps the sums of `columns` products near 1."""
    size, scale = {Type.Q4_0: (18, 0.2), Type.Q8_0: (34, 0.015)}[kind]
    data = random.integers(0, 256, (rows * columns // 32, size), dtype=np.uint8)
    data[:, :2] = np.array([scale / columns**0.5], np.float16).view(np.uint8)
    return data.reshape(rows, -1)


def add_tokenizer(writer, count):
    """Bytes, one merge, an end, and entries that no text makes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    characters = {byte: chr(byte) for byte in printable}
    characters |= {byte: chr(256 + i) for i, byte in enumerate(others)}
    tokens = [characters[byte] for byte in range(256)] + [characters[32] + "t"]
    tokens += [f"<{i}>" for i in range(len(tokens), count - 1)] + ["<|end|>"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.NORMAL] * (count - 1) + [gguf.TokenType.CONTROL])
    writer.add_token_merges([characters[32] + " t"])
    writer.add_bos_token_id(count - 1)
    writer.add_eos_token_id(count - 1)
    writer.add_add_bos_token(False)


def write_gguf(path, name, s, head_bits):
    part = path.with_suffix(".part")
    writer = gguf.GGUFWriter(part, "llama")
    writer.add_name(name)
    writer.add_context_length(8192)
    writer.add_embedding_length(s.hidden)
    writer.add_block_count(s.layers)
    writer.add_feed_forward_length(s.inner)
    writer.add_head_count(s.heads)
    writer.add_head_count_kv(s.kv_heads)
    writer.add_rope_dimension_count(s.head)
    writer.add_rope_freq_base(s.rope)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(s.vocabulary)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_0)
    add_tokenizer(writer, s.vocabulary)
    random, kv = np.random.default_rng(1), s.head * s.kv_heads

    def matrix(tensor, rows, columns, kind=Type.Q4_0):
        writer.add_tensor(f"{tensor}.weight", blocks(random, rows, columns, kind), raw_dtype=kind)

    def norm(tensor):
        writer.add_tensor(f"{tensor}.weight", np.ones(s.hidden, np.float32))

    matrix("token_embd", s.vocabulary, s.hidden, Type.Q8_0 if head_bits == 8 else Type.Q4_0)
    for i in range(s.layers):
        norm(f"blk.{i}.attn_norm")
        norm(f"blk.{i}.ffn_norm")
        matrix(f"blk.{i}.attn_q", s.hidden, s.hidden)
        matrix(f"blk.{i}.attn_k", kv, s.hidden)
        matrix(f"blk.{i}.attn_v", kv, s.hidden)
        matrix(f"blk.{i}.attn_output", s.hidden, s.hidden)
        matrix(f"blk.{i}.ffn_gate", s.inner, s.hidden)
        matrix(f"blk.{i}.ffn_up", s.inner, s.hidden)
        matrix(f"blk.{i}.ffn_down", s.hidden, s.inner)
    norm("output_norm")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    part.rename(path)


# ── onnxruntime-genai's graph ─────────────────────────────────────────────────────────────────────

class GenaiWriter(DecoderWriter):
    """What onnxruntime-genai 0.18's builder writes for WebGPU with enable_webgpu_graph: the lengths
    come from the mask by reductions alone (Shape would run on the CPU), q, k and v from one product."""

    def lengths(self):
        g, node = self.g, "/model/attn_mask_reformat/attn_mask_subgraph"
        mask = g.node("Cast", f"{node}/Cast", ["attention_mask"], to=TensorProto.INT32)
        total = g.node("ReduceSum", f"{node}/ReduceSum", [mask, g.constant([1])], keepdims=0)
        self.seqlens = g.node("Sub", f"{node}/Sub", [total, g.constant([1], np.int32)])
        self.total = g.node("ReduceMax", f"{node}/ReduceMax", [total], keepdims=0)

    def attention(self, i, h):
        d, g = self.d, self.g
        module, node = f"model.layers.{i}.self_attn", f"/model/layers.{i}/attn"
        width, kv_width = d.heads * d.head_dim, d.kv_heads * d.head_dim
        parts = [self.matrix(f"{module}.{name}_proj.weight", (rows, d.hidden), self.bits)
                 for name, rows in (("q", width), ("k", kv_width), ("v", kv_width))]
        packed = Packed(parts[0].bits, parts[0].block, np.concatenate([p.q for p in parts]),
                        np.concatenate([p.scale for p in parts]))
        stored = self.packed_weights(f"model.layers.{i}.attn.qkv_proj.MatMul", packed)
        qkv = self.product(f"{node}/qkv_proj", h, stored, packed.shape, packed)
        past = [f"past_key_values.{i}.{kind}" for kind in ("key", "value")]
        y = g.node("GroupQueryAttention", f"{node}/GroupQueryAttention",
                   [qkv, "", "", *past, self.seqlens, self.total, *self.rotary[i]],
                   [f"{node}/GroupQueryAttention/output_0", f"present.{i}.key",
                    f"present.{i}.value"], domain=MS, num_heads=d.heads, kv_num_heads=d.kv_heads,
                   scale=d.attention_scale, local_window_size=-1, softcap=0.0, do_rotary=1,
                   rotary_interleaved=0)
        return self.linear(f"{module}.o_proj", f"{node}/o_proj", y, (d.hidden, width))


def write_genai(source, out, precision):
    checkpoint = open_checkpoint(source)
    decoder = decoder_from_config(checkpoint.config, checkpoint.where, 8192)
    with staged(out) as folder:
        GenaiWriter(decoder, checkpoint, precision, folder).write()
        generation = write_tokenizer(checkpoint, folder)
        write_json(folder / "config.json", checkpoint.config)
        write_json(folder / "genai_config.json",
                   genai_config(decoder, checkpoint.config, generation))


def write_form(source, out, form):
    start = time.time()
    if (out / "model.onnx").exists():
        return f"{out.name}: there"
    if form in GENAI:
        write_genai(source, out, GENAI[form])
    else:
        convert(source, out, form)
    return f"{out.name}: {time.time() - start:.1f} s"


def make(folder, names, forms=FORMS, head_bits=8):
    """Makes what is not there; the forms of all models at once, each in a process of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor() as pool:
        files = {name: folder / f"{name}.gguf" for name in names}
        made = {name: pool.submit(write_gguf, path, name, SHAPES[name], head_bits)
                for name, path in files.items() if not path.exists()}
        jobs = []
        for name, path in files.items():
            if name in made:
                made[name].result()
            jobs += [pool.submit(write_form, path, folder / f"{name}-{form}", form)
                     for form in forms]
        for job in jobs:
            print(job.result(), file=sys.stderr, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="+", choices=SHAPES)
    parser.add_argument("--forms", default=",".join(FORMS))
    parser.add_argument("--head", type=int, choices=(4, 8), default=8)
    arguments = parser.parse_args()
    make(arguments.folder, arguments.names, arguments.forms.split(","), head_bits=arguments.head)
