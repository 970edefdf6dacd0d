"""What a decoder is: one record made from a hub config.json, or from GGUF metadata.

GGUF metadata is first turned into the config.json that the hub has for the same model, so there is
one reader of configurations and one file to write.
"""

import math
from dataclasses import dataclass, field

from .errors import BrinkError

FAMILIES = {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM",
            "gemma3_text": "Gemma3ForCausalLM"}
GGUF_FAMILIES = {"llama": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "gemma3": "gemma3_text"}


@dataclass
class Rope:
    theta: float
    scaling: dict = field(default_factory=dict)  # as config.json's rope_scaling; {} is none


@dataclass
class Decoder:
    family: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocab: int
    context: int  # positions in the rotary caches
    eps: float
    rope: Rope
    local_rope: Rope  # of layers with a window
    windows: list  # a window for each layer, -1 where a layer sees everything
    attention_scale: float
    embed_scale: float
    activation: str  # "silu" or "gelu_tanh"
    logit_cap: float
    attention_cap: float
    tied: bool

    @property
    def gemma(self):
        return self.family == "gemma3_text"


def decoder_from_config(config, where, context=None):
    """Checks a config.json's values (`where` names the file in errors); one line for what is wrong."""
    family = config.get("model_type")
    if not isinstance(family, str) or family not in FAMILIES:
        raise BrinkError(f"{where}: model_type {family!r} is not supported "
                         f"({', '.join(FAMILIES)} are)")
    gemma = family == "gemma3_text"

    def count(key, default=None, most=1 << 31):
        value = config.get(key)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < most:
            raise BrinkError(f"{where}: {key} is {value!r}, not a whole number from 1 to {most - 1}")
        return value

    def number(key, default):
        value = config.get(key)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0 \
                or math.isinf(value):
            raise BrinkError(f"{where}: {key} is {value!r}, not a number of 0 or more")
        return float(value)

    layers, hidden, heads = count("num_hidden_layers", most=4096), count("hidden_size"), count(
        "num_attention_heads")
    head_dim, kv_heads = count("head_dim", hidden // heads), count("num_key_value_heads", heads)
    if heads % kv_heads:
        raise BrinkError(f"{where}: {heads} heads cannot share {kv_heads} key-value heads")
    if head_dim % 2:
        raise BrinkError(f"{where}: head_dim {head_dim} is odd")
    partial = number("partial_rotary_factor", 1.0)
    if partial != 1.0:
        raise BrinkError(f"{where}: partial_rotary_factor {partial} is not supported (1 is)")
    activation = config.get("hidden_activation") or config.get("hidden_act") or "silu"
    names = {"silu": "silu", "gelu_pytorch_tanh": "gelu_tanh"}
    if not isinstance(activation, str) or activation not in names:
        raise BrinkError(f"{where}: activation {activation!r} is not supported "
                         f"({', '.join(names)} are)")
    rope, local_rope = _ropes(config, gemma, where)
    full = count("max_position_embeddings", 2048)
    scalar = number("query_pre_attn_scalar", head_dim) if gemma else head_dim
    return Decoder(
        family=family, layers=layers, hidden=hidden, heads=heads, kv_heads=kv_heads,
        head_dim=head_dim, ffn=count("intermediate_size"), vocab=count("vocab_size"),
        context=min(full, context or full), eps=number("rms_norm_eps", 1e-6), rope=rope,
        local_rope=local_rope, windows=_windows(config, layers, gemma, where),
        attention_scale=scalar ** -0.5, embed_scale=hidden ** 0.5 if gemma else 1.0,
        activation=names[activation], logit_cap=number("final_logit_softcapping", 0.0),
        attention_cap=number("attn_logit_softcapping", 0.0),
        tied=bool(config.get("tie_word_embeddings", gemma)))


def _ropes(config, gemma, where):
    """The rotary parameters of full and of sliding layers, in either of the hub's two spellings."""
    def rope(params, theta):
        if not isinstance(params, dict):
            raise BrinkError(f"{where}: rope parameters are not an object")
        scaling = {key: value for key, value in params.items() if key != "rope_theta"}
        theta = params.get("rope_theta", theta)
        if isinstance(theta, bool) or not isinstance(theta, (int, float)) or not 0 < theta < 1e30:
            raise BrinkError(f"{where}: the rotary base is {theta!r}, not a positive number")
        kind = scaling.get("rope_type", scaling.get("type", "default"))
        return Rope(float(theta), {} if kind == "default" else {**scaling, "rope_type": kind})

    theta = config.get("rope_theta") or (1e6 if gemma else 1e4)
    local_theta = config.get("rope_local_base_freq") or (1e4 if gemma else theta)
    params = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if isinstance(params, dict) and "full_attention" in params:
        full = rope(params["full_attention"], theta)
        return full, rope(params.get("sliding_attention") or {}, local_theta)
    full = rope(params, theta)
    return full, rope({}, local_theta) if gemma else full


def _windows(config, layers, gemma, where):
    window = config.get("sliding_window")
    kinds = config.get("layer_types")
    if kinds is None and gemma:
        every = config.get("sliding_window_pattern") or config.get("_sliding_window_pattern") or 6
        if not isinstance(every, int) or every < 1:
            raise BrinkError(f"{where}: sliding_window_pattern is {every!r}")
        kinds = ["full_attention" if (i + 1) % every == 0 else "sliding_attention"
                 for i in range(layers)]
    if kinds is None:
        if config.get("use_sliding_window"):
            raise BrinkError(f"{where}: use_sliding_window without layer_types is not supported")
        return [-1] * layers
    if not isinstance(kinds, list) or len(kinds) != layers:
        raise BrinkError(f"{where}: layer_types does not name each of the {layers} layers")
    for kind in kinds:
        if kind not in ("full_attention", "sliding_attention"):
            raise BrinkError(f"{where}: layer type {kind!r} is not supported")
        if kind == "sliding_attention" and (not isinstance(window, int) or window < 1):
            raise BrinkError(f"{where}: sliding_window is {window!r} but layers slide")
    return [window if kind == "sliding_attention" else -1 for kind in kinds]


def config_from_gguf(metadata, tensors, where):
    """The hub's config.json for a GGUF file's metadata."""
    arch = metadata.get("general.architecture")
    if not isinstance(arch, str) or arch not in GGUF_FAMILIES:
        raise BrinkError(f"{where}: architecture {arch!r} is not supported "
                         f"({', '.join(GGUF_FAMILIES)} are)")
    family = GGUF_FAMILIES[arch]

    def value(key, default=None):
        return metadata.get(f"{arch}.{key}", default)

    def need(key):
        found = value(key)
        if isinstance(found, bool) or not isinstance(found, (int, float)) or not found > 0:
            raise BrinkError(f"{where}: {arch}.{key} is {found!r}, not a positive number")
        return found

    hidden, heads, layers = (need("embedding_length"), need("attention.head_count"),
                             need("block_count"))
    head_dim = value("attention.key_length", hidden // heads)
    for key in ("attention.value_length", "rope.dimension_count"):
        if value(key, head_dim) != head_dim:
            raise BrinkError(f"{where}: {arch}.{key} {value(key)} differs from the head size "
                             f"{head_dim}")
    if value("expert_count"):
        raise BrinkError(f"{where}: mixtures of experts are not supported")
    embedding = tensors.get("token_embd.weight")
    if embedding is None:
        raise BrinkError(f"{where}: there is no tensor token_embd.weight")
    config = {
        "architectures": [FAMILIES[family]], "model_type": family,
        "hidden_size": hidden, "intermediate_size": need("feed_forward_length"),
        "num_hidden_layers": layers, "num_attention_heads": heads,
        "num_key_value_heads": value("attention.head_count_kv", heads), "head_dim": head_dim,
        "vocab_size": embedding.shape[0], "max_position_embeddings": need("context_length"),
        "rms_norm_eps": need("attention.layer_norm_rms_epsilon"),
        "rope_theta": value("rope.freq_base", 10000.0),
        "rope_scaling": _gguf_scaling(value, where),
        "hidden_act": "silu", "tie_word_embeddings": "output.weight" not in tensors,
    }
    if family == "gemma3_text":
        del config["hidden_act"]
        scalar = hidden // heads if layers == 62 else head_dim  # 27B alone differs
        config |= {"hidden_activation": "gelu_pytorch_tanh", "query_pre_attn_scalar": scalar,
                   "sliding_window": need("attention.sliding_window"),
                   "sliding_window_pattern": value("attention.sliding_window_pattern", 6),
                   "rope_local_base_freq": value("rope.freq_base_swa", 10000.0),
                   "final_logit_softcapping": value("final_logit_softcapping")}
    for key in ("bos", "eos", "padding", "unknown"):
        number = metadata.get(f"tokenizer.ggml.{key}_token_id")
        if number is not None:
            config[{"padding": "pad", "unknown": "unk"}.get(key, key) + "_token_id"] = number
    turn = metadata.get("tokenizer.ggml.eot_token_id")  # ends a turn of a chat
    if turn is not None and "eos_token_id" in config and turn != config["eos_token_id"]:
        config["eos_token_id"] = [config["eos_token_id"], turn]
    return config


def _gguf_scaling(value, where):
    kind = value("rope.scaling.type")
    if kind in (None, "none"):
        return None
    if kind not in ("linear", "yarn"):
        raise BrinkError(f"{where}: rope scaling {kind!r} is not supported")
    scaling = {"rope_type": kind, "factor": value("rope.scaling.factor", 1.0)}
    original = value("rope.scaling.original_context_length")
    if original:
        scaling["original_max_position_embeddings"] = original
    return scaling
