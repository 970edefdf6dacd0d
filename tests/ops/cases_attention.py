"""Cases of the attention operators: ONNX's own and com.microsoft's. See cases.py."""

import itertools

import numpy as np

import cases
from cases import MS, case, f32

rng = np.random.default_rng(20250411)
cases.rng, other = rng, cases.rng     # f32 and ints draw from here while this file is read


def bools(*shape):
    mask = rng.random(shape) < 0.7
    mask[..., 0] = True
    return mask


def trimmed(inputs):
    while inputs[-1] is None:
        inputs.pop()
    return inputs


def attention(rows=4, keys=6, heads=(3, 3), d=8, dv=8, rank=4, past=0, mask=None, outputs=1,
              batch=2, opset=23, **attributes):
    q_heads, kv_heads = heads

    def operand(n, length, width):
        return f32(batch, n, length, width) if rank == 4 else f32(batch, length, n * width)

    if rank == 3:
        attributes.update(q_num_heads=q_heads, kv_num_heads=kv_heads)
    inputs = [operand(q_heads, rows, d), operand(kv_heads, keys, d), operand(kv_heads, keys, dv),
              mask]
    inputs += [f32(batch, kv_heads, past, d), f32(batch, kv_heads, past, dv)] if past else []
    case("Attention", trimmed(inputs), opset=opset, outputs=outputs, rtol=1e-4, atol=1e-4,
         **attributes)


def onnx_attention():
    for rank, heads, past in itertools.product((3, 4), ((3, 3), (6, 2), (4, 1)), (0, 5)):
        attention(rank=rank, heads=heads, past=past, outputs=3 if past else 1, dv=10)
        attention(rank=rank, heads=heads, past=past, is_causal=1, outputs=3 if past else 1)
        attention(rank=rank, heads=heads, past=past, softcap=1.5, scale=0.4)
        attention(rank=rank, heads=heads, past=past, mask=f32(4, 6 + past))
    for shape in ((4, 11), (1, 3, 4, 11), (2, 3, 4, 11), (2, 1, 4, 11), (3, 4, 11)):
        attention(past=5, mask=f32(*shape), outputs=3)
        attention(past=5, mask=bools(*shape), is_causal=1, outputs=3)
    attention(rows=1, keys=1, past=700, heads=(9, 3), d=64, dv=64, batch=1, outputs=3)
    attention(rows=40, keys=300, heads=(2, 2), d=24, dv=33, batch=1)
    for stage in range(4):
        attention(past=5, mask=f32(4, 11), softcap=2.0, outputs=4, qk_matmul_output_mode=stage)


def mha(rows=4, keys=6, heads=3, d=8, dv=8, form="separate", bias=False, mask=None, add=None,
        past=0, length=None, outputs=1, batch=2, expected=None, **attributes):
    q = f32(batch, rows, heads * d)
    if form == "separate":
        inputs = [q, f32(batch, keys, heads * d), f32(batch, keys, heads * dv)]
    elif form == "cache":
        inputs = [q, f32(batch, heads, keys, d), f32(batch, heads, keys, dv)]
    elif form == "packed kv":
        inputs = [q, f32(batch, keys, heads, 2, d), None]
    else:
        inputs = [f32(batch, rows, heads, 3, d), None, None]
    inputs += [f32(heads * (2 * d + dv)) if bias else None, mask, add]
    inputs += [f32(batch, heads, past, d), f32(batch, heads, past, dv)] if past else [None, None]
    inputs += [length]
    if form.startswith("packed") or outputs == [0, 3]:
        expected = mha_expected(inputs, form, heads, outputs, **attributes)
    case("MultiHeadAttention", trimmed(inputs), domain=MS, outputs=outputs, rtol=1e-4, atol=1e-4,
         num_heads=heads, expected=expected, **attributes)


