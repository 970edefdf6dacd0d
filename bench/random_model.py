"""A language model of any size with random weights: speed does not depend on what they are.

    python random_model.py SOURCE.gguf OUT HIDDEN LAYERS FEED_FORWARD HEADS KV_HEADS

leaves OUT.gguf, of the source's architecture (llama) and tokenizer, 4 bits a weight (Q4_0; Q8_0 for
the embedding), and OUT, the folder that brinktools converts it to. What is there is kept.
"""

import subprocess
import sys
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type


def blocks(random, rows: int, columns: int, kind: Type) -> np.ndarray:
    """Quantised rows whose scale keeps the sums of `columns` products near 1."""
    size, scale = {Type.Q4_0: (18, 0.2), Type.Q8_0: (34, 0.015)}[kind]
    data = random.integers(0, 256, (rows * columns // 32, size), dtype=np.uint8)
    data[:, :2] = np.array([scale / columns**0.5], np.float16).view(np.uint8)
    return data.reshape(rows, -1)


def main(source: str, out: str, *sizes: str) -> int:
    hidden, layers, inner, heads, kv_heads = map(int, sizes)
    target = Path(f"{out}.gguf")
    if (Path(out) / "model.onnx").exists() and target.exists():
        return 0
    reader = gguf.GGUFReader(source)
    changed = {"llama.block_count": layers, "llama.embedding_length": hidden,
               "llama.feed_forward_length": inner, "llama.attention.head_count": heads,
               "llama.attention.head_count_kv": kv_heads,
               "llama.rope.dimension_count": hidden // heads}
    writer = gguf.GGUFWriter(target, "llama")
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name == "general.architecture":
            continue
        inner_type = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        value = changed.get(field.name, field.contents())
        writer.add_key_value(field.name, value, field.types[0], sub_type=inner_type)
    vocabulary, kv = int(reader.get_field("llama.vocab_size").contents()), hidden // heads * kv_heads
    random = np.random.default_rng(1)

    def matrix(name: str, rows: int, columns: int, kind: Type = Type.Q4_0) -> None:
        writer.add_tensor(f"{name}.weight", blocks(random, rows, columns, kind), raw_dtype=kind)

    def norm(name: str) -> None:
        writer.add_tensor(f"{name}.weight", np.ones(hidden, np.float32))

    matrix("token_embd", vocabulary, hidden, Type.Q8_0)
    for i in range(layers):
        norm(f"blk.{i}.attn_norm")
        norm(f"blk.{i}.ffn_norm")
        matrix(f"blk.{i}.attn_q", hidden, hidden)
        matrix(f"blk.{i}.attn_k", kv, hidden)
        matrix(f"blk.{i}.attn_v", kv, hidden)
        matrix(f"blk.{i}.attn_output", hidden, hidden)
        matrix(f"blk.{i}.ffn_gate", inner, hidden)
        matrix(f"blk.{i}.ffn_up", inner, hidden)
        matrix(f"blk.{i}.ffn_down", hidden, inner)
    norm("output_norm")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    command = [sys.executable, "-m", "brinktools", "convert", "--precision", "q4", target, out]
    return subprocess.run(command, stdout=subprocess.DEVNULL).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
