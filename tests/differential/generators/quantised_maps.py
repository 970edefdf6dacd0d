"""com.microsoft's operators on quantised values, and the fused ones, as onnxruntime's
docs/ContribOperators.md describes them. Where the multiplier's precision is open, so that a tie may
fall either way, a result may be off by one."""

import numpy as np

from cases import F32, MS, Case, Node, generator

from .images import Window, grouped
from .quantised import PLAIN8, scales


def one_scale(g):
    return np.array(g.rng.uniform(0.01, 0.06), F32)


@generator("QLinearAdd", "QLinearMul", domain=MS)
def binary(g):
    kind = g.pick(PLAIN8)
    a, b = g.broadcast(2)
    return g.case(g.op, [g.ints(a, kind), one_scale(g), g.ints((), kind),
                         g.ints(b, kind), one_scale(g), g.ints((), kind),
                         np.array(0.11, F32), g.ints((), kind)], steps=1)


@generator("QLinearSigmoid", "QLinearLeakyRelu", domain=MS)
def unary(g):
    kind = g.pick(PLAIN8)
    more = g.attributes(alpha=0.2) if g.op == "QLinearLeakyRelu" else {}
    return g.case(g.op, [g.ints(g.shape(1), kind), one_scale(g), g.ints((), kind),
                         one_scale(g), g.ints((), kind)], more, steps=1)


@generator("QLinearWhere", domain=MS)
def where(g):
    kind = g.pick(PLAIN8)
    c, a, b = g.broadcast(3)
    return g.case(g.op, [g.bools(c), g.ints(a, kind), one_scale(g), g.ints((), kind),
                         g.ints(b, kind), one_scale(g), g.ints((), kind),
                         one_scale(g), g.ints((), kind)], steps=1)


@generator("QLinearConcat", domain=MS)
def concat(g):
    kind, shape = g.pick(PLAIN8), list(g.shape(1, 4, dim_least=1))
    axis = g.int(0, len(shape) - 1)
    inputs = [one_scale(g), g.ints((), kind)]
    for _ in range(g.int(1, 3)):
        shape[axis] = g.int(1, 6)
        inputs += [g.ints(shape, kind), one_scale(g), g.ints((), kind)]
    return g.case(g.op, inputs, {"axis": axis}, const=[i for i in range(len(inputs)) if i % 3 != 2],
                  steps=1)


@generator("QLinearSoftmax", domain=MS)
def softmax(g):
    kind = g.pick(PLAIN8)
    shape = g.shape(1, 4, dim_least=1)
    g.opset = 13
    version = g.pick([12, 13])
    axis = g.int(-len(shape), len(shape) - 1)
    return g.case(g.op, [g.ints(shape, kind), one_scale(g), g.ints((), kind),
                         np.array(1 / 256, F32), np.array(np.iinfo(kind).min, kind)],
                  {"axis": axis, "opset": version}, const=(1, 2, 3, 4), steps=1)


def mean_formula(axes, keep, kind):
    def formula(values):
        x, a, za, b, zb = (values[f"x{i}"] for i in range(5))
        mean = (x.astype(np.float64) - za).mean(axes, keepdims=bool(keep)) * a / b
        info = np.iinfo(kind)
        return [np.asarray(np.clip(np.rint(mean) + zb, info.min, info.max)).astype(kind)]
    return formula


@generator("QLinearReduceMean", domain=MS)
def reduce_mean(g):
    kind, shape = g.pick(PLAIN8), g.shape(1, 4, dim_least=1)
    axes, keep = tuple(sorted(g.some(range(len(shape)), 1))), g.int(0, 1)
    return g.case(g.op, [g.ints(shape, kind), one_scale(g), g.ints((), kind), one_scale(g),
                         g.ints((), kind)], {"axes": list(axes), "keepdims": keep}, steps=1,
                  formula=mean_formula(axes, keep, kind))


@generator("QLinearAveragePool", "QLinearGlobalAveragePool", domain=MS)
def pools(g):
    kind = g.pick(PLAIN8)
    last = g.int(0, 1)
    w = Window(g, 2, dilate=False)
    n, c = g.int(1, 2), g.int(1, 9)
    x = g.ints((n, *w.size, c) if last else (n, c, *w.size), kind)
    inputs = [x, one_scale(g), g.ints((), kind), one_scale(g), g.ints((), kind)]
    more = {"channels_last": last}
    if g.op == "QLinearAveragePool":
        more |= w.attributes()
        if g.chance(0.4):
            more["count_include_pad"] = g.int(0, 1)
    return g.case(g.op, inputs, more, const=(1, 2, 3, 4), steps=1)


