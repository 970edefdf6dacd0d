"""Differences that are not brink's fault, each with the reason and where it can be read.

A function's text is the reason; it answers whether a case is that difference. `ours` is None where
brink refuses, and agrees() asks whether another reference gives what brink gives.
"""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np

import engines
from cases import is_float

ROWS = []


def explained(*ops):
    def register(function):
        ROWS.append((ops, " ".join(function.__doc__.split()), function))
        return function
    return register


def explanation(case, ours, theirs, agrees):
    for ops, reason, test in ROWS:
        if (case.op in ops or not ops) and ours is not None and test(case, ours, theirs, agrees):
            return reason
    return None


def has(case, test):
    return any(test(a) for a in case.values.values() if is_float(a.dtype))


def has_nan(case):
    return has(case, lambda a: np.isnan(a.astype(np.float64)).any())


def has_double(case):
    return has(case, lambda a: a.dtype == np.float64)


@explained("ReduceMin", "ReduceMax", "Sign", "Clip", "Relu", "HardSigmoid", "Min", "Max",
           "ReduceLogSumExp")
def nan_is_lost(case, ours, theirs, agrees):
    """onnxruntime drops NaN where numpy, by which the operator is defined, keeps it."""
    return has_nan(case) and agrees()


@explained("GlobalMaxPool", "MaxPool")
def nan_in_a_pool(case, ours, theirs, agrees):
    """onnxruntime's largest of values with NaN among them depends on their order; brink answers NaN
    as numpy's max does. Of nothing but -inf it answers the lowest finite number, brink -inf."""
    a, b = ours[0].astype(float), theirs[0].astype(float)
    return a.shape == b.shape and bool(
        (np.isnan(a) & has_nan(case) | np.isclose(a, b, 1e-6, 0) | np.isneginf(a) & (b < -60000)).all())


@explained("MatMulInteger", "QLinearMatMul")
def sum_of_nothing(case, ours, theirs, agrees):
    """A product over no elements is 0; onnxruntime leaves what was in the memory (another value each
    run)."""
    return 0 in case.values["x0"].shape and theirs[0].size > 0


@explained("ConvInteger")
def zero_of_each_output(case, ours, theirs, agrees):
    """ConvInteger: w_zero_point of [M] belongs to the output channels; onnx's reference evaluator
    spreads it right over two spatial dimensions only. Checked by Conv in double, which is exact."""
    node, values = case.nodes[0], case.values
    if len(node.inputs) < 4 or values["x3"].ndim == 0:
        return False
    x = values["x0"].astype(np.float64) - values["x2"].astype(np.float64)
    w = values["x1"].astype(np.float64)
    w -= values["x3"].astype(np.float64).reshape(-1, *[1] * (w.ndim - 1))
    conv = case.but(nodes=[replace(node, op="Conv", inputs=["x0", "x1"])],
                    values={"x0": x, "x1": w}, constants=set(), free=set())
    y = engines.evaluate(conv.model(), conv.feeds())[0]
    return np.array_equal(y, ours[0].astype(np.float64))


@explained("Dropout")
def mask_of_old(case, ours, theirs, agrees):
    """Dropout below opset 12 does not say what the mask is in inference; onnxruntime gives zeros and
    brink the ones of opset 12."""
    return case.opset < 12 and np.array_equal(ours[0], theirs[0], equal_nan=True)


@explained("ReduceMean")
def mean_of_nothing(case, ours, theirs, agrees):
    """ReduceMean: "Reduction over an empty set of values yields undefined." """
    return case.values["x0"].size == 0


