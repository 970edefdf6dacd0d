"""Normalisation."""

import numpy as np

from cases import F32, F64, generator


@generator("LayerNormalization", "RMSNormalization")
def layer(g):
    g.version()
    dtype = g.type()
    shape = g.shape(1, 5, dim_least=1)
    axis = g.int(-len(shape), len(shape) - 1)
    whole = shape[axis:]
    x = g.floats(shape, dtype, special=0.02)
    scale = g.floats(whole, dtype, special=0)
    more = g.attributes(epsilon=g.pick([1e-5, 1e-3, 1e-6]))
    if axis != -1 or g.chance(0.4):
        more["axis"] = axis
    if g.op == "RMSNormalization":
        return g.case(g.op, [x, scale], more, rtol=5e-5, atol=2e-5)
    bias = g.floats(whole, dtype, special=0) if g.chance(0.6) else None
    outputs = g.pick([1, 1, 1, 3])
    return g.case(g.op, [x, scale, bias], more, outputs, rtol=5e-5, atol=2e-5)


def channels(g, least=2, most=5, elements=1500):
    shape = [g.dim(1, 5), g.dim(1, 17), *g.shape(least - 2, most - 2, elements, dim_least=1)]
    while np.prod(shape) > elements:
        shape[int(np.argmax(shape))] //= 2
    return tuple(max(d, 1) for d in shape)


@generator("BatchNormalization")
def batch_norm(g):
    schema = g.version()
    since = schema.since_version
    shape = channels(g, 2)
    dtype = g.type()
    c = shape[1]
    inputs = [g.floats(shape, dtype, special=0.02)] + [
        g.floats((c,), dtype, special=0, positive=i == 3) for i in range(4)]
    return g.case(g.op, inputs, g.attributes(epsilon=g.pick([1e-5, 1e-3]), momentum=0.8),
                  rtol=5e-5, atol=2e-5)


@generator("InstanceNormalization")
def instance_norm(g):
    g.version()
    shape = channels(g, 3)
    dtype = g.type()
    return g.case(g.op, [g.floats(shape, dtype, special=0), g.floats((shape[1],), dtype, special=0),
                         g.floats((shape[1],), dtype, special=0)],
                  g.attributes(epsilon=g.pick([1e-5, 1e-3])), rtol=1e-4, atol=1e-4)


@generator("GroupNormalization")
def group_norm(g):
    schema = g.version()
    groups = g.int(1, 4)
    shape = list(channels(g, 3, elements=400))
    shape[1] = groups * g.int(1, 4)
    dtype = g.type()
    size = shape[1] if schema.since_version >= 21 else groups
    return g.case(g.op, [g.floats(shape, dtype, special=0), g.floats((size,), dtype, special=0),
                         g.floats((size,), dtype, special=0)],
                  {"num_groups": groups, **g.attributes(epsilon=g.pick([1e-5, 1e-3]))},
                  rtol=1e-4, atol=1e-4)


@generator("MeanVarianceNormalization")
def mean_variance(g):
    g.version()
    shape = g.shape(4, 4, dim_least=1)
    axes = g.pick([None, [0, 2, 3], [1], [0, 1, 2, 3], [2, 3]])
    return g.case(g.op, [g.floats(shape, g.type(), special=0)],
                  {} if axes is None else {"axes": axes}, rtol=1e-4, atol=1e-4)


@generator("LpNormalization")
def lp_normalization(g):
    g.version()
    shape = g.shape(1, 5, dim_least=1)
    return g.case(g.op, [g.floats(shape, g.type(), special=0)],
                  g.attributes(axis=g.int(-len(shape), len(shape) - 1), p=g.int(1, 2)),
                  rtol=2e-5, atol=1e-6)


@generator("LRN")
def lrn(g):
    g.version()
    return g.case(g.op, [g.floats(channels(g, 4, 4), g.type(), special=0)],
                  {"size": g.pick([1, 3, 5, 7]),
                   **g.attributes(alpha=0.01, beta=0.75, bias=g.pick([1.0, 2.0]))},
                  rtol=5e-5, atol=1e-6)