def attend(q, k, v, add=0.0, causal=False, scale=None):
    """For what onnxruntime's CPU does not take: [batch, rows, heads, d]; the scores too."""
    s = np.einsum("bqhd,bkhd->bhqk", q, k) * (scale or q.shape[-1] ** -0.5) + add
    if causal:
        s += np.triu(np.full(s.shape[-2:], -np.inf), 1)
    p = np.exp(s - s.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    y = np.einsum("bhqk,bkhd->bqhd", p, v).reshape(*q.shape[:2], -1)
    return [y.astype(np.float32), s.astype(np.float32)]


def mha_expected(inputs, form, heads, outputs, unidirectional=0, scale=None):
    batch, rows = inputs[0].shape[:2]
    if form == "separate":
        q, k, v = (x.reshape(batch, x.shape[1], heads, -1) for x in inputs[:3])
    elif form == "packed kv":
        q = inputs[0].reshape(batch, rows, heads, -1)
        k, v = inputs[1][:, :, :, 0], inputs[1][:, :, :, 1]
    else:
        q, k, v = (inputs[0][:, :, :, i] for i in range(3))
    if inputs[3] is not None:
        q, k, v = (x + b.reshape(heads, -1) for x, b in zip((q, k, v), np.split(inputs[3], 3)))
    add = 0.0 if inputs[4] is None else (1 - inputs[4][:, None, None, :]) * -10000.0
    add = add if inputs[5] is None else add + inputs[5]
    return attend(q, k, v, add, unidirectional, scale)[:1 if outputs == 1 else 2]


def masks(batch, rows, keys):
    lengths = np.array([keys, keys - 2][:batch], np.int32)
    seen = (rng.random((batch, keys)) < 0.7).astype(np.int32)
    return {"lengths": lengths, "columns": seen,
            "rows": (rng.random((batch, rows, keys)) < 0.7).astype(np.int32)}


def multi_head():
    for bias, dv in itertools.product((False, True), (8, 12)):
        mha(bias=bias, dv=dv)
        mha(bias=bias, dv=dv, scale=0.3, rows=40, keys=300)
        mha(bias=bias, dv=dv, rows=6, unidirectional=1)
        for name, mask in masks(2, 4, 6).items():
            mha(bias=bias, dv=dv, mask=mask)
            mha(bias=bias, dv=dv, mask=mask, mask_filter_value=-3.0)
    for name, mask in masks(2, 6, 6).items():
        mha(rows=6, mask=mask, unidirectional=1)
    mha(mask=np.array([6, 4, 0, 6, 10, 0, 6, 12], np.int32))
    for shape in ((1, 1, 4, 6), (2, 1, 4, 6), (1, 3, 4, 6), (2, 3, 4, 6)):
        mha(add=f32(*shape))
        mha(add=f32(*shape), mask=masks(2, 4, 6)["columns"])
    for bias in (False, True):
        mha(past=5, bias=bias, outputs=3)
        mha(past=5, bias=bias, outputs=3, mask=masks(2, 4, 11)["columns"])
        mha(past=5, bias=bias, rows=6, outputs=3, unidirectional=1)
        mha(bias=bias, outputs=3)
    mha(past=700, rows=1, keys=1, d=64, dv=64, outputs=3, unidirectional=1)
    mha(form="cache")
    mha(form="cache", rows=1, keys=300, mask=masks(2, 1, 300)["columns"])
    for form in ("packed kv", "packed qkv"):
        mha(form=form)
        mha(form=form, scale=0.5)
    mha(form="packed qkv", unidirectional=1)
    mha(form="packed qkv", bias=True)
    mha(outputs=[0, 3])
    mha(outputs=[0, 3], add=f32(1, 1, 4, 6))
    mha(outputs=[0, 3], mask=masks(2, 4, 6)["columns"])


def decoder(keys=1, heads=3, d=8, length=5, cross=False, mask=None, bias=False, **attributes):
    batch, most = 2, 12
    if cross:
        inputs = [f32(batch, 1, heads * d), f32(batch, heads, keys, d), f32(batch, heads, keys, d),
                  mask]
    else:
        inputs = [f32(batch, 1, heads * d) for _ in range(3)]
        inputs += [mask, None, f32(batch, heads, most, d), f32(batch, heads, most, d),
                   np.array([length], np.int32), None, None, f32(3 * heads * d) if bias else None]
        attributes["past_present_share_buffer"] = 1
    case("DecoderMaskedMultiHeadAttention", trimmed(inputs), domain=MS, outputs=1 if cross else 3,
         rtol=1e-4, atol=1e-4, num_heads=heads, **attributes)


def decoders():
    decoder()
    decoder(scale=0.4, length=0)
    decoder(bias=True, length=11)
    decoder(mask=masks(2, 1, 6)["columns"])
    decoder(cross=True, keys=9)
    decoder(cross=True, keys=9, mask=masks(2, 1, 9)["columns"])


def packed(rows=5, width=12, heads=3, d=8, dv=8, past=0, mask=None, add=None, sizes=False,
           outputs=1, **attributes):
    batch = 2
    columns = heads * (2 * d + dv)
    if sizes:
        attributes["qkv_hidden_sizes"] = [heads * d, heads * d, heads * dv]
    inputs = [f32(batch, rows, width), f32(width, columns, scale=0.4), f32(columns), mask,
              f32(2, batch, heads, past, d) if past else None, add]
    expected = None
    if mask is not None and mask.ndim == 4:
        parts = np.split(inputs[0] @ inputs[1] + inputs[2], 3, axis=-1)
        hidden = (1 - mask[:, :, :rows, :rows]) * -10000.0
        expected = attend(*(x.reshape(batch, rows, heads, d) for x in parts), hidden)[:1]
    case("Attention", trimmed(inputs), domain=MS, outputs=outputs, rtol=1e-4, atol=1e-4,
         const=[1, 2], num_heads=heads, expected=expected, **attributes)


def quantized(kind, per_column, past=0, mask=None, heads=3, d=8, width=24, rows=5, **attributes):
    batch, columns = 2, 3 * heads * d
    w = cases.ints(kind, width, columns)
    n = columns if per_column else 1
    scale = np.abs(f32(n)) * 0.01 + 0.002
    zero = cases.ints(kind, n, low=-5 if kind == np.int8 else 120, high=5 if kind == np.int8 else 130)
    inputs = [cases.ints(np.uint8, batch, rows, width), w, f32(columns),
              np.array(0.02, np.float32), scale if per_column else scale[0], mask,
              np.array(121, np.uint8), zero if per_column else zero[0],
              f32(2, batch, heads, past, d) if past else None]
    case("QAttention", trimmed([np.asarray(x) if x is not None else None for x in inputs]),
         domain=MS, outputs=2 if past else 1, const=[1, 2, 3, 4, 6, 7], rtol=1e-3, atol=1e-3,
         num_heads=heads, **attributes)


def with_projection():
    packed()
    packed(sizes=True, dv=12)
    packed(outputs=2)
    packed(scale=0.3)
    packed(past=4, outputs=2)
    packed(past=4, outputs=2, unidirectional=1)
    packed(unidirectional=1)
    for unidirectional, (name, mask) in itertools.product((0, 1), masks(2, 5, 5).items()):
        packed(mask=mask, unidirectional=unidirectional)
        packed(mask=mask, unidirectional=unidirectional, mask_filter_value=-2.0)
    packed(mask=np.array([5, 4, 1, 2], np.int32))
    packed(mask=np.array([[1], [1]], np.int32))
    packed(mask=(rng.random((2, 1, 9, 9)) < 0.8).astype(np.int32))
    packed(mask=masks(2, 5, 9)["columns"], past=4, outputs=2)
    packed(mask=masks(2, 5, 9)["rows"], past=4, outputs=2)
    for shape in ((2, 3, 5, 5), (1, 3, 5, 5), (1, 1, 5, 5)):
        packed(add=f32(*shape))
    for kind, per_column in itertools.product((np.int8, np.uint8), (False, True)):
        quantized(kind, per_column)
        quantized(kind, per_column, past=4)
        quantized(kind, per_column, unidirectional=1)
    quantized(np.int8, False, mask=np.array([5, 3], np.int32))


def linear(rule, heads=(4, 2), d=6, dv=5, steps=4, past=True, each=False, one_rate=False, scale=0.0):
    q, kv = heads
    inputs = [f32(2, steps, q * d), f32(2, steps, kv * d, scale=0.4), f32(2, steps, kv * dv),
              f32(2, kv, d, dv) if past else None,
              -np.abs(f32(2, steps, kv * d if each else kv)) if "gated" in rule else None,
              np.abs(f32(2, steps, 1 if one_rate else kv)) % 1 if "delta" in rule else None]
    case("LinearAttention", trimmed(inputs), opset=27, outputs=2, rtol=1e-4, atol=1e-4,
         q_num_heads=q, kv_num_heads=kv, update_rule=rule, scale=scale)


def linears():
    for rule in ("linear", "gated", "delta", "gated_delta"):
        linear(rule)
        linear(rule, past=False, heads=(3, 3), scale=0.7)
        linear(rule, each=True, one_rate=True, heads=(3, 1))


def gqa(batch, rows, past, heads, kv, d, rotary=0, stage=0, **attributes):
    total = past + rows
    inputs = [f32(batch, rows, heads * d), f32(batch, rows, kv * d), f32(batch, rows, kv * d),
              f32(batch, kv, past, d), f32(batch, kv, past, d),
              np.full(batch, total - 1, np.int32), np.array(total, np.int32)]
    inputs += list(cases.caches(64, rotary)) if rotary else [None, None]
    if stage:
        attributes["qk_output"] = stage
    case("GroupQueryAttention", trimmed(inputs), domain=MS, rtol=1e-4, atol=1e-4, num_heads=heads,
         kv_num_heads=kv, do_rotary=int(rotary > 0), outputs=4 if stage else 3, **attributes)


def group_query():
    for rows, past in ((1, 9), (7, 0), (5, 6)):
        gqa(1, rows, past, 4, 2, 32, rotary=8)
        gqa(1, rows, past, 4, 2, 32, rotary=8, rotary_interleaved=1)
        for stage in (1, 2):
            gqa(1, rows, past, 4, 2, 16, stage=stage)
            gqa(1, rows, past, 4, 2, 16, stage=stage, local_window_size=3)
    gqa(1, 7, 0, 4, 2, 16, causal=0)
    gqa_normed(5, 4, 2, 16)
    gqa_normed(5, 4, 2, 16, q_norm_epsilon=0.5)


def gqa_normed(rows, heads, kv, d, q_norm_epsilon=1e-6):
    q, k, v = f32(1, rows, heads * d), f32(1, rows, kv * d), f32(1, rows, kv * d)
    weights = f32(d), f32(d)
    inputs = [q, k, v, None, None, np.array([rows - 1], np.int32), np.array(rows, np.int32)]
    inputs += [None] * 7 + list(weights)

    def normed(x, weight, epsilon):
        x = x.reshape(1, rows, -1, d)
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + epsilon) * weight

    shared = heads // kv
    y = attend(normed(q, weights[0], q_norm_epsilon),
               np.repeat(normed(k, weights[1], 1e-6), shared, 2),
               np.repeat(v.reshape(1, rows, kv, d), shared, 2), causal=True)[:1]
    case("GroupQueryAttention", inputs, domain=MS, rtol=1e-4, atol=1e-4, num_heads=heads,
         kv_num_heads=kv, q_norm_epsilon=q_norm_epsilon, expected=y)


