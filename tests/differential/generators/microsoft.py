"""com.microsoft's operators, as onnxruntime's contrib_ops/ContribOperators.md describes them."""

import numpy as np

from cases import F16, F32, I4, MS, U4, generator

NORM = dict(rtol=5e-5, atol=2e-5)


@generator("Gelu", "FastGelu", "QuickGelu", domain=MS)
def gelu(g):
    shape = g.shape(1)
    x = g.floats(shape, special=0.03)
    if g.op == "QuickGelu":
        return g.case(g.op, [x], g.attributes(alpha=g.pick([1.0, 1.702])), atol=1e-5)
    if g.op == "FastGelu" and g.chance(0.5):
        return g.case(g.op, [x, g.floats(shape[-1:], special=0)], atol=1e-5)
    return g.case(g.op, [x], atol=1e-5)


@generator("SimplifiedLayerNormalization", domain="")
def simplified(g):
    g.opset = g.int(13, 22)
    shape = g.shape(1, 4, dim_least=1)
    return g.case(g.op, [g.floats(shape, special=0), g.floats(shape[-1:], special=0)],
                  {"axis": -1, "stash_type": 1, **g.attributes(epsilon=1e-6)}, **NORM)


def simplified_formula(values):
    x, scale = (values[k].astype(np.float64) for k in ("x0", "x1"))
    return [(x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * scale).astype(np.float32)]


@generator("SimplifiedLayerNormalization", domain=MS)
def simplified_too(g):
    """Under com.microsoft, where some exporters put it: onnxruntime does not know it there."""
    g.opset = 17
    shape = g.shape(1, 4, dim_least=1)
    return g.case(g.op, [g.floats(shape, special=0), g.floats(shape[-1:], special=0)],
                  {"axis": -1, "stash_type": 1, "epsilon": 1e-5}, formula=simplified_formula,
                  **NORM)


@generator("SkipLayerNormalization", "SkipSimplifiedLayerNormalization", domain=MS)
def skip(g):
    shape = tuple(g.dim(1, 40) for _ in range(3))
    whole, n = g.floats(shape, special=0), shape[-1:]
    other = g.floats(shape if g.chance(0.8) else (1, *shape[1:]), special=0)
    inputs = [whole, other, g.floats(n, special=0)]
    if g.op == "SkipLayerNormalization":
        inputs.append(g.floats(n, special=0) if g.chance(0.7) else None)
    inputs.append(g.floats(n, special=0) if g.chance(0.5) else None)
    return g.case(g.op, inputs, g.attributes(epsilon=1e-5), g.pick([[0], [0, 3]]), **NORM)


@generator("FusedMatMul", domain=MS)
def fused_matmul(g):
    m, k, n = (g.dim(1, 33) for _ in range(3))
    a, b = g.broadcast(2, 2, 8)
    a, b = ((), ()) if 0 in a + b else (a, b)
    ta, tb = g.int(0, 1), g.int(0, 1)
    return g.case("FusedMatMul", [g.floats((*a, k, m) if ta else (*a, m, k), special=0),
                                  g.floats((*b, n, k) if tb else (*b, k, n), special=0)],
                  {"transA": ta, "transB": tb, **g.attributes(alpha=0.7)}, rtol=2e-5, atol=1e-6)


def packed_bits(codes, bits):
    per = 8 // bits
    codes = np.pad(codes, [(0, 0)] * (codes.ndim - 1) + [(0, -codes.shape[-1] % per)])
    parts = codes.reshape(*codes.shape[:-1], -1, per).astype(np.uint32)
    return sum(parts[..., i] << (bits * i) for i in range(per)).astype(np.uint8)


