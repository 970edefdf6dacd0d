"""Quantisation in ONNX's own operators."""

import numpy as np

from cases import F16, F32, I4, U4, generator, is_float

PLAIN8 = (np.dtype(np.int8), np.dtype(np.uint8))


def scales(g, shape, dtype=F32):
    # powers of two now and then: quotients then fall on ties
    if g.chance(0.3):
        return (2.0 ** g.rng.integers(-5, 2, shape)).astype(dtype)
    return (g.rng.random(shape) * 0.2 + 0.01).astype(dtype)


def layout(g, since, shape):
    """(shape of scale and zero point, attributes): a tensor's, an axis's or blocks'."""
    style = g.int(0, 3 if since >= 21 else 1)
    if not shape or style == 0 or since < 13:
        return (() if g.chance(0.7) else (1,)) if shape else (), {}
    axis = g.int(-len(shape), len(shape) - 1)
    size = shape[axis]
    if style < 3 or size == 0:
        if axis in (1, ) and g.chance(0.5):
            return (size,), {}
        return (size,), {"axis": axis}
    block = g.int(1, size)
    whole = list(shape)
    whole[axis] = -(-size // block)
    return tuple(whole), {"axis": axis, "block_size": block}


@generator("QuantizeLinear")
def quantize(g):
    schema = g.version()
    since = schema.since_version
    variable = {t.type_param_str for t in schema.type_constraints}
    x_type = g.type("T1")
    x = g.array(x_type, g.shape(0, 4, 800, dim_least=0 if g.chance(0.2) else 1),
                0.05 if is_float(x_type) else 0, -2000, 2000)
    shape, more = layout(g, since, x.shape)
    s_type = x_type if since < 23 else g.type("T2")
    if not is_float(s_type):
        s_type = F32
    if since >= 19 and not is_float(x_type):
        if since < 23:      # the scale has the type of x there: no integer makes sense
            x, x_type = x.astype(F32), F32
        s_type = F32
    zero_types = [t for t in g.types("T3" if "T3" in variable else "T2")]
    if since >= 21:
        zero_types += [I4, U4]
    zero_type = g.pick(zero_types)
    zero = g.ints(shape, zero_type) if g.chance(0.7) else None
    if zero is not None and zero_type == np.dtype(np.int32):
        zero = np.zeros(shape, zero_type)
    if zero is None and since >= 21 and g.chance(0.5):
        from engines import CODES
        more["output_dtype"] = CODES[zero_type]
    if since >= 19 and g.chance(0.2):
        more["saturate"] = 1
    if is_float(x_type):    # what is no number has no code
        x = np.clip(np.nan_to_num(x.astype(np.float64), nan=0.0), -6e4, 6e4).astype(x_type)
    # the quotient of halves is in their own precision or in f32 (opset 23 has an attribute for it),
    # that of integers in f32, the scale's type, but in f64 in the reference evaluator
    halves = {x_type, s_type} - {F32}
    return g.case("QuantizeLinear", [x, scales(g, shape, s_type), zero], more,
                  steps=1 if halves else 0)


@generator("DequantizeLinear")
def dequantize(g):
    schema = g.version()
    since = schema.since_version
    variable = {t.type_param_str for t in schema.type_constraints}
    kinds = g.types("T1" if "T1" in variable else "T")
    if since >= 21:
        kinds = kinds + [I4, U4]
    kind = g.pick(kinds)
    x = g.ints(g.shape(0, 4, 800), kind)
    shape, more = layout(g, since, x.shape)
    s_type = g.type("T2") if since >= 19 else F32
    zero = g.ints(shape, kind) if g.chance(0.7) and kind != np.dtype(np.int32) else None
    if kind == np.dtype(np.int32) and g.chance(0.3):
        zero = np.zeros(shape, kind)
    return g.case("DequantizeLinear", [x, scales(g, shape, s_type), zero], more)


@generator("DynamicQuantizeLinear")
def dynamic_quantize(g):
    g.version()
    return g.case("DynamicQuantizeLinear", [g.floats(g.shape(0, 4, dim_least=1), special=0)],
                  outputs=3)


@generator("QLinearMatMul")
def qlinear_matmul(g):
    from .products import product_shapes
    schema = g.version()
    ta, tb, ty = (g.pick([t for t in g.types(v) if t in PLAIN8]) for v in ("T1", "T2", "T3"))
    a, b = product_shapes(g, 4)
    s_type = F32 if schema.since_version < 21 else g.pick(g.types("TS"))
    column = len(b) == 2 and g.chance(0.3)
    wide = (b[-1],) if column else ()
    inputs = [g.ints(a, ta), scales(g, (), s_type), g.ints((), ta),
              g.ints(b, tb), scales(g, wide, s_type), g.ints(wide, tb),
              (scales(g, (), F32) * 100).astype(s_type), g.ints((), ty)]
    # the multiplier's precision is open, so a tie may fall either way
    return g.case("QLinearMatMul", inputs, steps=1)
