"""Tiny random models of each family, as hub folders and as GGUF files, and how to run a result."""

import json

import gguf
import numpy as np
import onnx
import onnxruntime
from safetensors.numpy import save_file

FAMILIES = ("llama", "qwen2", "qwen3", "gemma3_text")
KINDS = {"Q4_K": (256, 144), "Q5_K": (256, 176), "Q6_K": (256, 210)}
GGUF_PARTS = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
              "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
              "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
              "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
              "input_layernorm": "attn_norm"}


def tiny_model(family, hidden=64, ffn=96, tied=True, seed=0):
    """(config.json, weights) with the hub's names."""
    rng = np.random.default_rng(seed)
    heads, kv, size, vocab, layers = 4, 2, 32, 80, 3
    config = {"model_type": family, "num_hidden_layers": layers, "hidden_size": hidden,
              "num_attention_heads": heads, "num_key_value_heads": kv, "head_dim": size,
              "intermediate_size": ffn, "vocab_size": vocab, "max_position_embeddings": 64,
              "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "tie_word_embeddings": tied,
              "bos_token_id": 1, "eos_token_id": 2}
    if family == "gemma3_text":
        config |= {"query_pre_attn_scalar": 24, "sliding_window": 4, "rope_theta": 1000000.0,
                   "rope_local_base_freq": 10000.0, "hidden_activation": "gelu_pytorch_tanh",
                   "layer_types": ["sliding_attention", "sliding_attention", "full_attention"]}
    weights = {"model.embed_tokens.weight": rng.standard_normal((vocab, hidden)) * 0.5,
               "model.norm.weight": rng.random(hidden)}
    for i in range(layers):
        def put(name, *shape):
            weights[f"model.layers.{i}.{name}"] = (
                rng.random(shape) if len(shape) == 1 else
                rng.standard_normal(shape) / shape[1] ** 0.5)
        for part, n in (("q", heads), ("k", kv), ("v", kv)):
            put(f"self_attn.{part}_proj.weight", n * size, hidden)
            if family == "qwen2":
                put(f"self_attn.{part}_proj.bias", n * size)
        put("self_attn.o_proj.weight", hidden, heads * size)
        if family in ("qwen3", "gemma3_text"):
            put("self_attn.q_norm.weight", size)
            put("self_attn.k_norm.weight", size)
        put("mlp.gate_proj.weight", ffn, hidden)
        put("mlp.up_proj.weight", ffn, hidden)
        put("mlp.down_proj.weight", hidden, ffn)
        names = ["input_layernorm", "post_attention_layernorm"]
        if family == "gemma3_text":
            names += ["pre_feedforward_layernorm", "post_feedforward_layernorm"]
        for name in names:
            put(f"{name}.weight", hidden)
    if not tied:
        weights["lm_head.weight"] = rng.standard_normal((vocab, hidden)) / hidden ** 0.5
    return config, {name: value.astype(np.float32) for name, value in weights.items()}


def write_hub(folder, config, weights):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    save_file(weights, str(folder / "model.safetensors"))
    return folder


