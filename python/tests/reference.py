"""The decoder families in plain numpy, written from their papers and not from the converter.

Weights have the hub's names and meaning (Gemma's norm weights are stored less one). No cache: the
whole sequence is computed at once, which is what a prefill and its steps must agree with.
"""

import numpy as np


def rms(x, weight, eps):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * weight


def rotate(x, theta):
    """x [heads, tokens, size]: each pair (i, i + size / 2) turned by position * theta^(-2i/size)."""
    half = x.shape[-1] // 2
    angle = np.arange(x.shape[1])[:, None] * theta ** (-np.arange(half) / half)
    a, b = x[..., :half], x[..., half:]
    return np.concatenate([a * np.cos(angle) - b * np.sin(angle),
                           b * np.cos(angle) + a * np.sin(angle)], -1)


def attend(q, k, v, scale, window):
    tokens = q.shape[1]
    scores = np.einsum("htd,hsd->hts", q, k) * scale
    row, column = np.arange(tokens)[:, None], np.arange(tokens)
    hidden = column > row
    if window > 0:
        hidden |= column <= row - window
    scores = np.where(hidden, -np.inf, scores)
    p = np.exp(scores - scores.max(-1, keepdims=True))
    return np.einsum("hts,hsd->htd", p / p.sum(-1, keepdims=True), v)


def logits(config, weights, ids):
    w = {name: value.astype(np.float64) for name, value in weights.items()}
    c, gemma = config, config["model_type"] == "gemma3_text"
    heads, kv_heads, size = (c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"])
    eps, one = c["rms_norm_eps"], 1.0 if gemma else 0.0

    def norm(x, name):
        return rms(x, w[name] + one, eps)

    def linear(x, name):
        return x @ w[f"{name}.weight"].T + w.get(f"{name}.bias", 0.0)

    x = w["model.embed_tokens.weight"][ids] * (c["hidden_size"] ** 0.5 if gemma else 1.0)
    for i in range(c["num_hidden_layers"]):
        name = f"model.layers.{i}"
        local = gemma and c["layer_types"][i] == "sliding_attention"
        theta = c["rope_local_base_freq"] if local else c["rope_theta"]
        h = norm(x, f"{name}.input_layernorm.weight")

        def split(y, count):
            return y.reshape(len(ids), count, size).swapaxes(0, 1)

        q, k, v = (split(linear(h, f"{name}.self_attn.{p}_proj"), n)
                   for p, n in (("q", heads), ("k", kv_heads), ("v", kv_heads)))
        if f"{name}.self_attn.q_norm.weight" in w:
            q = norm(q, f"{name}.self_attn.q_norm.weight")
            k = norm(k, f"{name}.self_attn.k_norm.weight")
        k, v = (np.repeat(t, heads // kv_heads, 0) for t in (k, v))
        scale = (c["query_pre_attn_scalar"] if gemma else size) ** -0.5
        y = attend(rotate(q, theta), rotate(k, theta), v, scale, c["sliding_window"] if local else 0)
        y = linear(y.swapaxes(0, 1).reshape(len(ids), heads * size), f"{name}.self_attn.o_proj")
        x = x + (norm(y, f"{name}.post_attention_layernorm.weight") if gemma else y)
        before = "pre_feedforward_layernorm" if gemma else "post_attention_layernorm"
        h = norm(x, f"{name}.{before}.weight")
        gate, up = linear(h, f"{name}.mlp.gate_proj"), linear(h, f"{name}.mlp.up_proj")
        if gemma:
            gate = 0.5 * gate * (1 + np.tanh((2 / np.pi) ** 0.5 * (gate + 0.044715 * gate ** 3)))
        else:
            gate = gate / (1 + np.exp(-gate))
        y = linear(gate * up, f"{name}.mlp.down_proj")
        x = x + (norm(y, f"{name}.post_feedforward_layernorm.weight") if gemma else y)
    head = w.get("lm_head.weight", w["model.embed_tokens.weight"])
    return norm(x, "model.norm.weight") @ head.T
