"""Cases of com.microsoft's operators beside attention, and of normalisation's rarer forms. See
cases.py."""

import itertools
import math

import ml_dtypes
import numpy as np

import cases
from cases import MS, case, f32, i64, ints, of

rng = np.random.default_rng(20250411)
cases.rng, other = rng, cases.rng     # f32 and ints draw from here while this file is read


def gelu(x):
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def elementwise():
    for shape in ((3, 5, 24), (7, 33), (0, 8)):
        case("BiasGelu", [f32(*shape), f32(shape[-1])], domain=MS)
    x, bias, skip = f32(2, 3, 24), f32(24), f32(2, 3, 24)
    left, right = np.split(x + bias, 2, axis=-1)
    case("BiasSplitGelu", [x, bias], domain=MS, expected=[(left * gelu(right)).astype(np.float32)])
    case("BiasAdd", [x, bias, skip], domain=MS, expected=[x + bias + skip])
    case("FastGelu", [f32(2, 3, 8).astype(np.float16), f32(8).astype(np.float16)], domain=MS,
         rtol=5e-3, atol=5e-3, expected=None)


def moving():
    for upper, k in itertools.product((0, 1), (-1, 0, 3)):
        case("Trilu", [f32(2, 4, 6), np.array(k, np.int64)], domain=MS, upper=upper)
    case("Pad", [f32(4, 5), i64(1, 0, 2, 3), np.array([1.5], np.float32)], domain=MS)
    case("Pad", [f32(4, 5), i64(1, 0, 2, 3)], domain=MS, mode="reflect")
    for t in (np.float32, np.int64, np.int32):
        case("Range", [np.array(2, t), np.array(9, t)], domain=MS)
        case("Range", [np.array([2], t), np.array([19], t), np.array([3], t)], domain=MS)
    case("GatherND", [f32(4, 5, 6), ints(np.int64, 3, 2, low=0, high=3)], domain=MS)
    for axis in (0, 1, -1, 2):
        case("ExpandDims", [f32(3, 4), np.array(axis, np.int32)], const=[1], domain=MS)
    ids = np.array([[3, 1, 2, 3, 1], [0, 0, 0, 0, 0], [5, 4, 3, 2, 1]], np.int64)
    for size in (1, 2, 3, 5, 6):
        case("NGramRepeatBlock", [ids, f32(3, 8)], domain=MS, ngram_size=size)


def matrices():
    for shape in ((4, 4), (2, 3, 5, 5), (1, 1)):
        for t in (np.float32, np.float64):
            x = f32(*shape) + np.eye(shape[-1], dtype=np.float32) * 3
            case("Inverse", [x.astype(t)], domain=MS, rtol=1e-4, atol=1e-4)
    for metric, t in itertools.product(("sqeuclidean", "euclidean"), (np.float32, np.float64)):
        case("CDist", [of(t, 5, 7), of(t, 9, 7)], domain=MS, metric=metric, rtol=1e-4, atol=1e-4)
    for ta, tb, ba, bb in itertools.product((0, 1), repeat=4):
        a, b = [5, 19], [19, 23]
        a, b = a[::-1] if ta else a, b[::-1] if tb else b
        a = [a[0], 2, 3, a[1]] if ba else [2, 3, *a]
        b = [b[0], 2, 3, b[1]] if bb else [2, 3, *b]
        case("FusedMatMul", [f32(*a), f32(*b)], domain=MS, transA=ta, transB=tb, transBatchA=ba,
             transBatchB=bb, alpha=0.5, rtol=1e-4, atol=1e-4)
    case("FusedMatMul", [of(np.float64, 3, 4), of(np.float64, 5, 4)], domain=MS, transB=1,
         alpha=0.5)


