"""Shapes and the movement of elements."""

import numpy as np
from onnx import numpy_helper

from cases import F32, generator, is_float


def i64(*values):
    return np.array(values, np.int64)


def axis_of(g, rank):
    """An axis, counted from either end."""
    return g.int(-rank, rank - 1)


def axes_of(g, rank, least=0):
    """Different axes in random order and sign."""
    return [a - rank if g.chance(0.4) else a for a in g.some(list(range(rank)), least)]


@generator("Shape")
def shape(g):
    schema = g.version()
    x = g.array(g.type(), g.shape())
    more = {}
    if schema.since_version >= 15:
        more = {k: g.int(-8, 8) for k in ("start", "end") if g.chance(0.5)}
    return g.case("Shape", [x], more)


@generator("Size")
def size(g):
    g.version()
    return g.case("Size", [g.array(g.type(), g.shape())])


@generator("Reshape")
def reshape(g):
    schema = g.version()
    x = g.array(g.type(), g.shape())
    rest, target = x.size, []
    for _ in range(g.int(0, 4)):
        divisors = [d for d in range(1, min(rest, 70) + 1) if rest % d == 0] or [1]
        target.append(g.pick(divisors))
        rest //= target[-1] if rest else 1
    if rest != 1 or not target:
        target.insert(g.int(0, len(target)), rest)
    if x.size == 1 and g.chance(0.3):
        target = []
    allow = schema.since_version >= 14 and g.chance(0.3)
    if not allow:       # 0 copies a dimension, so a 0 must stand where there is one
        for i, d in enumerate(target):
            if d == 0 and not (i < x.ndim and x.shape[i] == 0):
                return g.case("Reshape", [x, i64(*x.shape)])
            if d and i < x.ndim and x.shape[i] == d and g.chance(0.3):
                target[i] = 0
    if x.size and target and g.chance(0.5):
        target[g.int(0, len(target) - 1)] = -1
    return g.case("Reshape", [x, i64(*target)], {"allowzero": 1} if allow else {})


@generator("Flatten")
def flatten(g):
    schema = g.version()
    x = g.array(g.type(), g.shape(1))
    low = -x.ndim if schema.since_version >= 11 else 0
    return g.case("Flatten", [x], g.attributes(axis=g.int(low, x.ndim)) if x.ndim > 1 else
                  {"axis": g.int(low, x.ndim)})


def with_axes(g, x, axes, since):
    """Axes as the attribute that they were, or the input that they became at 13."""
    if axes is None:
        return g.case(g.op, [x])
    if since < 13:
        return g.case(g.op, [x], {"axes": axes})
    return g.case(g.op, [x, i64(*axes)])


@generator("Squeeze")
def squeeze(g):
    schema = g.version()
    shape = tuple(1 if g.chance(0.5) else d for d in g.shape())
    x = g.array(g.type(), shape)
    ones = [i for i, d in enumerate(shape) if d == 1]
    low = schema.since_version < 11
    axes = [a if low or g.chance(0.6) else a - len(shape) for a in g.some(ones, 1)]
    return with_axes(g, x, axes if axes and g.chance(0.8) else None, schema.since_version)


@generator("Unsqueeze")
def unsqueeze(g):
    schema = g.version()
    x = g.array(g.type(), g.shape(0, 4))
    rank = x.ndim + g.int(1, 2)
    axes = g.some(list(range(rank)), rank)[:rank - x.ndim]
    if schema.since_version >= 11:
        axes = [a - rank if g.chance(0.4) else a for a in axes]
    return with_axes(g, x, axes, schema.since_version)


@generator("ConstantOfShape")
def constant_of_shape(g):
    g.version()
    dtype = g.pick(g.types("T2"))
    value = numpy_helper.from_array(g.array(dtype, (1,)), "value")
    return g.case("ConstantOfShape", [i64(*g.shape())], g.attributes(value=value))


@generator("Range")
def range_(g):
    g.version()
    dtype = g.type()
    if is_float(dtype):
        start, step = np.round(g.rng.uniform(-9, 9), 2), g.pick([-2.5, -0.3, 0.1, 0.7, 1.0, 3.0])
        end = start + step * (g.int(-2, 40) + 0.5)
    else:
        start, step = g.int(-30, 30), g.pick([-7, -2, -1, 1, 1, 2, 5])
        end = start + step * g.int(-2, 40) + g.int(0, 1)
    return g.case("Range", [np.array(v).astype(dtype) for v in (start, end, step)])