def rotary():
    cos, sin = cases.caches(30, 4)
    for interleaved, rank in itertools.product((0, 1), (3, 4)):
        x = f32(2, 3, 5, 8) if rank == 4 else f32(2, 5, 24)
        wide = f32(2, 3, 5, 12) if rank == 4 else f32(2, 5, 36)
        places = cases.ints(np.int64, 2, 5, low=0, high=29)
        case("RotaryEmbedding", [x, cos, sin, places], opset=23, interleaved=interleaved,
             num_heads=3)
        case("RotaryEmbedding", [wide, cos, sin, places], opset=23, interleaved=interleaved,
             num_heads=3, rotary_embedding_dim=8)
        case("RotaryEmbedding", [x, f32(2, 5, 4), f32(2, 5, 4)], opset=23,
             interleaved=interleaved, num_heads=3)
        case("RotaryEmbedding", [wide, places, cos, sin], domain=MS, interleaved=interleaved,
             num_heads=3, rotary_embedding_dim=8)
        case("RotaryEmbedding", [wide, np.array([3], np.int64), cos, sin], domain=MS,
             interleaved=interleaved, num_heads=3, rotary_embedding_dim=8, scale=1.0)


for make in (onnx_attention, multi_head, decoders, with_projection, linears, group_query, rotary):
    make()
cases.rng = other
