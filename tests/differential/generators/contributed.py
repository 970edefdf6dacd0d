"""com.microsoft's operators beside attention and quantisation."""

import math

import numpy as np

from cases import F32, MS, generator

from .movement import i64
from .quantised import PLAIN8


def erf_gelu(x):
    return 0.5 * x * (1 + np.vectorize(math.erf, otypes=[np.float64])(x / math.sqrt(2)))


@generator("BiasGelu", domain=MS)
def bias_gelu(g):
    shape = g.shape(1, 4, dim_least=1)
    return g.case(g.op, [g.floats(shape, special=0), g.floats(shape[-1:], special=0)], atol=1e-5)


def split_formula(values):
    left, right = np.split(values["x0"].astype(np.float64) + values["x1"], 2, -1)
    return [(left * erf_gelu(right)).astype(F32)]


@generator("BiasSplitGelu", domain=MS)
def bias_split(g):
    shape = (g.int(1, 2), g.int(1, 9), 2 * g.int(1, 30))
    return g.case(g.op, [g.floats(shape, special=0), g.floats(shape[-1:], special=0)], atol=1e-5,
                  formula=split_formula)


def add_formula(values):
    return [sum(v.astype(np.float64) for v in values.values()).astype(F32)]


@generator("BiasAdd", domain=MS)
def bias_add(g):
    shape = (g.int(1, 2), g.int(1, 9), g.int(1, 30))
    return g.case(g.op, [g.floats(shape, special=0), g.floats(shape[-1:], special=0),
                         g.floats(shape, special=0)], formula=add_formula)


@generator("Trilu", domain=MS)
def trilu(g):
    k = np.array(g.int(-6, 6), np.int64) if g.chance(0.6) else None
    return g.case(g.op, [g.floats(g.shape(2)), k], g.attributes(upper=g.int(0, 1)))


@generator("Pad", domain=MS)
def pad(g):
    shape = g.shape(1, 4, 300, dim_least=1)
    mode = g.pick(["constant", "reflect", "edge"])
    pads = [g.int(0, min(s - 1, 3) if mode == "reflect" else 3) for s in shape * 2]
    value = np.array([1.5], F32) if mode == "constant" and g.chance(0.6) else None
    return g.case(g.op, [g.floats(shape), i64(*pads), value],
                  {} if mode == "constant" else {"mode": mode})


@generator("Range", domain=MS)
def range_(g):
    kind = g.pick([np.float32, np.int64, np.int32])
    start, step = g.int(-20, 20), g.pick([1, 2, 3, -1, -4])
    end = start + step * g.int(0, 30)
    if step == 1 and g.chance(0.5):
        return g.case(g.op, [np.array(start, kind), np.array(end, kind)])
    return g.case(g.op, [np.array(v, kind) for v in (start, end, step)])


@generator("GatherND", domain=MS)
def gather_nd(g):
    shape = g.shape(1, 4, dim_least=1)
    depth = g.int(1, len(shape))
    outer = g.shape(0, 2, 20, dim_least=1)
    at = [g.ints(outer, np.int64, 0, d - 1) for d in shape[:depth]]
    return g.case(g.op, [g.floats(shape), np.stack(at, -1)])


@generator("ExpandDims", domain=MS)
def expand_dims(g):
    shape = g.shape(1, 4)
    axis = g.int(-len(shape) - 1, len(shape))
    return g.case(g.op, [g.floats(shape), np.array(axis, np.int32)], const=(1,))


@generator("NGramRepeatBlock", domain=MS)
def ngram(g):
    batch, length, words = g.int(1, 3), g.int(1, 9), 5
    return g.case(g.op, [g.ints((batch, length), np.int64, 0, words - 1),
                         g.floats((batch, words), special=0)], {"ngram_size": g.int(1, 5)})


@generator("Inverse", domain=MS)
def inverse(g):
    n = g.int(1, 6)
    x = g.floats((*g.shape(0, 2, 6, dim_least=1), n, n), g.pick([F32, np.dtype(np.float64)]),
                 scale=1.0, special=0)
    return g.case(g.op, [(x + np.eye(n) * 4).astype(x.dtype)], rtol=1e-4, atol=1e-5)


