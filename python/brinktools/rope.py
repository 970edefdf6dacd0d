"""Rotary position tables: cos and sin of position * frequency, [positions, head_dim / 2].

All scaling happens here, so attention needs no parameter for it. Sources: RoFormer
(arXiv:2104.09864), YaRN (arXiv:2309.00071), and Llama 3.1's model card for `llama3`.
"""

import math

import numpy as np

from .errors import BrinkError


def rope_tables(rope, head_dim, positions, where, factors=None):
    """(cos, sin) in float32; `factors` [head_dim / 2] divide the frequencies (GGUF rope_freqs)."""
    frequency = rope.theta ** -(np.arange(0, head_dim, 2, dtype=np.float64) / head_dim)
    frequency, gain = _scale(frequency, rope, head_dim, where)
    if factors is not None:
        frequency = frequency / factors.astype(np.float64)
    angle = np.arange(positions, dtype=np.float64)[:, None] * frequency
    return ((np.cos(angle) * gain).astype(np.float32), (np.sin(angle) * gain).astype(np.float32))


def _scale(frequency, rope, head_dim, where):
    kind = rope.scaling.get("rope_type")
    if kind is None:
        return frequency, 1.0

    def number(key, default=None):
        value = rope.scaling.get(key)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
            raise BrinkError(f"{where}: rope scaling's {key} is {value!r}, not a positive number")
        return float(value)

    factor = number("factor")
    if kind == "linear":
        return frequency / factor, 1.0
    if kind == "llama3":
        low, high = number("low_freq_factor"), number("high_freq_factor")
        original = number("original_max_position_embeddings")
        turns = original * frequency / (2 * math.pi)  # of the trained context
        blend = np.clip((turns - low) / (high - low), 0, 1)  # 0: slowed down, 1: unchanged
        return frequency * (blend + (1 - blend) / factor), 1.0
    if kind == "yarn":
        original = number("original_max_position_embeddings")

        def dimension(turns):  # where a frequency makes this many turns of the trained context
            return head_dim * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(rope.theta))

        first = max(math.floor(dimension(number("beta_fast", 32))), 0)
        last = min(math.ceil(dimension(number("beta_slow", 1))), head_dim - 1)
        ramp = np.clip((np.arange(head_dim // 2) - first) / max(last - first, 0.001), 0, 1)
        gain = number("attention_factor", 0.1 * math.log(factor) + 1 if factor > 1 else 1.0)
        return frequency * (1 - ramp) + frequency / factor * ramp, gain
    raise BrinkError(f"{where}: rope scaling {kind!r} is not supported "
                     "(linear, llama3 and yarn are)")