@explained("Slice")
def slice_backwards_from_far(case, ours, theirs, agrees):
    """Slice: with a negative step `ends` is clamped to [-1, dims-1], so a slice that ends at INT_MAX
    is empty; onnxruntime takes INT_MAX for the front. The specification names INT_MIN for that."""
    values, node = case.values, case.nodes[0]
    if case.opset < 10 or not np.isin(values["x2"], [2**31 - 1, 2**63 - 1]).any():
        return False
    shape = list(values["x0"].shape)
    given = [[int(v) for v in values[n]] if n in values else None for n in ("x1", "x2", "x3", "x4")]
    starts, ends, axes, steps = given
    for start, end, axis, step in zip(starts, ends, axes or range(len(starts)),
                                      steps or [1] * len(starts)):
        d = values["x0"].shape[axis]
        start, end = (v + d if v < 0 else v for v in (start, end))
        low, high = (0, d) if step > 0 else (-1, d - 1)
        start, end = min(max(start, 0), high), min(max(end, low), high)
        shape[axis] = max(-(-(end - start) // step), 0)
    return node.op == "Slice" and ours[0].shape == tuple(shape)


@explained("NonZero")
def non_zero_of_a_scalar(case, ours, theirs, agrees):
    """NonZero: "for scalar input, NonZero produces output shape (0, N) instead of (1, N)"."""
    return case.values["x0"].ndim == 0


@explained("ConvTranspose")
def transposed_with_gaps(case, ours, theirs, agrees):
    """ConvTranspose: SAME_UPPER and SAME_LOWER make output_shape[i] = input_shape[i] * strides[i];
    onnxruntime gives less where the kernel is shorter than the stride."""
    return case.nodes[0].attributes.get("auto_pad", "").startswith("SAME") and \
        ours[0].shape != theirs[0].shape


@explained("MaxPool", "AveragePool", "LpPool")
def same_with_dilation(case, ours, theirs, agrees):
    """Pools: SAME_UPPER and SAME_LOWER make output_shape[i] = ceil(input_shape[i] / strides[i]);
    onnxruntime leaves the dilations out when it computes the pads."""
    attributes = case.nodes[0].attributes
    return attributes.get("auto_pad", "").startswith("SAME") and \
        max(attributes.get("dilations", [1])) > 1


@explained("MeanVarianceNormalization")
def variance_of_nothing(case, ours, theirs, agrees):
    """MeanVarianceNormalization: its function body divides by the deviation plus 1e-9, so equal
    values become 0; onnxruntime divides 0 by 0."""
    return all(np.array_equal(np.isnan(b.astype(float)) | (a == b), np.ones(a.shape, bool)) or
               bool(np.isnan(b.astype(float)).any()) for a, b in zip(ours, theirs))


@explained("ReduceLogSumExp", "ReduceLogSum", "ReduceL2")
def integers_on_the_way(case, ours, theirs, agrees):
    """onnxruntime cuts to an integer at every step of the reduction; brink, as the reference
    evaluator, computes the function and cuts once."""
    if is_float(ours[0].dtype):
        return False
    node, x = case.nodes[0], case.values["x0"].astype(np.float64)
    axes = node.attributes.get("axes", case.values.get("x1"))
    axes = tuple(int(a) for a in axes) if axes is not None and len(axes) else None
    f = {"ReduceLogSumExp": lambda v: np.log(np.exp(v).sum(axes)),
         "ReduceLogSum": lambda v: np.log(v.sum(axes)),
         "ReduceL2": lambda v: np.sqrt((v * v).sum(axes))}[case.op]
    return np.array_equal(np.trunc(f(x)).reshape(-1), ours[0].astype(float).reshape(-1))


@explained("Attention")
def causal_for_one_row(case, ours, theirs, agrees):
    """Attention: with a past, is_causal hides from query row i the keys beyond past + i; onnxruntime
    leaves the mask out where there is one query row."""
    return case.nodes[0].attributes.get("is_causal") == 1 and \
        ours[0].shape[-2] == 1 and agrees()


@explained("Attention")
def lowest_for_infinity(case, ours, theirs, agrees):
    """Attention: where a boolean mask hides a key the scores are -inf (its function body); onnxruntime
    puts the lowest finite number there, which only the output of the scores shows."""
    pairs = [(a.astype(float), b.astype(float)) for a, b in zip(ours, theirs)]
    return len(ours) == 4 and all(
        a.shape == b.shape and
        bool((np.isclose(a, b, 1e-4, 1e-4) | (np.isneginf(a) & (b < -3e38))).all())
        for a, b in pairs)


@explained("InstanceNormalization", "BatchNormalization", "GroupNormalization")
def scale_and_shift(case, ours, theirs, agrees):
    """onnxruntime computes x * s + (b - mean * s) in f32, which loses what x - mean, as the formula is
    written, keeps."""
    return agrees()


NEAREST = {"floor": math.floor, "ceil": math.ceil,
           "round_prefer_floor": lambda v: math.ceil(v - Fraction(1, 2)),
           "round_prefer_ceil": lambda v: math.floor(v + Fraction(1, 2))}


@explained("Resize")
def coordinate_on_a_tie(case, ours, theirs, agrees):
    """Resize: a coordinate that lies on a tie (or a whole number, for floor and ceil) falls beside it
    by rounding in f32 in onnxruntime. Checked by computing the coordinates as fractions."""
    a, x = case.nodes[0].attributes, case.values["x0"]
    if a["mode"] != "nearest" or "x3" not in case.values or "keep_aspect_ratio_policy" in a:
        return False
    way = a.get("coordinate_transformation_mode", "half_pixel")
    pick, half, places = NEAREST[a.get("nearest_mode", "round_prefer_floor")], Fraction(1, 2), []
    for old, new in zip(x.shape, ours[0].shape):
        scale = Fraction(new, old)
        at = [r / scale if way == "asymmetric" else
              Fraction(r * (old - 1), max(new - 1, 1)) if way == "align_corners" else
              Fraction(0) if way == "pytorch_half_pixel" and new == 1 else
              (r + half) / scale - half for r in range(new)]
        places.append([min(max(pick(v), 0), old - 1) for v in at])
    return np.array_equal(x[np.ix_(*places)], ours[0])


@explained("Clip")
def infinity_without_bounds(case, ours, theirs, agrees):
    """Clip from opset 11 on: a bound left out is numeric_limits' last finite number, as in
    onnxruntime's kernels; the reference evaluator, asked for double there, lets infinity through."""
    a, b = ours[0].astype(np.float64), theirs[0].astype(np.float64)
    ends = np.finfo(np.float64).max
    return has_double(case) and bool(((a == b) | np.isnan(a) & np.isnan(b) |
                                      np.isinf(b) & (np.abs(a) == ends)).all())


@explained("LayerNormalization")
def mean_of_infinity(case, ours, theirs, agrees):
    """onnxruntime's mean of a row with infinity in it is NaN for half precision; it is infinite."""
    return has(case, lambda a: not np.isfinite(a.astype(np.float64)).all()) and agrees()


@explained("Gemm")
def beta_of_zero(case, ours, theirs, agrees):
    """Gemm: alpha * A * B + beta * C. With beta 0 onnxruntime does not read C, so that NaN in it does
    not come through as 0 * NaN does."""
    return case.nodes[0].attributes.get("beta", 1.0) == 0 and agrees()


@explained("graph")
def nan_is_lost_in_a_graph(case, ours, theirs, agrees):
    """A node of the graph drops NaN in onnxruntime (above); the reference evaluator agrees with
    brink."""
    return {n.op for n in case.nodes} & {"ReduceMin", "ReduceMax", "Min", "Max", "Sign", "Clip",
                                         "Relu", "HardSigmoid"} != set() and agrees()


@explained("STFT", "DFT")
def transform_in_float(case, ours, theirs, agrees):
    """onnxruntime rounds its roots of unity and sums to float at every step; brink and the reference
    evaluator do not, and agree."""
    return agrees()


@explained()
def double_in_float(case, ours, theirs, agrees):
    """onnxruntime computes this operator on double in float; the reference evaluator agrees with
    brink to 1e-12."""
    return has_double(case) and len(case.nodes) == 1 and agrees()


@explained("STFT")
def rounding_of_a_sum(case, ours, theirs, agrees):
    """A bin whose terms cancel is what float32 leaves of them in onnxruntime; brink's transform is in
    float64. Either way the error is small beside the largest bin."""
    most = np.max(np.abs(theirs[0]), initial=0)
    return np.allclose(ours[0], theirs[0], rtol=0, atol=1e-5 * most)


@explained("CumProd")
def products_past_the_largest(case, ours, theirs, agrees):
    """onnxruntime's running product in float32 overflows where brink's, in float64, does not."""
    finite = np.isfinite(theirs[0])
    return case.values["x0"].dtype == np.float32 and not finite.all() and \
        np.allclose(ours[0][finite], theirs[0][finite], rtol=1e-4)


@explained("Unique")
def unsorted_values(case, ours, theirs, agrees):
    """onnx's evaluator sorts, whatever is asked, when Y is the only output (op_unique.py)."""
    return len(case.outputs) == 1 and ours[0].shape == theirs[0].shape and \
        np.array_equal(np.sort(ours[0], None), np.sort(theirs[0], None))