@generator("CDist", domain=MS)
def cdist(g):
    n = g.int(1, 20)
    kind = g.pick([F32, np.dtype(np.float64)])
    return g.case(g.op, [g.floats((g.int(1, 9), n), kind, scale=1.0, special=0),
                         g.floats((g.int(1, 9), n), kind, scale=1.0, special=0)],
                  {"metric": g.pick(["sqeuclidean", "euclidean"])}, rtol=1e-4, atol=1e-3)


@generator("MatMulIntegerToFloat", domain=MS)
def integer_to_float(g):
    ta, tb = g.pick([(PLAIN8[1], PLAIN8[1]), (PLAIN8[1], PLAIN8[0]), (PLAIN8[0], PLAIN8[0])])
    m, k, n = (g.dim(1, 40) for _ in range(3))
    wide = (n,) if g.chance(0.4) else ()
    scale = (np.abs(g.floats(wide, special=0)) * 0.1 + 0.001).astype(F32)
    za = g.ints((), ta) if g.chance(0.5) else None
    zb = g.ints(wide, tb) if g.chance(0.5) else None
    return g.case(g.op, [g.ints((*g.shape(0, 1, 3, dim_least=1), m, k), ta), g.ints((k, n), tb),
                         np.array(0.03, F32), scale, za, zb,
                         g.floats((n,), special=0) if g.chance(0.4) else None],
                  const=(1, 3, 5), rtol=2e-5, atol=1e-4)


@generator("DynamicQuantizeMatMul", domain=MS)
def dynamic_matmul(g):
    kind = g.pick(PLAIN8)
    m, k, n = (g.dim(1, 40) for _ in range(3))
    wide = (n,) if g.chance(0.4) else ()
    scale = (np.abs(g.floats(wide, special=0)) * 0.1 + 0.001).astype(F32)
    return g.case(g.op, [g.floats((*g.shape(0, 1, 3, dim_least=1), m, k), special=0),
                         g.ints((k, n), kind), scale, g.ints(wide, kind) if g.chance(0.5) else None,
                         g.floats((n,), special=0) if g.chance(0.4) else None],
                  const=(1, 2, 3), rtol=1e-4, atol=1e-3)


@generator("DynamicQuantizeLSTM", domain=MS)
def dynamic_lstm(g):
    way = g.pick(["forward", "reverse", "bidirectional"])
    d = 1 + (way == "bidirectional")
    steps, batch, size, hidden = g.int(1, 4), g.int(1, 3), g.int(1, 7), g.int(1, 6)
    kind = g.pick(PLAIN8)
    low, high, middle = (-60, 60, 0) if kind == np.int8 else (60, 190, 128)
    wide = (d, 4 * hidden) if g.chance(0.5) else (d,)
    zero = np.full(wide, middle, kind)

    def scale():
        return (np.abs(g.floats(wide, special=0)) * 0.004 + 0.002).astype(F32)
    inputs = [g.floats((steps, batch, size), scale=1.0, special=0),
              g.ints((d, size, 4 * hidden), kind, low, high),
              g.ints((d, hidden, 4 * hidden), kind, low, high),
              g.floats((d, 8 * hidden), scale=0.5, special=0), None, None, None, None,
              scale(), zero, scale(), zero]
    # onnxruntime quantises the input and the state at every step, brink neither (it multiplies by
    # the weights as they are meant): that shows, and grows with the steps
    return g.case(g.op, inputs, {"hidden_size": hidden, "direction": way}, 3,
                  const=(1, 2, 3, 8, 9, 10, 11), rtol=5e-2, atol=0.15)


@generator("EmbedLayerNormalization", domain=MS)
def embed(g):
    batch, rows, width, words, places = g.int(1, 2), g.int(1, 6), g.int(1, 20), 12, 9
    segments, at = g.chance(0.5), g.chance(0.4)
    inputs = [g.ints((batch, rows), np.int32, 0, words - 1),
              g.ints((batch, rows), np.int32, 0, 1) if segments else None,
              g.floats((words, width), special=0), g.floats((places, width), special=0),
              g.floats((2, width), special=0) if segments else None,
              g.floats((width,), special=0), g.floats((width,), special=0),
              g.ints((batch, rows), np.int32, 0, 1) if g.chance(0.5) else None,
              g.ints((batch, rows), np.int32, 0, places - 1) if at else None]
    return g.case(g.op, inputs, {"epsilon": 1e-5}, g.int(2, 3), const=(2, 3, 4, 5, 6), rtol=1e-4,
                  atol=1e-4)