@generator("QuantizeLinear", "DequantizeLinear", domain=MS)
def linear(g):
    kind = g.pick([*PLAIN8, np.dtype(np.int16), np.dtype(np.uint16)])
    shape = g.shape(1, 4, dim_least=1)
    wide, more = (), {}
    if g.chance(0.4):
        axis = g.int(0, len(shape) - 1)
        wide, more = (shape[axis],), {"axis": axis}
    scale, zero = scales(g, wide), g.ints(wide, kind)
    if g.op == "QuantizeLinear":
        return g.case(g.op, [g.floats(shape, special=0), scale, zero], more)
    return g.case(g.op, [g.ints(shape, kind), scale, zero], more)


ACTIVATIONS = [("", None), ("Relu", None), ("Sigmoid", None), ("Tanh", None), ("LeakyRelu", [0.2]),
               ("Clip", [-0.3, 0.4]), ("HardSigmoid", [0.3, 0.4])]


@generator("FusedConv", domain=MS)
def fused_conv(g):
    g.opset = 17
    w = Window(g, 2)
    if w.auto and max(w.dilations) > 1:     # onnxruntime has no SAME with dilations
        w.auto = "VALID"
    groups, c, m = grouped(g)
    name, params = g.pick(ACTIVATIONS)
    more = w.attributes() | {k: v for k, v in (("activation", name), ("activation_params", params))
                             if v}
    if groups > 1:
        more["group"] = groups
    return g.case(g.op, [g.floats((g.int(1, 2), c, *w.size), special=0),
                         g.floats((m, c // groups, *w.kernel), special=0),
                         g.floats((m,), special=0) if g.chance(0.6) else None], more,
                  rtol=2e-5, atol=1e-6)


@generator("FusedGemm", domain=MS)
def fused_gemm(g):
    m, k, n = (g.dim(1, 33) for _ in range(3))
    ta, tb = g.int(0, 1), g.int(0, 1)
    more = {"transA": ta, "transB": tb, **g.attributes(alpha=0.5, beta=2.0)}
    name = g.pick(["Relu", "Sigmoid", "Tanh", "LeakyRelu"])
    more |= {"activation": name, **({"activation_alpha": 0.3} if name == "LeakyRelu" else {})}
    return g.case(g.op, [g.floats((k, m) if ta else (m, k), special=0),
                         g.floats((n, k) if tb else (k, n), special=0),
                         g.floats(g.onto((m, n)), special=0)], more, rtol=2e-5, atol=1e-6)


def nhwc_formula(w, groups):
    def formula(values):
        x, k = values["x0"].astype(np.float64), values["x1"].astype(np.float64)
        x = np.pad(x, [(0, 0), (w.pads[0], w.pads[2]), (w.pads[1], w.pads[3]), (0, 0)])
        views = np.lib.stride_tricks.sliding_window_view(x, w.reach, (1, 2))
        views = views[:, ::w.strides[0], ::w.strides[1], :, ::w.dilations[0], ::w.dilations[1]]
        each, out = x.shape[3] // groups, k.shape[0] // groups
        parts = [np.einsum("nhwcij,mcij->nhwm", views[:, :, :, i * each:(i + 1) * each],
                           k[i * out:(i + 1) * out]) for i in range(groups)]
        y = np.concatenate(parts, -1) + (values["x2"] if "x2" in values else 0)
        return [y.astype(np.float32)]
    return formula


@generator("NhwcConv", domain=MS)
def nhwc_conv(g):
    g.opset = 17
    w = Window(g, 2)
    w.auto = None
    groups, c, m = grouped(g)
    more = w.attributes() | {"group": groups}
    return g.case(g.op, [g.floats((g.int(1, 2), *w.size, c), special=0),
                         g.floats((m, c // groups, *w.kernel), special=0),
                         g.floats((m,), special=0) if g.chance(0.6) else None], more,
                  rtol=1e-4, atol=1e-4, formula=nhwc_formula(w, groups))


@generator("NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss")
def losses(g):
    g.version()
    n, c = g.int(1, 5), g.int(1, 7)
    rest = g.shape(0, 2, 20, dim_least=1)
    dtype = g.type()
    labels = g.ints((n, *rest), g.pick([np.int32, np.int64]), 0, c - 1)
    more = g.attributes(reduction=g.pick(["none", "mean", "sum"]))
    if g.chance(0.3):
        more["ignore_index"] = -7 if g.chance(0.5) else 0
        if more["ignore_index"] < 0:
            labels.reshape(-1)[::3] = -7
        labels.reshape(-1)[-1] = c - 1      # something is left to take the mean of
        if c == 1 and more["ignore_index"] == 0:
            more.pop("ignore_index")
    weight = g.floats((c,), dtype, positive=True, special=0) if g.chance(0.4) else None
    x = g.floats((n, c, *rest), dtype, special=0)
    outputs = g.int(1, 2) if g.op[0] == "S" else 1
    return g.case(g.op, [x, labels, weight], more, outputs, rtol=5e-5, atol=1e-5)


@generator("TfIdfVectorizer")
def tf_idf(g):
    g.opset = g.int(9, 22)
    low = g.int(1, 2)
    more = dict(ngram_counts=[0, 4, 10], ngram_indexes=[6, 0, 1, 2, 3, 4, 5, 7],
                pool_int64s=[2, 3, 5, 4, 5, 6, 7, 8, 6, 7, 5, 6, 7],
                mode=g.pick(["TF", "IDF", "TFIDF"]),
                min_gram_length=low, max_gram_length=g.int(low, 3), max_skip_count=g.int(0, 3))
    if g.chance(0.5):
        more["weights"] = [float(i) + 0.5 for i in range(8)]
    shape = (g.int(1, 30),) if g.chance(0.3) else (g.int(1, 3), g.int(1, 30))
    return g.case("TfIdfVectorizer", [g.ints(shape, g.pick([np.int32, np.int64]), 2, 8)], more)


def chain(g, nodes, values, output, constants=()):
    return Case(nodes, {k: np.asarray(v) for k, v in values.items()}, [output], g.opset,
                set(constants), name=g.name)


@generator("SplitToSequence", "SequenceAt", "SequenceLength")
def sequence_of_parts(g):
    """A tensor is split to a sequence, of which one part or the number comes out."""
    g.opset = g.int(11, 22)
    shape = g.shape(1, 4, dim_least=1)
    axis = g.int(-len(shape), len(shape) - 1)
    values, inputs = {"x": g.array(g.pick([F32, np.dtype(np.int64)]), shape, 0)}, ["x"]
    size = shape[axis]
    more, parts = {"axis": axis}, size
    if g.chance(0.6):
        inputs.append("split")
        if g.chance(0.5):
            values["split"] = np.array(each := g.int(1, size), np.int64)
            parts = -(-size // each)
        else:
            cuts = sorted(g.int(0, size) for _ in range(g.int(0, 2)))
            lengths = [b - a for a, b in zip([0, *cuts], [*cuts, size])]
            values["split"], parts = np.array(lengths, np.int64), len(lengths)
    elif g.chance(0.5):
        more["keepdims"] = g.int(0, 1)
    nodes = [Node("SplitToSequence", inputs, ["s"], more)]
    if g.op == "SequenceLength":
        return chain(g, [*nodes, Node("SequenceLength", ["s"], ["y"])], values, "y", ["split"] if
                     "split" in values else [])
    values["at"] = np.array(g.int(-parts, parts - 1), np.int64)
    return chain(g, [*nodes, Node("SequenceAt", ["s", "at"], ["y"])], values, "y",
                 [k for k in ("split", "at") if k in values])


@generator("SequenceConstruct", "SequenceEmpty", "SequenceInsert", "SequenceErase",
           "ConcatFromSequence")
def sequence_of_tensors(g):
    """Tensors are put in a sequence, one is inserted or erased, and the rest is put together."""
    g.opset = g.int(11, 22)
    shape = g.shape(1, 3, dim_least=1)
    new = g.int(0, 1)
    axis = g.int(-len(shape) - new, len(shape) - 1 + new)
    count = g.int(2, 4)
    values = {}
    for i in range(count):
        one = list(shape)
        if not new:
            one[axis] = g.int(1, 4)
        values[f"x{i}"] = g.floats(one, special=0)
    names = list(values)
    if g.op == "SequenceEmpty":
        nodes = [Node("SequenceEmpty", [], ["s0"], {})]
        for i, name in enumerate(names):
            nodes.append(Node("SequenceInsert", [f"s{i}", name], [f"s{i + 1}"]))
        last = f"s{count}"
    else:
        nodes, last = [Node("SequenceConstruct", names[:-1], ["s"])], "s"
        if g.chance(0.7) or g.op == "SequenceInsert":
            inputs = ["s", names[-1]]
            if g.chance(0.6):
                values["at"] = np.array(g.int(-(count - 1), count - 1), np.int64)
                inputs.append("at")
            nodes.append(Node("SequenceInsert", inputs, ["t"]))
            last = "t"
            count += 1
        else:
            values.pop(names[-1])
        if g.op == "SequenceErase" and count > 3:
            values["gone"] = np.array(g.int(-(count - 1), count - 2), np.int64)
            nodes.append(Node("SequenceErase", [last, "gone"], ["e"]))
            last = "e"
    nodes.append(Node("ConcatFromSequence", [last], ["y"], {"axis": axis, "new_axis": new}))
    return chain(g, nodes, values, "y", [k for k in ("at", "gone") if k in values])
