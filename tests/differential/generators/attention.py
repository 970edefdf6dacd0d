"""com.microsoft's attention operators, as onnxruntime's docs/ContribOperators.md describes them."""

import numpy as np

from cases import F32, MS, generator

CLOSE = dict(rtol=5e-5, atol=2e-5)


def mask_of(g, batch, rows, keys):
    """Key lengths, or which keys (of which rows) are seen: 1 and 0."""
    kind = g.int(0, 3)
    if kind == 0:
        return g.ints((batch,), np.int32, 1, keys)
    if kind < 3:
        mask = g.ints((batch, keys), np.int32, 0, 1)
        mask[:, 0] = 1
        return mask
    mask = g.ints((batch, rows, keys), np.int32, 0, 1)
    mask[:, :, 0] = 1
    return mask


@generator("MultiHeadAttention", domain=MS)
def multi_head(g):
    batch, heads, rows = g.int(1, 2), g.int(1, 4), g.int(1, 6)
    d, dv = g.pick([4, 8, 16]), g.pick([4, 8, 16])
    past = g.int(1, 6) if g.chance(0.3) else 0
    causal = g.chance(0.25)
    keys = rows if causal or past else g.int(1, 8)
    q = g.mild(batch, rows, heads * d)
    if past or g.chance(0.8):
        k = g.mild(batch, keys, heads * d)
        v = g.mild(batch, keys, heads * dv)
    else:
        k, v = (g.mild(batch, heads, keys, w) for w in (d, dv))
    whole = past + keys
    if past:
        dv = d
        v = g.mild(batch, keys, heads * d)
    with_bias = k.ndim == 3 and g.chance(0.4)
    bias = g.mild(heads * (2 * d + dv)) if with_bias else None
    mask = mask_of(g, batch, rows, whole) if g.chance(0.35) else None
    if mask is not None and mask.ndim == 1 and past:
        mask = None
    add = g.mild(g.pick([1, batch]), g.pick([1, heads]), rows, whole) \
        if g.chance(0.3) else None
    inputs = [q, k, v, bias, mask, add]
    if past:
        inputs += [g.mild(batch, heads, past, d),
                   g.mild(batch, heads, past, dv)]
    more = {"num_heads": heads, **({"unidirectional": 1} if causal else {})}
    if g.chance(0.3):
        more["scale"] = 0.3
    if mask is not None and g.chance(0.3):
        more["mask_filter_value"] = -3.0
    return g.case(g.op, inputs, more, 3 if past else 1, **CLOSE)


@generator("DecoderMaskedMultiHeadAttention", domain=MS)
def decoder(g):
    batch, heads, d, most = g.int(1, 2), g.int(1, 4), g.pick([4, 8, 16]), g.int(6, 12)
    more = {"num_heads": heads, **g.attributes(scale=g.pick([0.3, 1.0]))}
    if g.chance(0.3):
        keys = g.int(1, 9)
        mask = g.ints((batch, keys), np.int32, 0, 1) if g.chance(0.5) else None
        if mask is not None:
            mask[:, 0] = 1
        return g.case(g.op, [g.mild(batch, 1, heads * d),
                             g.mild(batch, heads, keys, d),
                             g.mild(batch, heads, keys, d), mask], more, **CLOSE)
    length = g.int(0, most - 1)
    inputs = [g.mild(batch, 1, heads * d) for _ in range(3)]
    mask = g.ints((batch, length + 1), np.int32, 0, 1) if g.chance(0.4) else None
    if mask is not None:
        mask[:, 0] = 1
    inputs += [mask, None, g.mild(batch, heads, most, d),
               g.mild(batch, heads, most, d), np.array([length], np.int32), None,
               None, g.mild(3 * heads * d) if g.chance(0.4) else None]
    more["past_present_share_buffer"] = 1
    return g.case(g.op, inputs, more, 3, **CLOSE)


@generator("Attention", domain=MS)
def packed(g):
    batch, heads, rows, width = g.int(1, 2), g.int(1, 4), g.int(1, 6), g.int(1, 20)
    d = g.pick([4, 8, 16])
    past = g.int(1, 5) if g.chance(0.3) else 0
    dv = d if past else g.pick([4, 8])
    columns = heads * (2 * d + dv)
    more = {"num_heads": heads}
    if dv != d or g.chance(0.2):
        more["qkv_hidden_sizes"] = [heads * d, heads * d, heads * dv]
    whole = past + rows
    mask = mask_of(g, batch, rows, whole) if g.chance(0.4) else None
    if mask is not None and mask.ndim == 1 and past:
        mask = None
    add = g.mild(g.pick([1, batch]), g.pick([1, heads]), rows, whole) \
        if not past and g.chance(0.3) else None
    inputs = [g.mild(batch, rows, width),
              g.floats((width, columns), scale=0.4, special=0), g.mild(columns),
              mask, g.mild(2, batch, heads, past, d) if past else None, add]
    if g.chance(0.3):
        more["unidirectional"] = 1
    if g.chance(0.2):
        more["scale"] = 0.3
    return g.case(g.op, inputs, more, 2 if past or g.chance(0.2) and dv == d else 1, const=(1, 2),
                  **CLOSE)


@generator("QAttention", domain=MS)
def quantised(g):
    batch, heads, rows, width = g.int(1, 2), g.int(1, 4), g.int(1, 6), g.int(1, 20)
    d = g.pick([4, 8, 16])
    past = g.int(1, 5) if g.chance(0.3) else 0
    columns = 3 * heads * d
    kind = g.pick([np.int8, np.uint8])
    wide = (columns,) if g.chance(0.4) else ()
    zero = g.ints(wide, kind, -5 if kind == np.int8 else 120, 5 if kind == np.int8 else 130)
    scale = (np.abs(g.floats(wide, scale=1.0, special=0)) * 0.01 + 0.002).astype(F32)
    inputs = [g.ints((batch, rows, width), np.uint8), g.ints((width, columns), kind),
              g.mild(columns), np.array(0.02, F32), scale,
              g.ints((batch,), np.int32, 1, rows) if not past and g.chance(0.3) else None,
              np.array(121, np.uint8), zero,
              g.mild(2, batch, heads, past, d) if past else None]
    more = {"num_heads": heads, **({"unidirectional": 1} if g.chance(0.3) else {})}
    return g.case(g.op, inputs, more, 2 if past else 1, const=(1, 2, 3, 4, 6, 7), rtol=1e-4,
                  atol=1e-4)


@generator("LinearAttention")
def linear(g):
    g.version(most=28)
    rule = g.pick(["linear", "gated", "delta", "gated_delta"])
    kv = g.int(1, 3)
    heads, d, dv = kv * g.int(1, 2), g.int(1, 6), g.int(1, 6)
    steps, batch = g.int(1, 5), g.int(1, 2)
    each = g.chance(0.5)
    inputs = [g.mild(batch, steps, heads * d),
              g.floats((batch, steps, kv * d), scale=0.4, special=0),
              g.mild(batch, steps, kv * dv),
              g.mild(batch, kv, d, dv) if g.chance(0.5) else None,
              -np.abs(g.mild(batch, steps, kv * d if each else kv))
              if "gated" in rule else None,
              np.abs(g.mild(batch, steps, kv)) % 1 if "delta" in rule else None]
    more = {"q_num_heads": heads, "kv_num_heads": kv, "update_rule": rule}
    if g.chance(0.5):
        more["scale"] = 0.7
    return g.case(g.op, inputs, more, 2, rtol=1e-4, atol=1e-4)