def quantised():
    for ta, tb in ((np.uint8, np.uint8), (np.uint8, np.int8), (np.int8, np.int8)):
        a, b = ints(ta, 2, 3, 40, high=63, low=0), ints(tb, 40, 17, low=0, high=63)
        za, zb = ints(ta, 1, low=0, high=9), ints(tb, 17, low=0, high=9)
        one, many = np.array(0.03, np.float32), np.abs(f32(17)) * 0.1
        case("MatMulIntegerToFloat", [a, b, one, one], domain=MS, rtol=1e-4, atol=1e-4)
        case("MatMulIntegerToFloat", [a, b, one, one, za[0], zb[0], f32(17)], domain=MS,
             rtol=1e-4, atol=1e-4)
        case("MatMulIntegerToFloat", [a, b, one, many, za[0], zb], domain=MS, const=[1, 3, 5],
             rtol=1e-4, atol=1e-4)
    for t in (np.uint8, np.int8):
        b = ints(t, 40, 17, low=0, high=63)
        zero = ints(t, 17, low=0, high=9)
        case("DynamicQuantizeMatMul", [f32(3, 40), b, np.array(0.02, np.float32)], domain=MS,
             const=[1, 2], rtol=1e-3, atol=1e-3)
        case("DynamicQuantizeMatMul", [f32(2, 3, 40), b, np.abs(f32(17)) * 0.1, zero, f32(17)],
             domain=MS, const=[1, 2, 3], rtol=1e-3, atol=1e-3)
        case("DynamicQuantizeMatMul", [f32(1, 40), b, np.array(0.02, np.float32), zero[0]],
             domain=MS, const=[1, 2, 3], rtol=1e-3, atol=1e-3)
    for way, t, per_column in itertools.product(("forward", "bidirectional"), (np.int8, np.uint8),
                                                (False, True)):
        d, steps, batch, inputs, hidden = 1 + (way != "forward"), 4, 2, 6, 5
        low, high = (-60, 60) if t == np.int8 else (60, 190)
        scales = (d, 4 * hidden) if per_column else (d,)
        zero = np.full(scales, 0 if t == np.int8 else 128, t)
        case("DynamicQuantizeLSTM",
             [f32(steps, batch, inputs), ints(t, d, inputs, 4 * hidden, low=low, high=high),
              ints(t, d, hidden, 4 * hidden, low=low, high=high), f32(d, 8 * hidden), None, None,
              None, None, np.abs(f32(*scales)) * 0.004 + 0.002, zero,
              np.abs(f32(*scales)) * 0.004 + 0.002, zero],
             const=[1, 2, 3, 8, 9, 10, 11], domain=MS, outputs=3, rtol=2e-2, atol=2e-2,
             hidden_size=hidden, direction=way)
    for axes, shape in itertools.product(((0, 1), (1, 0), (2, 1), (0, 2), (-1, -2)),
                                         ((6, 32, 20), (4, 17, 40))):
        gather, quantize = axes
        scale_shape = list(shape)
        scale_shape[quantize] = -(-shape[quantize] // 16)
        for t in (ml_dtypes.int4, ml_dtypes.uint4):
            low, high = (-8, 7) if t == ml_dtypes.int4 else (0, 15)
            codes = rng.integers(low, high + 1, shape).astype(t)
            zero = rng.integers(low, high + 1, scale_shape).astype(t)
            index = ints(np.int64, 2, 3, low=-2, high=3)
            for more in ([], [zero]):
                case("GatherBlockQuantized", [codes, index, f32(*scale_shape), *more],
                     const=[0, 3], domain=MS, gather_axis=gather, quantize_axis=quantize,
                     block_size=16)
    for bits, zeros in itertools.product((2, 4, 8), (False, True)):
        table, per = rng.integers(0, 256, (10, 48 * bits // 8)).astype(np.uint8), 8 // bits
        more = [ints(np.uint8, 10, -(-3 // per))] if zeros else []
        case("GatherBlockQuantized", [table, ints(np.int64, 2, 3, low=-10, high=9), f32(10, 3),
                                      *more],
             const=[0, 3], domain=MS, bits=bits, block_size=16, quantize_axis=1, gather_axis=0)


def normalisation():
    for shape, scale, axis in (((2, 3, 4, 5), (5,), -1), ((2, 3, 4, 5), (4, 5), 2),
                               ((2, 3, 4, 5), (3, 4, 5), 1), ((2, 3, 4), (2, 3, 4), 0)):
        for t in (np.float32, np.float64):
            inputs = [of(t, *shape), of(t, *scale), of(t, *scale)]
            case("LayerNormalization", inputs, axis=axis, rtol=1e-4, atol=1e-4,
                 outputs=3 if t == np.float32 else 1)
            case("RMSNormalization", inputs[:2], opset=23, axis=axis, rtol=1e-4, atol=1e-4)
    x = f32(2, 3, 4)
    for scale in (f32(2, 1, 4), f32(3, 4), f32(1)):
        mean = x.mean(-1, keepdims=True)
        y = (x - mean) / np.sqrt(((x - mean) ** 2).mean(-1, keepdims=True) + 1e-5)
        case("LayerNormalization", [x, scale, scale], expected=[y * scale + scale], rtol=1e-4,
             atol=1e-4)
        case("RMSNormalization", [x, scale], opset=23, rtol=1e-4, atol=1e-4,
             expected=[x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * scale])
    for op in ("SkipSimplifiedLayerNormalization", "SkipLayerNormalization"):
        more = [] if op.startswith("SkipS") else [f32(48)]
        for x, skip in (((2, 3, 48), (3, 48)), ((2, 3, 48), (1, 3, 48)), ((6, 48), (6, 48)),
                        ((1, 1, 48), (1, 1, 48))):
            case(op, [f32(*x), f32(*skip), f32(48), *more], domain=MS, outputs=[0, 3],
                 epsilon=1e-6, rtol=1e-4, atol=1e-4)
            case(op, [f32(*x), f32(*skip), f32(48), *more, f32(48)], domain=MS, outputs=[0, 3],
                 epsilon=1e-6, rtol=1e-4, atol=1e-4)
    x, skip = f32(2, 3, 48), f32(2, 3, 48)
    total = x + skip
    mean = total.mean(-1, keepdims=True)
    inverse = 1 / np.sqrt(((total - mean) ** 2).mean(-1, keepdims=True) + 1e-6)
    case("SkipLayerNormalization", [x, skip, np.ones(48, np.float32)], domain=MS, outputs=4,
         epsilon=1e-6, rtol=1e-4, atol=1e-4, expected=[(total - mean) * inverse, mean, inverse,
                                                      total])
    for segments, mask, places in itertools.product((False, True), (False, True), (False, True)):
        inputs = [ints(np.int32, 2, 5, low=0, high=19),
                  ints(np.int32, 2, 5, low=0, high=1) if segments else None, f32(20, 16),
                  f32(9, 16), f32(2, 16) if segments else None, f32(16), f32(16),
                  ints(np.int32, 2, 5, low=0, high=1) if mask else None,
                  ints(np.int32, 2, 5, low=0, high=8) if places else None]
        while inputs[-1] is None:
            inputs.pop()
        case("EmbedLayerNormalization", inputs, domain=MS, outputs=3, const=[2, 3, 4, 5, 6],
             rtol=1e-4, atol=1e-4)


for make in (elementwise, moving, matrices, quantised, normalisation):
    make()
cases.rng = other