def random_blocks(kind, rows, columns, rng):
    """Random block bytes, scaled so that a model's activations stay near 1: uint8 [rows, bytes]."""
    block, size = KINDS[kind]
    raw = rng.integers(0, 256, (rows, columns // block, size), dtype=np.uint8)
    places = {208: 4e-5} if kind == "Q6_K" else {0: 2e-4, 2: 1.5e-3}  # d, and the minimum's
    for at, most in places.items():
        scale = (rng.random((rows, columns // block)) * most).astype("<f2")
        raw[..., at:at + 2] = scale[..., None].view(np.uint8)
    return raw.reshape(rows, -1)


def gguf_name(name, gemma):
    tops = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight":
            "output_norm.weight", "lm_head.weight": "output.weight"}
    if name in tops:
        return tops[name]
    _, _, layer, part = name.split(".", 3)
    part, kind = part.rsplit(".", 1)
    norms = ({"post_attention_layernorm": "post_attention_norm",
              "pre_feedforward_layernorm": "ffn_norm", "post_feedforward_layernorm":
              "post_ffw_norm"} if gemma else {"post_attention_layernorm": "ffn_norm"})
    return f"blk.{layer}.{(GGUF_PARTS | norms)[part]}.{kind}"


def interleave(values, heads):
    """llama's q and k as GGUF stores them: (first half, second half) of a head become pairs."""
    n = len(values)
    return values.reshape(heads, 2, n // heads // 2, -1).swapaxes(1, 2).reshape(values.shape)


def write_gguf(path, config, weights, kinds, seed=0):
    """A GGUF file whose matrices take the block types of `kinds` in turn; returns the weights as
    they are after quantisation, under the hub's names."""
    rng = np.random.default_rng(seed)
    family = config["model_type"]
    gemma, arch = family == "gemma3_text", family.replace("_text", "")
    writer = gguf.GGUFWriter(str(path), arch)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_theta"])
    if gemma:
        writer.add_sliding_window(config["sliding_window"])
    add_vocabulary(writer, config["vocab_size"])
    stored, turn = {}, 0
    for name, value in weights.items():
        kind = "F32"
        if value.ndim == 2:
            kind, turn = kinds[turn % len(kinds)], turn + 1
        heads = {"self_attn.q_proj": config["num_attention_heads"],
                 "self_attn.k_proj": config["num_key_value_heads"]}.get(
                     ".".join(name.split(".")[3:5])) if family == "llama" else None
        if kind in KINDS:
            raw = random_blocks(kind, *value.shape, rng)
            values = gguf.dequantize(raw, gguf.GGMLQuantizationType[kind])
            if heads:  # these rows are as stored; the hub's order is the inverse of interleave
                order = np.argsort(interleave(np.arange(len(values))[:, None], heads)[:, 0])
                values = values[order]
        else:
            given = interleave(value, heads) if heads else value
            if gemma and value.ndim == 1:
                given = given + 1
            raw, values = given, value
            if kind == "F16":
                raw, values = given.astype(np.float16), value.astype(np.float16)
            elif kind != "F32":
                qtype = gguf.GGMLQuantizationType[kind]
                raw = gguf.quantize(given, qtype)
                values = gguf.dequantize(gguf.quantize(value, qtype), qtype)
        raw_type = None if kind in ("F32", "F16") else gguf.GGMLQuantizationType[kind]
        writer.add_tensor(gguf_name(name, gemma), raw, raw_dtype=raw_type)
        stored[name] = values.astype(np.float32)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return stored


def add_vocabulary(writer, size):
    """A byte-level vocabulary of `size` one-character tokens; `a` + `b` is its only merge."""
    tokens = ["<s>", "</s>", "<pad>", "a", "b", "ab"] + [chr(0x100 + i) for i in range(size - 6)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3, 3] + [1] * (size - 3))
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)


def open_session(folder, exact=True):
    """onnxruntime on model.onnx; `exact` keeps activations in float where 8 bits are allowed."""
    model = onnx.load(str(folder / "model.onnx"), load_external_data=False)
    if exact:
        for node in model.graph.node:
            for attribute in node.attribute:
                if attribute.name == "accuracy_level":
                    attribute.i = 1
    path = folder / "exact.onnx"
    onnx.save(model, str(path))
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def run(session, ids, past=None):
    """(logits [tokens, vocab], present) of one sequence."""
    ids = np.asarray(ids, np.int64)[None]
    if past is None:
        past = {i.name: np.zeros((1, i.shape[1], 0, i.shape[3]),
                                 np.float16 if "float16" in i.type else np.float32)
                for i in session.get_inputs() if i.name.startswith("past")}
    total = ids.shape[1] + next(iter(past.values())).shape[2]
    feeds = {"input_ids": ids, "attention_mask": np.ones((1, total), np.int64), **past}
    names = [o.name for o in session.get_outputs()]
    out = dict(zip(names, session.run(names, feeds)))
    present = {name: out[name.replace("past_key_values", "present")] for name in past}
    return out["logits"][0].astype(np.float32), present
