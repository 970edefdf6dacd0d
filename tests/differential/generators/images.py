"""Convolutions, pools, resizing and regions: operators on [batch, channels, spatial…]."""

import numpy as np

from cases import F16, F32, generator

from .quantised import PLAIN8, scales

SLACK = dict(rtol=2e-5, atol=1e-6)


class Window:
    """The sizes and attributes that convolutions and pools share."""

    def __init__(self, g, spatial=None, dilate=True, transposed=False):
        self.g = g
        self.rank = spatial or g.pick([1, 2, 2, 2, 3])
        most = {1: 40, 2: 14, 3: 7}[self.rank]
        self.kernel = [g.int(1, g.pick([1, 3, 3, 5])) for _ in range(self.rank)]
        self.strides = [g.pick([1, 1, 1, 2, 3]) for _ in range(self.rank)]
        self.dilations = [g.pick([1, 1, 1, 2, 3]) if dilate else 1 for _ in range(self.rank)]
        self.reach = [(k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations)]
        self.auto = g.pick(["SAME_UPPER", "SAME_LOWER", "VALID"]) if g.chance(0.25) else None
        if self.auto and not transposed and any(r < s for r, s in zip(self.reach, self.strides)):
            self.auto = "VALID"     # SAME would ask for less than no padding
        # a window must hold something that is no padding
        self.pads = [0 if self.auto else g.int(0, min(k - 1, 2)) for k in self.kernel * 2]
        self.size = [g.int(1 if transposed else r, max(most, r)) for r in self.reach]

    def attributes(self, shape=True):
        g, a = self.g, {}
        if shape:
            a["kernel_shape"] = self.kernel
        if any(s > 1 for s in self.strides) or g.chance(0.5):
            a["strides"] = self.strides
        if any(d > 1 for d in self.dilations):
            a["dilations"] = self.dilations
        if self.auto:
            a["auto_pad"] = self.auto
        elif any(self.pads) or g.chance(0.3):
            a["pads"] = self.pads
        return a


def grouped(g):
    """(groups, channels in, channels out)"""
    style = g.int(0, 4)
    if style == 0:
        c = g.int(1, 20)
        return c, c, c * g.int(1, 2)
    groups = g.pick([1, 1, 1, 2, 3])
    return groups, groups * g.pick([1, 2, 3, 4, 8, 16]), groups * g.pick([1, 2, 3, 5, 8, 16, 17])