@generator("Expand")
def expand(g):
    g.version()
    a, b = g.broadcast(2)
    return g.case("Expand", [g.array(g.type(), a), i64(*b)])


@generator("Tile")
def tile(g):
    g.version()
    x = g.array(g.type(), g.shape(elements=300))
    return g.case("Tile", [x, i64(*(g.pick([0, 1, 1, 2, 3]) if g.chance(0.3) else g.int(1, 3)
                                    for _ in range(x.ndim)))])


@generator("Transpose")
def transpose(g):
    g.version()
    x = g.array(g.type(), g.shape(elements=5000))
    perm = [int(i) for i in g.rng.permutation(x.ndim)]
    return g.case("Transpose", [x], {"perm": perm} if perm and g.chance(0.85) else {})


@generator("Concat")
def concat(g):
    schema = g.version()
    dtype, shape = g.type(), list(g.shape(1))
    axis = g.int(0, len(shape) - 1)
    parts = [g.array(dtype, [*shape[:axis], g.dim(), *shape[axis + 1:]])
             for _ in range(g.pick([1, 2, 2, 3, 5]))]
    if schema.since_version >= 11 and g.chance(0.4):
        axis -= len(shape)
    return g.case("Concat", parts, {"axis": axis})


@generator("Split")
def split(g):
    schema = g.version()
    since, x = schema.since_version, g.array(g.type(), g.shape(1))
    axis = g.int(0, x.ndim - 1)
    size, parts = x.shape[axis], g.int(1, 4)
    more = {"axis": axis - x.ndim if since >= 11 and g.chance(0.4) else axis}
    if axis == 0 and g.chance(0.3):
        more = {}
    if g.chance(0.5):
        cuts = sorted(g.int(0, size) for _ in range(parts - 1))
        lengths = [b - a for a, b in zip([0, *cuts], [*cuts, size])]
        if since < 13:
            return g.case("Split", [x], {"split": lengths, **more}, parts)
        return g.case("Split", [x, i64(*lengths)], more, parts)
    if since >= 18:
        parts = g.int(1, max(1, min(size, 5)))
        each = -(-size // parts)
        if each * (parts - 1) > size:       # the last part would be less than nothing
            parts = 1
        return g.case("Split", [x], {"num_outputs": parts, **more}, parts)
    parts = g.pick([d for d in range(1, 7) if size % d == 0])
    return g.case("Split", [x], more, parts)


@generator("Slice")
def slice_(g):
    schema = g.version()
    x = g.array(g.type(), g.shape(1))
    old = schema.since_version < 10
    axes = g.some(list(range(x.ndim)), 1)
    far = 2**31 - 1 if g.chance(0.5) else 2**63 - 1

    def edge(size):
        return g.pick([0, size, far, -far, g.int(-size - 2, size + 2), g.int(-size - 2, size + 2),
                       g.int(0, max(size - 1, 0))])
    starts = [edge(x.shape[a]) for a in axes]
    ends = [edge(x.shape[a]) for a in axes]
    steps = [g.pick([1, 1, 2, 3, -1, -1, -2, far, -far]) for _ in axes]
    if not old:
        axes = [a - x.ndim if g.chance(0.3) else a for a in axes]
    elif x.ndim:
        pass
    every = sorted(axes) == list(range(len(axes)))
    if every:
        axes.sort()
    if old:
        more = {"starts": starts, "ends": ends}
        if not every or g.chance(0.5):
            more["axes"] = axes
        return g.case("Slice", [x], more)
    kind = g.pick([np.int64, np.int64, np.int32])
    if kind == np.int32:
        starts, ends, steps = (np.clip(v, -2**31 + 1, 2**31 - 1) for v in (starts, ends, steps))
    inputs = [np.array(v, kind) for v in (starts, ends, axes, steps)]
    if every and g.chance(0.3):
        inputs[2] = None
    if g.chance(0.3):
        inputs[3] = None
    return g.case("Slice", [x, *inputs])


@generator("Pad")
def pad(g):
    schema = g.version()
    since = schema.since_version
    modes = ["constant", "constant", "reflect", "edge"] + ["wrap"] * (since >= 19)
    mode = g.pick(modes)
    shape = g.shape(1, elements=300, dim_least=0 if mode == "constant" else 1)
    x = g.array(g.type(), shape)
    axes = list(range(x.ndim))
    if since >= 18 and g.chance(0.4):
        axes = g.some(axes, 1)

    def amount(size):
        most = {"reflect": size - 1, "wrap": size}.get(mode, 4)
        low = -(size // 3) if mode == "constant" and g.chance(0.2) else 0
        return g.int(low, max(min(most, 6), low))
    pads = [amount(shape[a]) if g.chance(0.7) else 0 for a in axes + axes]
    more = {} if mode == "constant" and g.chance(0.5) else {"mode": mode}
    if since < 11:
        return g.case("Pad", [x], {"pads": pads, **more, **g.attributes(value=1.5)})
    value = g.array(x.dtype, ()) if mode == "constant" and g.chance(0.6) else None
    given = None
    if len(axes) < x.ndim or axes != sorted(axes) or since >= 18 and g.chance(0.3):
        given = np.array([a - x.ndim if g.chance(0.3) else a for a in axes],
                         g.pick([np.int64, np.int32]))
    return g.case("Pad", [x, i64(*pads), value, given], more)


@generator("Gather")
def gather(g):
    schema = g.version()
    x = g.array(g.type(), g.shape(1, 4, dim_least=1, elements=600))
    axis = g.int(0, x.ndim - 1)
    size = x.shape[axis]
    low = -size if schema.since_version >= 11 else 0
    indices = g.ints(g.shape(0, 3, 40), g.pick([np.int64, np.int32]), low, size - 1)
    if g.chance(0.4):
        axis -= x.ndim
    return g.case("Gather", [x, indices], {"axis": axis} if axis or g.chance(0.5) else {})


@generator("GatherElements")
def gather_elements(g):
    g.version()
    x = g.array(g.type(), g.shape(1, 5, dim_least=1))
    axis = g.int(0, x.ndim - 1)
    shape = [g.dim(0, 9) if i == axis else g.int(0 if g.chance(0.1) else 1, d)
             for i, d in enumerate(x.shape)]
    size = x.shape[axis]
    indices = g.ints(shape, g.pick([np.int64, np.int32]), -size, size - 1)
    if g.chance(0.4):
        axis -= x.ndim
    return g.case("GatherElements", [x, indices], {"axis": axis})


def nd_indices(g, shape, batch, depth, outer, unique=False):
    """[*shape[:batch], *outer, depth] of places in `shape`."""
    full = [*shape[:batch], *outer]
    sizes = shape[batch:batch + depth]
    if unique:
        total, count = int(np.prod(sizes)), int(np.prod(outer, dtype=np.int64))
        count = min(count, total)
        flat = g.rng.permutation(total)[:count]
        places = np.stack(np.unravel_index(flat, sizes), -1)
        return places.astype(np.int64)
    columns = [g.ints(full, np.int64, -d, d - 1) for d in sizes]
    return np.stack(columns, -1)


@generator("GatherND")
def gather_nd(g):
    schema = g.version()
    x = g.array(g.type(), g.shape(1, 5, dim_least=1))
    batch = g.int(0, x.ndim - 1) if schema.since_version >= 12 and g.chance(0.4) else 0
    depth = g.int(1, x.ndim - batch)
    indices = nd_indices(g, x.shape, batch, depth, g.shape(0, 2, 20))
    return g.case("GatherND", [x, indices], {"batch_dims": batch} if batch else {})


@generator("ScatterND")
def scatter_nd(g):
    schema = g.version()
    since = schema.since_version
    reductions = ["none"] + (["add", "mul"] if since >= 16 else []) + \
        (["max", "min"] if since >= 18 else [])
    reduction = g.pick(reductions)
    x = g.array(g.type(but=[np.dtype(bool)] if reduction != "none" else ()),
                g.shape(1, 4, dim_least=1), special=0)
    depth = g.int(1, x.ndim)
    # without a reduction a place written twice has no result
    indices = nd_indices(g, x.shape, 0, depth, g.shape(1, 2, 20), unique=reduction == "none")
    updates = g.array(x.dtype, [*indices.shape[:-1], *x.shape[depth:]], special=0, low=-3, high=3)
    return g.case("ScatterND", [x, indices, updates],
                  {"reduction": reduction} if reduction != "none" else {}, atol=1e-5)


@generator("ScatterElements")
def scatter_elements(g):
    schema = g.version()
    since = schema.since_version
    reductions = ["none"] + (["add", "mul"] if since >= 16 else []) + \
        (["max", "min"] if since >= 18 else [])
    reduction = g.pick(reductions)
    x = g.array(g.type(but=[np.dtype(bool)] if reduction != "none" else ()),
                g.shape(1, 4, dim_least=1), special=0)
    axis = g.int(0, x.ndim - 1)
    shape = [g.int(0 if g.chance(0.05) else 1, d) for d in x.shape]
    size = x.shape[axis]
    if reduction == "none":
        indices = np.argsort(g.rng.random(x.shape), axis).take(range(shape[axis]), axis)
        indices = indices[tuple(slice(d) for d in shape)]
    else:
        indices = g.ints(shape, np.int64, -size, size - 1)
    updates = g.array(x.dtype, indices.shape, special=0, low=-3, high=3)
    more = {"reduction": reduction} if reduction != "none" else {}
    kind = g.pick([np.int64, np.int32])
    return g.case("ScatterElements", [x, indices.astype(kind), updates],
                  {"axis": axis - x.ndim if g.chance(0.4) else axis, **more}, atol=1e-5)


@generator("Scatter")
def scatter(g):
    """ScatterElements' name in opsets 9 and 10."""
    g.opset = g.int(9, 10)
    x = g.floats(g.shape(1, 4, dim_least=1), special=0)
    axis = g.int(0, x.ndim - 1)
    indices = np.argsort(g.rng.random(x.shape), axis)[tuple(slice(g.int(1, d)) for d in x.shape)]
    return g.case("Scatter", [x, indices, g.floats(indices.shape, special=0)], {"axis": axis})


@generator("TensorScatter")
def tensor_scatter(g):
    g.version()
    rank = g.int(3, 5)
    shape = [g.dim(1, 9) for _ in range(rank)]
    axis = g.int(1, rank - 1)
    update = list(shape)
    update[axis] = g.int(1, shape[axis])
    mode = g.pick(["linear", "circular"])
    high = shape[axis] - (update[axis] if mode == "linear" else 1)
    dtype = g.type()
    where = g.ints((shape[0],), np.int64, 0, high) if g.chance(0.8) else None
    return g.case("TensorScatter", [g.array(dtype, shape), g.array(dtype, update), where],
                  {"axis": axis - rank if g.chance(0.5) else axis, "mode": mode})


@generator("Trilu")
def trilu(g):
    g.version()
    x = g.array(g.type(), g.shape(2))
    k = np.array(g.int(-6, 6), np.int64) if g.chance(0.6) else None
    return g.case("Trilu", [x, k], g.attributes(upper=g.int(0, 1)))


@generator("CumSum", "CumProd")
def cumulative(g):
    g.version()
    dtype = g.type()
    x = g.array(dtype, g.shape(1, 5), 0.03, -3, 3)
    if g.op == "CumProd" and is_float(dtype):       # kept from overflowing on the way
        x = np.where(np.isnan(x), x, 1 + np.tanh(x.astype(np.float64)) * 0.2).astype(dtype)
    axis = np.array(axis_of(g, x.ndim), g.pick([np.int64, np.int32]))
    return g.case(g.op, [x, axis], g.attributes(exclusive=g.int(0, 1), reverse=g.int(0, 1)))


@generator("OneHot")
def one_hot(g):
    schema = g.version()
    index = g.pick([np.dtype(np.int64), np.dtype(np.int32), F32])
    depth_type = g.type("T2", common=0)
    depth = g.int(1, 12)
    shape = g.shape(0, 4, 200)
    indices = g.ints(shape, np.int32, -depth - 2 if schema.since_version >= 11 else 0,
                     depth + 2).astype(index)
    values = g.array(g.pick(g.types("T3")), (2,), special=0)
    if depth_type == np.dtype(bool):
        depth_type = np.dtype(np.int64)
    more = g.attributes(axis=g.int(-len(shape) - 1, len(shape)))
    return g.case("OneHot", [indices, np.array(depth).astype(depth_type), values], more)


@generator("EyeLike")
def eye_like(g):
    from engines import CODES
    g.version()
    x = g.array(g.type("T1"), (g.dim(0, 20), g.dim(0, 20)))
    return g.case("EyeLike", [x], g.attributes(k=g.int(-5, 5),
                                               dtype=CODES[g.pick(g.types("T2"))]))


@generator("NonZero")
def non_zero(g):
    g.version()
    x = g.array(g.type(), g.shape(0, 5, 400), low=-1, high=1)
    if is_float(x.dtype):
        x = np.round(x.astype(np.float64)).astype(x.dtype)
    return g.case("NonZero", [x])


@generator("Compress")
def compress(g):
    g.version()
    x = g.array(g.type(), g.shape(1))
    axis = axis_of(g, x.ndim) if g.chance(0.7) else None
    size = x.size if axis is None else x.shape[axis]
    condition = g.bools((g.int(0 if g.chance(0.1) else min(size, 1), size),))
    return g.case("Compress", [x, condition], {} if axis is None else {"axis": axis})


@generator("Unique")
def unique(g):
    g.version()
    # of the types that onnxruntime has: the reference errs where sorted is 0
    kind = g.pick([np.float32, np.float64, np.int8, np.int64])
    x = g.array(kind, g.shape(1, 4, 200, dim_least=1), special=0, low=-3, high=3)
    if is_float(x.dtype):
        x = np.round(x) + x.dtype.type(0)
    axis = {"axis": axis_of(g, x.ndim)} if g.chance(0.5) else {}
    return g.case("Unique", [x], {**axis, **g.attributes(sorted=g.int(0, 1))}, g.int(1, 4))


@generator("ReverseSequence")
def reverse_sequence(g):
    g.version()
    x = g.array(g.type(), g.shape(2, 5, dim_least=1))
    batch = g.int(0, 1)
    lengths = g.ints((x.shape[batch],), np.int64, 1, x.shape[1 - batch])
    more = {"batch_axis": batch, "time_axis": 1 - batch}
    return g.case("ReverseSequence", [x, lengths], {} if batch == 1 and g.chance(0.5) else more)


@generator("DepthToSpace", "SpaceToDepth")
def blocks(g):
    schema = g.version()
    b = g.int(1, 4)
    n, c, h, w = (g.dim(0 if g.chance(0.1) else 1, 7) for _ in range(4))
    if g.op == "DepthToSpace":
        more = g.attributes(mode=g.pick(["DCR", "CRD"])) if schema.since_version >= 11 else {}
        return g.case(g.op, [g.array(g.type(), (n, c * b * b, h, w))], {"blocksize": b, **more})
    return g.case(g.op, [g.array(g.type(), (n, c, h * b, w * b))], {"blocksize": b})


@generator("CenterCropPad")
def center_crop_pad(g):
    g.version()
    x = g.array(g.type(), g.shape(1, 5, 300, dim_least=1))
    axes = g.some(list(range(x.ndim)), 1) if g.chance(0.6) else None
    count = x.ndim if axes is None else len(axes)
    sizes = np.array([g.int(1, 9) for _ in range(count)], g.pick([np.int64, np.int32]))
    return g.case("CenterCropPad", [x, sizes], {} if axes is None else {
        "axes": [a - x.ndim if g.chance(0.3) else a for a in axes]})


@generator("Constant")
def constant(g):
    g.version(least=13)
    value = g.pick([
        {"value": numpy_helper.from_array(g.array(F32, g.shape()), "v")},
        {"value": numpy_helper.from_array(g.array(np.int64, g.shape()), "v")},
        {"value_float": 1.5}, {"value_int": -7}, {"value_floats": [1.0, -2.5]},
        {"value_ints": [3, 2**40, -1]}])
    return g.case("Constant", [], value)