@generator("MatMulNBits", domain=MS)
def matmul_nbits(g):
    bits = g.pick([4, 4, 8])
    block = g.pick([16, 32, 64, 128])
    k, n, m = g.pick([16, 32, 33, 64, 100, 128, 256]), g.int(1, 40), g.int(1, 6)
    blocks = -(-k // block)
    zeros = None
    if g.chance(0.5):
        zeros = packed_bits(g.rng.integers(0, 1 << bits, (n, blocks)), bits)
    inputs = [g.floats((*g.shape(0, 1, 3, dim_least=1), m, k), special=0),
              packed_bits(g.rng.integers(0, 1 << bits, (n, blocks, block)), bits),
              (np.abs(g.floats((n, blocks), special=0, scale=0.1)) + 0.01).astype(np.float32),
              zeros, None, g.floats((n,), special=0) if g.chance(0.3) else None]
    return g.case("MatMulNBits", inputs, {"K": k, "N": n, "bits": bits, "block_size": block},
                  const=range(1, 6), rtol=1e-4, atol=1e-4)


@generator("MatMulBnb4", domain=MS)
def matmul_bnb4(g):
    block = g.pick([16, 32, 64])
    k, n, m = g.pick([32, 64, 96]), g.pick([1, 2, 5, 8, 20]) * 2, g.int(1, 6)
    inputs = [g.floats((m, k), special=0), g.ints((n * k // 2,), np.uint8),
              np.abs(g.floats((-(-n * k // block),), special=0))]
    return g.case("MatMulBnb4", inputs,
                  {"K": k, "N": n, "block_size": block, "quant_type": g.int(0, 1)},
                  const=(1, 2), rtol=1e-4, atol=1e-4)


@generator("GatherBlockQuantized", domain=MS)
def gather_block_quantized(g):
    block = g.pick([16, 32])
    rows, n = g.int(1, 12), block * g.int(1, 3)
    indices = g.ints(g.shape(0, 3, 20, dim_least=1), g.pick([np.int32, np.int64]), -rows, rows - 1)
    more = {"block_size": block, "quantize_axis": 1, "gather_axis": 0}
    scale = g.floats((rows, n // block), special=0)
    style = g.int(0, 2)
    if style == 0:
        kind = g.pick([I4, U4])
        zeros = g.ints((rows, n // block), kind) if g.chance(0.5) else None
        return g.case(g.op, [g.ints((rows, n), kind), indices, scale, zeros], more, const=(0, 3))
    bits = 4 * style
    zeros = packed_bits(g.rng.integers(0, 1 << bits, (rows, n // block)), bits) \
        if g.chance(0.5) else None
    return g.case(g.op, [packed_bits(g.rng.integers(0, 1 << bits, (rows, n)), bits), indices,
                         scale, zeros], {"bits": bits, **more}, const=(0, 3))


def caches(rows, half):
    angle = np.outer(np.arange(rows), 10000.0 ** (-np.arange(half) / half))
    return np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)


@generator("RotaryEmbedding", domain=MS)
def rotary(g):
    b, heads, rows, size = g.int(1, 2), g.int(1, 3), g.int(1, 5), g.pick([8, 16])
    cos, sin = caches(20, size // 2)
    x = g.floats((b, heads, rows, size) if g.chance(0.5) else (b, rows, heads * size), special=0)
    at = g.ints((b, rows), np.int64, 0, 19) if g.chance(0.5) else \
        np.array([g.int(0, 20 - rows)], np.int64)
    return g.case(g.op, [x, at, cos, sin], g.attributes(interleaved=g.int(0, 1)),
                  rtol=2e-5, atol=1e-6)


@generator("GroupQueryAttention", domain=MS)
def group_query(g):
    kv = g.pick([1, 2, 3])
    heads, d = kv * g.int(1, 3), g.pick([16, 32])
    rows, past = g.pick([(1, 0), (1, 5), (1, 9), (4, 0), (7, 0), (3, 6)])
    batch = g.int(1, 2) if rows == 1 or past == 0 else 1
    total = past + rows
    rotary_on = g.int(0, 1)
    if g.chance(0.3):
        q, k, v = g.mild(batch, rows, (heads + 2 * kv) * d), None, None
    else:
        q = g.mild(batch, rows, heads * d)
        k, v = (g.mild(batch, rows, kv * d) for _ in range(2))
    lengths = [total] * batch
    if batch > 1 and rows == 1 and past and g.chance(0.5):
        lengths[1] = g.int(1, total)
    inputs = [q, k, v, g.mild(batch, kv, past, d),
              g.mild(batch, kv, past, d),
              np.array([n - 1 for n in lengths], np.int32), np.array(total, np.int32)]
    inputs += caches(32, d // 2) if rotary_on else [None, None]
    inputs += [None, g.mild(1, 1, rows, total) if g.chance(0.15) else None,
               g.mild(heads) if g.chance(0.15) else None]
    more = {"num_heads": heads, "kv_num_heads": kv, "do_rotary": rotary_on}
    if rotary_on and g.chance(0.3):
        more["rotary_interleaved"] = 1
    if g.chance(0.2):
        more["local_window_size"] = g.int(1, 6)
    if g.chance(0.2):
        more["softcap"] = 2.5
    if g.chance(0.2):
        more["scale"] = 0.7
    if g.chance(0.1):
        more["smooth_softmax"] = 1
    return g.case(g.op, inputs, more, 3, rtol=1e-4, atol=1e-5)


@generator("QGemm", domain=MS)
def qgemm(g):
    from .quantised import PLAIN8, scales
    m, k, n = (g.dim(1, 33) for _ in range(3))
    ta, tb = g.int(0, 1), g.int(0, 1)
    kind, kind_b = g.pick(PLAIN8), np.dtype(np.int8)
    wide = (n,) if g.chance(0.4) else ()
    sa, sb = scales(g, ()), scales(g, wide)
    y = g.chance(0.7)
    inputs = [g.ints((k, m) if ta else (m, k), kind), sa, g.ints((), kind),
              g.ints((n, k) if tb else (k, n), kind_b), sb, g.ints(wide, kind_b),
              g.ints((n,), np.int32, -900, 900) if g.chance(0.5) else None,
              (scales(g, ()) * 100).astype(F32) if y else None, g.ints((), kind) if y else None]
    return g.case("QGemm", inputs, {"transA": ta, "transB": tb, **g.attributes(alpha=0.5)},
                  steps=1, rtol=1e-5)


def group_formula(groups, activation):
    def formula(values):
        x, scale, bias = (values[k].astype(np.float64) for k in ("x0", "x1", "x2"))
        parts = x.reshape(x.shape[0], -1, groups, x.shape[-1] // groups)
        mean = parts.mean((1, 3), keepdims=True)
        variance = parts.var((1, 3), keepdims=True)
        y = ((parts - mean) / np.sqrt(variance + 1e-5)).reshape(x.shape) * scale + bias
        return [(y / (1 + np.exp(-y)) if activation else y).astype(np.float32)]
    return formula


@generator("GroupNorm", domain=MS)
def group_norm(g):
    groups, activation = g.int(1, 4), g.int(0, 1)
    c = groups * g.int(1, 4)
    shape = (g.int(1, 2), g.int(1, 5), g.int(1, 5), c)
    return g.case("GroupNorm", [g.floats(shape, special=0), g.floats((c,), special=0),
                                g.floats((c,), special=0)],
                  {"groups": groups, "activation": activation, "channels_last": 1,
                   "epsilon": 1e-5}, rtol=1e-4, atol=1e-4,
                  formula=group_formula(groups, activation))