@generator("Conv")
def conv(g):
    g.version()
    dtype, w = g.type(), Window(g)
    groups, c, m = grouped(g)
    n = g.pick([1, 1, 2, 3, 0 if g.chance(0.1) else 1])
    # the reference evaluator fills dilated weights up with zeros, and 0 * inf is NaN
    special = 0.01 if max(w.dilations) == 1 else 0
    inputs = [g.floats((n, c, *w.size), dtype, special=special),
              g.floats((m, c // groups, *w.kernel), dtype, special=0),
              g.floats((m,), dtype, special=0) if g.chance(0.5) else None]
    more = w.attributes(g.chance(0.6))
    if groups > 1 or g.chance(0.2):
        more["group"] = groups
    return g.case("Conv", inputs, more, **SLACK)


@generator("ConvInteger", "QLinearConv")
def conv_integer(g):
    g.version()
    w = Window(g)
    if w.auto and max(w.dilations) > 1:     # onnxruntime has no SAME with dilations
        w.auto = "VALID"
    groups, c, m = grouped(g)
    more = w.attributes(g.chance(0.6))
    if groups > 1 or g.chance(0.2):
        more["group"] = groups
    tx, tw = g.pick(PLAIN8), g.pick(PLAIN8)
    if g.op == "QLinearConv" and tx != tw:      # int8 by uint8 is nobody's
        tx, tw = PLAIN8[1], PLAIN8[0]
    x, k = g.ints((g.int(1, 2), c, *w.size), tx), g.ints((m, c // groups, *w.kernel), tw)
    if g.op == "ConvInteger":
        zx = g.ints((), tx) if g.chance(0.6) else None
        zw = g.ints((m,) if g.chance(0.4) else (), tw) if zx is not None and g.chance(0.5) else None
        return g.case("ConvInteger", [x, k, zx, zw], more)
    wide = (m,) if g.chance(0.4) else ()
    zero = g.ints((), tw)
    inputs = [x, scales(g, ()), g.ints((), tx), k, scales(g, wide),
              np.full(wide, zero, tw), (scales(g, ()) * 100).astype(F32), g.ints((), tx),
              g.ints((m,), np.int32, -900, 900) if g.chance(0.5) else None]
    # the multiplier's precision is open, so a tie may fall either way
    return g.case("QLinearConv", inputs, more, steps=1)


@generator("ConvTranspose")
def conv_transpose(g):
    g.version()
    dtype, w = g.type(), Window(g, transposed=True)
    groups, c, m = grouped(g)
    m = max(m // groups, 1)
    special = 0.01 if max(w.dilations) == 1 else 0
    inputs = [g.floats((g.int(1, 2), c, *w.size), dtype, special=special),
              g.floats((c, m, *w.kernel), dtype, special=0),
              g.floats((m * groups,), dtype, special=0) if g.chance(0.5) else None]
    more = w.attributes(g.chance(0.6))
    if groups > 1 or g.chance(0.2):
        more["group"] = groups
    for i in range(w.rank):     # something must be left
        whole = (w.size[i] - 1) * w.strides[i] + w.reach[i]
        if "pads" in more and w.pads[i] + w.pads[i + w.rank] >= whole:
            more["pads"] = w.pads = [0] * (2 * w.rank)
    if not w.auto and g.chance(0.3):
        more["output_padding"] = [g.int(0, max(s, d) - 1)
                                  for s, d in zip(w.strides, w.dilations)]
        if g.chance(0.3):
            more.pop("output_padding")
            more.pop("pads", None)
            more["output_shape"] = [(d - 1) * s + r - g.int(0, min(2, (d - 1) * s + r - 1))
                                    for d, s, r in zip(w.size, w.strides, w.reach)]
    return g.case("ConvTranspose", inputs, more, **SLACK)


@generator("DeformConv")
def deform_conv(g):
    g.version()
    w = Window(g, 2)
    w.auto = None
    groups, c, m = grouped(g)
    offsets = g.pick([d for d in (1, 2, 3) if c % d == 0])
    out = [(w.size[i] + w.pads[i] + w.pads[i + 2] - w.reach[i]) // w.strides[i] + 1
           for i in range(2)]
    n, k = g.int(1, 2), w.kernel[0] * w.kernel[1]
    dtype = g.type()
    more = {"kernel_shape": w.kernel, "strides": w.strides, "dilations": w.dilations,
            "pads": w.pads, "group": groups, "offset_group": offsets}
    inputs = [g.floats((n, c, *w.size), dtype, special=0),
              g.floats((m, c // groups, *w.kernel), dtype, special=0),
              g.floats((n, offsets * k * 2, *out), dtype, scale=1.0, special=0),
              g.floats((m,), dtype, special=0) if g.chance(0.5) else None,
              g.floats((n, offsets * k, *out), dtype, special=0) if g.chance(0.5) else None]
    return g.case("DeformConv", inputs, more, rtol=1e-4, atol=1e-4)


@generator("MaxPool", "AveragePool", "LpPool")
def pool(g):
    schema = g.version()
    since = schema.since_version
    ceil = since >= {"MaxPool": 10, "AveragePool": 10, "LpPool": 18}[g.op]
    dilate = since >= {"MaxPool": 10, "AveragePool": 19, "LpPool": 18}[g.op]
    w = Window(g, dilate=dilate)
    dtype = g.type()
    more = w.attributes()
    x = g.array(dtype, (g.int(1, 2), g.int(1, 9), *w.size), 0 if g.op == "LpPool" else 0.01)
    if ceil and not w.auto and g.chance(0.3):
        more["ceil_mode"] = 1
    if g.op == "AveragePool" and g.chance(0.5):
        more["count_include_pad"] = g.int(0, 1)
    if g.op == "LpPool" and g.chance(0.6):
        more["p"] = g.int(1, 3)
    outputs = 1
    if g.op == "MaxPool":
        if since >= 8 and g.chance(0.3):
            outputs = 2
            x = g.rng.permutation(x.size).reshape(x.shape).astype(dtype) \
                if dtype not in (np.int8, np.uint8) and x.size < 2000 else x
            if g.chance(0.4):
                more["storage_order"] = 1
    return g.case(g.op, [x], more, outputs, **SLACK)


def lp_formula(power):
    def formula(values):
        x = np.abs(values["x0"].astype(np.float64)) ** power
        y = x.sum(tuple(range(2, x.ndim)), keepdims=True) ** (1 / power)
        return [y.astype(values["x0"].dtype)]
    return formula


@generator("GlobalMaxPool", "GlobalAveragePool", "GlobalLpPool")
def global_pool(g):
    g.version()
    special = 0 if g.op == "GlobalLpPool" else 0.02     # the cube of a large one is beyond float
    x = g.floats((g.int(1, 3), g.dim(1), *g.shape(1, 3, 200, dim_least=1)), g.type(),
                 special=special)
    more = g.attributes(p=g.int(1, 3)) if g.op == "GlobalLpPool" else {}
    formula = lp_formula(more.get("p", 2)) if g.op == "GlobalLpPool" else None
    return g.case(g.op, [x], more, formula=formula, **SLACK)


@generator("MaxUnpool")
def max_unpool(g):
    g.version()
    kernel, strides = [2, 2], [2, 2]
    h, w = g.int(1, 6), g.int(1, 6)
    n, c = g.int(1, 2), g.int(1, 3)
    x = g.floats((n, c, h, w), special=0)
    rows, columns = np.mgrid[0:h, 0:w]
    place = (2 * rows + g.rng.integers(0, 2, (n, c, h, w))) * 2 * w + \
        2 * columns + g.rng.integers(0, 2, (n, c, h, w))
    plane = np.arange(n * c).reshape(n, c, 1, 1) * (4 * h * w)
    return g.case("MaxUnpool", [x, (place + plane).astype(np.int64)],
                  {"kernel_shape": kernel, "strides": strides})


def lengths(g, shape):
    """New sizes of some of the dimensions."""
    return [d if g.chance(0.3) else g.int(1, 12) for d in shape]


@generator("Resize")
def resize(g):
    schema = g.version(least=11)
    since = schema.since_version
    mode = g.pick(["nearest", "linear", "cubic"])
    rank = g.pick({"cubic": [4], "linear": [2, 3, 4, 4, 5], "nearest": [1, 2, 3, 4, 4]}[mode])
    shape = tuple(g.int(1, 7) for _ in range(rank))
    whole = list(range(rank))
    moving = [2, 3] if rank == 4 else whole[-2:] if mode == "linear" else whole
    if mode == "linear" and rank == 5:
        moving = [2, 3, 4]
    named = since >= 18 and g.chance(0.4)
    axes = moving if named else whole
    ways = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]
    if since >= 19:
        ways.append("half_pixel_symmetric")
    more = {"mode": mode, **g.attributes(coordinate_transformation_mode=g.pick(ways))}
    if mode == "nearest":
        more |= g.attributes(nearest_mode=g.pick(["round_prefer_floor", "round_prefer_ceil",
                                                  "floor", "ceil"]))
    if mode == "cubic":
        more |= g.attributes(cubic_coeff_a=g.pick([-0.5, -0.75]), exclude_outside=g.int(0, 1))
    if since >= 18 and mode != "nearest" and g.chance(0.3):
        more["antialias"] = 1
    # the types that onnxruntime has: where a coordinate is whole but for rounding, or one is all
    # that is left, the reference evaluator goes its own way
    some = [F32, F16] if mode == "cubic" else [F32, F16, *PLAIN8, np.dtype(np.int32)]
    dtype = F32 if more.get("antialias") or g.chance(0.6) else g.pick(some)
    x = g.array(dtype, shape, 0)
    roi = None
    if g.chance(0.5):
        sizes = [g.int(1, 12) if i in moving else shape[i] for i in axes]
        inputs = [x, roi, None, np.array(sizes, np.int64)]
        if named and since >= 18 and g.chance(0.3):
            more["keep_aspect_ratio_policy"] = g.pick(["not_larger", "not_smaller"])
    else:
        # where floor(scale * size) hangs on rounding no two engines need agree
        scale = [g.pick([0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 0.6, 1.7]) if i in moving else 1.0
                 for i in axes]
        scale = [s if shape[i] * s >= 1 else 1.0 for i, s in zip(axes, scale)]
        inputs = [x, roi, np.array(scale, np.float32)]
    if named:
        more["axes"] = axes
    if inputs[1] is None and since < 13:
        inputs[1] = np.zeros(0, np.float32)
        if len(inputs) == 4:
            inputs[2] = np.zeros(0, np.float32)
    steps = 1 if dtype.kind in "iu" and mode != "nearest" else 0
    # a weighted mean of integers is rounded at the end, or cut: the specification does not say
    # onnxruntime's inference takes sizes of an unknown number for none
    return g.case("Resize", inputs, more, rtol=1e-4, atol=1e-4, steps=steps).but(free=set())


@generator("Upsample")
def upsample(g):
    schema = g.version(most=9)
    shape = tuple(g.int(1, 6) for _ in range(4))
    scale = [1.0, 1.0, g.pick([1.0, 2.0, 3.0, 1.5]), g.pick([1.0, 2.0, 3.0, 1.5])]
    mode = g.pick(["nearest", "linear"])
    x = g.floats(shape, special=0)
    if schema.since_version == 7:
        return g.case("Upsample", [x], {"mode": mode, "scales": scale}, rtol=1e-4, atol=1e-4)
    return g.case("Upsample", [x, np.array(scale, np.float32)], {"mode": mode}, rtol=1e-4, atol=1e-4)


@generator("GridSample")
def grid_sample(g):
    schema = g.version()
    new = schema.since_version >= 20
    mode = g.pick(["linear", "nearest", "cubic"] if new else ["bilinear", "nearest", "bicubic"])
    spatial = 3 if new and mode != "cubic" and g.chance(0.3) else 2
    shape = (g.int(1, 2), g.int(1, 3), *(g.int(1, 7) for _ in range(spatial)))
    grid = g.rng.uniform(-1.3, 1.3, (shape[0], *(g.int(1, 6) for _ in range(spatial)), spatial))
    more = g.attributes(mode=mode, align_corners=g.int(0, 1),
                        padding_mode=g.pick(["zeros", "border", "reflection"]))
    if spatial == 3 and "mode" not in more:
        more["mode"] = mode
    return g.case("GridSample", [g.floats(shape, special=0), grid.astype(np.float32)], more,
                  rtol=1e-4, atol=1e-4)


@generator("AffineGrid")
def affine_grid(g):
    g.version()
    spatial = g.int(2, 3)
    n = g.int(1, 3)
    size = [n, g.int(1, 3), *(g.int(2, 6) for _ in range(spatial))]
    return g.case("AffineGrid", [g.floats((n, spatial, spatial + 1), special=0),
                                 np.array(size, np.int64)],
                  g.attributes(align_corners=g.int(0, 1)), **SLACK)


@generator("RoiAlign")
def roi_align(g):
    schema = g.version()
    n, c, h, w = g.int(1, 2), g.int(1, 3), g.int(3, 10), g.int(3, 10)
    count = g.int(1, 4)
    start = g.rng.uniform(0, 4, (count, 2))
    rois = np.concatenate([start, start + g.rng.uniform(0.5, 8, (count, 2))], 1)
    more = {"output_height": g.int(1, 4), "output_width": g.int(1, 4),
            **g.attributes(sampling_ratio=g.int(0, 3), spatial_scale=g.pick([1.0, 0.5]),
                           mode="avg")}
    if schema.since_version >= 16:
        more |= g.attributes(coordinate_transformation_mode=g.pick(
            ["half_pixel", "output_half_pixel"]))
    return g.case("RoiAlign", [g.floats((n, c, h, w), special=0), rois.astype(np.float32),
                               g.ints((count,), np.int64, 0, n - 1)], more, rtol=1e-4, atol=1e-4)


@generator("MaxRoiPool")
def max_roi_pool(g):
    g.version(most=21)      # from 22 on no engine else has it
    n, c, h, w = g.int(1, 2), g.int(1, 3), g.int(3, 10), g.int(3, 10)
    rois = [[g.int(0, n - 1), x, y, x + g.int(0, 4), y + g.int(0, 4)]
            for x, y in ((g.int(0, w - 1), g.int(0, h - 1)) for _ in range(g.int(1, 4)))]
    rois = [[i, x, y, min(p, w - 1), min(q, h - 1)] for i, x, y, p, q in rois]
    return g.case("MaxRoiPool", [g.floats((n, c, h, w), special=0), np.array(rois, np.float32)],
                  {"pooled_shape": [g.int(1, 4), g.int(1, 4)]})


@generator("NonMaxSuppression")
def non_max_suppression(g):
    g.version()
    batch, boxes, classes = g.int(1, 2), g.int(1, 12), g.int(1, 3)
    corner = g.rng.uniform(0, 1, (batch, boxes, 2))
    size = g.rng.uniform(0.1, 0.8, (batch, boxes, 2))
    center = g.int(0, 1)
    whole = np.concatenate([corner, size if center else corner + size], 2)
    scores = g.rng.permutation(batch * classes * boxes).reshape(batch, classes, boxes) / 100
    inputs = [whole.astype(np.float32), scores.astype(np.float32),
              np.array([g.int(0, 6)], np.int64) if g.chance(0.9) else None,
              np.array([g.rng.uniform(0, 0.9)], np.float32) if g.chance(0.7) else None,
              np.array([g.rng.uniform(0, 0.3)], np.float32) if g.chance(0.5) else None]
    return g.case("NonMaxSuppression", inputs, {"center_point_box": center})


@generator("Col2Im")
def col2im(g):
    g.version()
    w = Window(g, 2)
    w.auto = None
    count = [(w.size[i] + w.pads[i] + w.pads[i + 2] - w.reach[i]) // w.strides[i] + 1
             for i in range(2)]
    c = g.int(1, 3)
    return g.case("Col2Im", [g.floats((g.int(1, 2), c * w.kernel[0] * w.kernel[1],
                                       count[0] * count[1]), special=0),
                             np.array(w.size, np.int64), np.array(w.kernel, np.int64)],
                  {"strides": w.strides, "dilations": w.dilations, "pads": w.pads}, **SLACK)


@generator("CausalConvWithState")
def causal_conv(g):
    g.version(most=28)
    n, c, length, k = g.int(1, 2), g.int(1, 9), g.int(1, 9), g.int(1, 5)
    inputs = [g.floats((n, c, length), special=0), g.floats((c, 1, k), special=0),
              g.floats((c,), special=0) if g.chance(0.5) else None,
              g.floats((n, c, k - 1), special=0) if g.chance(0.5) else None]
    return g.case(g.op, inputs, g.attributes(activation=g.pick(["none", "silu", "swish"])),
                  2, rtol=2e-5, atol=1e-5)
