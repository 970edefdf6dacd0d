"""Reductions, sorting and searching."""

import numpy as np

from cases import F64, generator, is_float

from .movement import axes_of, axis_of, i64


@generator("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1",
           "ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp")
def reduce(g):
    schema = g.version()
    dtype = g.type()
    shape = g.shape(elements=3000)
    if g.op in ("ReduceMean", "ReduceLogSum", "ReduceLogSumExp") and not is_float(dtype):
        shape = tuple(d or 1 for d in shape)    # of nothing: not a number, but an integer
    low, high = (-2, 2) if g.op == "ReduceProd" else (-50, 50)
    if g.op == "ReduceLogSum" or not is_float(dtype) and g.op in ("ReduceLogSumExp", "ReduceL2"):
        low, high = 1, 9
    x = g.array(dtype, shape, 0.04 if is_float(dtype) else 0, low, high)
    if g.op == "ReduceProd" and is_float(dtype):    # kept from overflowing on the way
        x = np.where(np.isnan(x), x, 1 + np.tanh(x.astype(F64)) * 0.05).astype(dtype)
    if g.op == "ReduceLogSum" and is_float(dtype):
        x = np.abs(x)
    axes = axes_of(g, len(shape), 1) if shape and g.chance(0.85) else None
    more = g.attributes(keepdims=g.int(0, 1))
    near = 1e-6 if "Log" in g.op else 0.0       # the logarithm of what rounds to 1
    as_input = "axes" in [i.name for i in schema.inputs]
    if as_input:
        if g.chance(0.3):
            more["noop_with_empty_axes"] = g.int(0, 1)
        given = i64(*axes) if axes is not None else i64() if g.chance(0.3) else None
        return g.case(g.op, [x, given], more, rtol=2e-5, atol=near)
    if axes is not None:
        if schema.since_version < 11:
            axes = [a % len(shape) for a in axes]
        more["axes"] = axes
    return g.case(g.op, [x], more, rtol=2e-5, atol=near)


@generator("ArgMax", "ArgMin")
def arg(g):
    schema = g.version()
    x = g.array(g.type(), g.shape(1, dim_least=1), 0)
    if is_float(x.dtype) and g.chance(0.6):     # ties
        x = np.round(x.astype(F64)).astype(x.dtype)
    axis = g.int(-x.ndim if schema.since_version >= 11 else 0, x.ndim - 1)
    more = g.attributes(axis=axis, keepdims=g.int(0, 1))
    if schema.since_version >= 12:
        more |= g.attributes(select_last_index=g.int(0, 1))
    return g.case(g.op, [x], more)


@generator("TopK")
def top_k(g):
    schema = g.version()
    x = g.array(g.type(), g.shape(1, 4, dim_least=1), 0)
    if is_float(x.dtype) and g.chance(0.4):
        x = np.round(x.astype(F64)).astype(x.dtype)
    axis = g.int(-x.ndim if schema.since_version >= 11 else 0, x.ndim - 1)
    k = g.int(0 if g.chance(0.1) else 1, x.shape[axis])
    if schema.since_version < 10:
        return g.case("TopK", [x], {"axis": axis, "k": max(k, 1)}, 2)
    more = {"axis": axis}
    if schema.since_version >= 11:
        more |= g.attributes(largest=g.int(0, 1))
    return g.case("TopK", [x, i64(k)], more, 2)


@generator("Hardmax")
def hardmax(g):
    g.version()
    x = g.array(g.type(), g.shape(1), 0)
    axis = axis_of(g, x.ndim) if g.opset >= 11 else g.int(0, x.ndim - 1)
    more = {"axis": axis} if x.ndim == 1 else g.attributes(axis=axis)
    return g.case("Hardmax", [np.round(x.astype(F64)).astype(x.dtype)], more)


@generator("Softmax", "LogSoftmax")
def softmax(g):
    schema = g.version()
    x = g.array(g.type(), g.shape(1), 0.03)
    low = -x.ndim if schema.since_version >= 11 else 0
    axis = g.int(low, x.ndim - 1)
    attributes = {"axis": axis} if x.ndim == 1 and schema.since_version < 13 else \
        g.attributes(axis=axis)
    return g.case(g.op, [x], attributes, rtol=2e-5, atol=1e-6)
