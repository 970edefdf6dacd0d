"""Cases of the operators on images: pools, convolutions, norms by channel, resizing and sampling."""

import itertools

import ml_dtypes
import numpy as np
from onnx import TensorProto

from cases import MS, case, f32, i64, ints, of, rng

FLOATS = (np.float32, np.float64)


def pools():
    windows = [((2, 3, 9, 8), dict(kernel_shape=[3, 3])),
               ((1, 3, 9, 8), dict(kernel_shape=[3, 2], strides=[2, 3], pads=[1, 0, 1, 1])),
               ((1, 3, 33), dict(kernel_shape=[5], strides=[3], pads=[2, 1])),
               ((1, 2, 5, 6, 7), dict(kernel_shape=[2, 3, 2], strides=[1, 2, 2])),
               ((1, 3, 10, 9), dict(kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)),
               ((1, 3, 10, 9), dict(kernel_shape=[3, 3], strides=[3, 3], ceil_mode=1,
                                    pads=[1, 1, 1, 1])),
               ((1, 3, 10, 9), dict(kernel_shape=[3, 2], strides=[2, 2], auto_pad="SAME_UPPER")),
               ((1, 3, 10, 9), dict(kernel_shape=[2, 4], auto_pad="SAME_LOWER")),
               ((1, 3, 10, 9), dict(kernel_shape=[3, 3], strides=[2, 2], auto_pad="VALID")),
               ((1, 2, 40, 50), dict(kernel_shape=[3, 3], pads=[1, 1, 1, 1])),
               ((0, 2, 4, 5), dict(kernel_shape=[2, 2]))]
    for shape, attrs in windows:
        for op in ("MaxPool", "AveragePool", "LpPool"):
            if "ceil_mode" in attrs and op == "LpPool":
                continue
            case(op, [f32(*shape)], **attrs)
        case("AveragePool", [f32(*shape)], count_include_pad=1, **attrs)
        if 0 not in shape:
            case("MaxPool", [f32(*shape)], outputs=2, **attrs)
            case("MaxPool", [f32(*shape)], outputs=2, storage_order=1, **attrs)
    for t in (np.float64, np.int8, np.uint8):
        case("MaxPool", [of(t, 1, 2, 9, 8)], kernel_shape=[3, 2], strides=[2, 2])
    case("MaxPool", [f32(1, 2, 9, 8)], outputs=2, kernel_shape=[3, 2], dilations=[2, 3])
    case("AveragePool", [f32(1, 2, 9, 8)], opset=19, kernel_shape=[3, 2], dilations=[2, 3],
         pads=[1, 1, 1, 1])
    case("AveragePool", [of(np.float64, 1, 2, 9, 8)], kernel_shape=[3, 2])
    for p in (1, 3):
        case("LpPool", [f32(1, 2, 9, 8)], kernel_shape=[3, 2], p=p)
        case("GlobalLpPool", [f32(2, 3, 4, 5)], p=p)
    case("LpPool", [f32(1, 2, 9, 8)], opset=18, kernel_shape=[3, 2], dilations=[2, 1])
    for op in ("GlobalMaxPool", "GlobalAveragePool", "GlobalLpPool"):
        for shape in ((2, 3, 7), (2, 3, 4, 5), (1, 70, 20, 30), (1, 2, 3, 4, 5)):
            case(op, [f32(*shape)])
    for t in FLOATS[1:]:
        case("GlobalAveragePool", [of(t, 2, 3, 4)])
    x = np.arange(1, 5, dtype=np.float32).reshape(1, 1, 2, 2)
    case("MaxUnpool", [x, i64(0, 3, 9, 14).reshape(1, 1, 2, 2)], kernel_shape=[2, 2],
         strides=[2, 2])
    case("MaxUnpool", [x, i64(4, 6, 16, 24).reshape(1, 1, 2, 2)], kernel_shape=[3, 3],
         strides=[2, 2])


def convolutions():
    for shape, w, attrs in [
            ((1, 3, 9, 8), (5, 3, 3, 3), {}),
            ((2, 3, 9, 8), (5, 3, 3, 3), dict(pads=[1, 2, 0, 1], strides=[2, 1])),
            ((1, 4, 9, 8), (6, 2, 3, 3), dict(group=2)),
            ((1, 6, 9, 8), (6, 1, 3, 3), dict(group=6, pads=[1, 1, 1, 1])),
            ((1, 3, 9, 8), (5, 3, 2, 2), dict(dilations=[2, 3])),
            ((1, 3, 30), (4, 3, 5), dict(strides=[2], pads=[2, 2])),
            ((1, 16, 7, 7), (33, 16, 1, 1), {})]:
        case("Conv", [of(np.float64, *shape), of(np.float64, *w), of(np.float64, w[0])], **attrs)
        for tx, tw in ((np.uint8, np.uint8), (np.uint8, np.int8)):
            x, k = ints(tx, *shape), ints(tw, *w)
            case("ConvInteger", [x, k], **attrs)
            case("ConvInteger", [x, k, ints(tx, 1)[0], ints(tw, 1)[0]], **attrs)
    x, k, zeros = ints(np.uint8, 2, 3, 9, 8), ints(np.int8, 5, 3, 3, 2), ints(np.int8, 5)
    views = np.lib.stride_tricks.sliding_window_view(x.astype(np.int32) - 7, (3, 2), (2, 3))
    sums = np.einsum("nchwij,mcij->nmhw", views, k - zeros.astype(np.int32)[:, None, None, None])
    case("ConvInteger", [x, k, np.uint8(7), zeros], const=[1, 3], expected=[sums])
    for shape, w, attrs in [
            ((1, 3, 7, 6), (3, 5, 3, 3), {}), ((2, 3, 7, 6), (3, 5, 3, 2), dict(strides=[2, 3])),
            ((1, 4, 7, 6), (4, 3, 3, 3), dict(group=2, strides=[2, 2])),
            ((1, 6, 7, 6), (6, 1, 4, 4), dict(group=6, strides=[2, 2], pads=[1, 1, 1, 1])),
            ((1, 3, 7, 6), (3, 5, 3, 3), dict(dilations=[2, 3], pads=[1, 0, 2, 1])),
            ((1, 3, 7, 6), (3, 5, 3, 3), dict(strides=[2, 2], output_padding=[1, 1])),
            ((1, 3, 7, 6), (3, 5, 3, 3), dict(strides=[2, 2], output_shape=[14, 13])),
            ((1, 3, 7, 6), (3, 5, 3, 3), dict(strides=[2, 2], output_shape=[14, 12],
                                              auto_pad="SAME_UPPER")),
            ((1, 3, 7, 6), (3, 5, 3, 4), dict(strides=[2, 2], auto_pad="SAME_UPPER")),
            ((1, 3, 7, 6), (3, 5, 3, 4), dict(strides=[2, 2], auto_pad="SAME_LOWER")),
            ((1, 3, 7, 6), (3, 5, 3, 3), dict(strides=[2, 2], auto_pad="VALID")),
            ((1, 16, 600), (16, 8, 16), dict(strides=[8], pads=[4, 4])),
            ((1, 2, 3, 4, 5), (2, 3, 2, 3, 2), dict(strides=[2, 1, 2])),
            ((1, 24, 40, 50), (24, 7, 2, 2), dict(strides=[2, 2])),
            ((2, 24, 60, 61), (24, 1, 4, 4), dict(strides=[2, 2], pads=[1, 1, 1, 1])),
            ((1, 30, 30, 30), (30, 20, 5, 3), dict(strides=[3, 2], pads=[2, 1, 0, 1], dilations=[2, 1])),
            ((1, 3, 9, 8), (3, 4, 2, 2), dict(strides=[3, 4])),
            ((1, 4, 9, 8), (4, 4, 3, 3), dict(group=2, dilations=[2, 2], strides=[4, 2])),
            ((0, 3, 7, 6), (3, 5, 3, 3), {})]:
        case("ConvTranspose", [f32(*shape), f32(*w)], atol=1e-4, rtol=1e-4, **attrs)
        bias = f32(w[1] * attrs.get("group", 1))
        case("ConvTranspose", [f32(*shape), f32(*w), bias], const=[1, 2], atol=1e-4, rtol=1e-4,
             **attrs)
    # two parts of one output: strides that double one dimension alone
    case("ConvTranspose", [f32(1, 4, 7, 6, 1), f32(4, 1, 2, 3, 1)], atol=1e-4, rtol=1e-4,
         strides=[2, 1, 1])
    case("ConvTranspose", [of(np.float64, 1, 3, 7, 6), of(np.float64, 3, 5, 3, 3),
                           of(np.float64, 5)], strides=[2, 2])


def norms():
    for shape in ((2, 6, 5, 7), (1, 6, 40), (3, 6), (2, 6, 2, 3, 4)):
        c = shape[1]
        stats = [f32(c), f32(c), f32(c), np.abs(f32(c)) + 0.1]
        case("BatchNormalization", [f32(*shape), *stats], epsilon=1e-3)
        case("BatchNormalization", [f32(*shape), *stats], const=[1, 2, 3, 4], opset=9)
        if len(shape) > 2:
            case("InstanceNormalization", [f32(*shape), f32(c), f32(c)], atol=1e-4)
            case("GroupNormalization", [f32(*shape), f32(c), f32(c)], opset=21, num_groups=3,
                 atol=1e-4)
            case("GroupNormalization", [f32(*shape), f32(3), f32(3)], opset=18, num_groups=3,
                 epsilon=1e-2, atol=1e-4)
    stats = [f32(3), f32(3), f32(3), np.abs(f32(3)) + 0.1]
    case("BatchNormalization", [f32(4, 3, 5), *stats], outputs=3, opset=15, training_mode=1,
         momentum=0.7)
    case("BatchNormalization", [of(np.float64, 4, 3, 5), *[s.astype(np.float64) for s in stats]])
    for silu in (0, 1):
        x, scale, bias = f32(2, 4, 5, 6), f32(6), f32(6)
        groups = x.reshape(2, 20, 3, 2)
        y = (groups - groups.mean((1, 3), keepdims=True)) / np.sqrt(
            groups.var((1, 3), keepdims=True) + 1e-3)
        y = y.reshape(x.shape) * scale + bias
        case("GroupNorm", [x, scale, bias], domain=MS, groups=3, epsilon=1e-3, activation=silu,
             atol=1e-4, expected=[y / (1 + np.exp(-y)) if silu else y])
    case("InstanceNormalization", [f32(1, 64, 1000), f32(64), f32(64)], atol=1e-4)


def grids():
    for mode, padding, align in itertools.product(("linear", "nearest", "cubic"),
                                                  ("zeros", "border", "reflection"), (0, 1)):
        grid = (f32(2, 5, 6, 2) * 0.8).astype(np.float32)
        case("GridSample", [f32(2, 3, 7, 9), grid], opset=20, mode=mode, padding_mode=padding,
             align_corners=align, atol=1e-4)
        old = {"linear": "bilinear", "cubic": "bicubic"}.get(mode, mode)
        case("GridSample", [f32(2, 3, 7, 9), grid], opset=16, mode=old, padding_mode=padding,
             align_corners=align, atol=1e-4)
        if mode != "cubic":
            case("GridSample", [f32(1, 2, 4, 5, 6), f32(1, 3, 4, 5, 3)], opset=20, mode=mode,
                 padding_mode=padding, align_corners=align, atol=1e-4)


def resizes():
    empty = np.zeros((0,), np.float32)
    modes = ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel",
             "half_pixel_symmetric")

    def resize(x, scales=None, sizes=None, opset=19, roi=None, **attrs):
        inputs = [x, roi, None if scales is None else np.array(scales, np.float32)]
        if sizes is not None:
            inputs.append(np.array(sizes, np.int64))
        case("Resize", inputs, const=[1, 2, 3], opset=opset, atol=1e-4, **attrs)

    for mode, how in itertools.product(("nearest", "linear", "cubic"), modes):
        attrs = dict(mode=mode, coordinate_transformation_mode=how)
        for scales in ([1, 1, 2, 2], [1, 1, 0.55, 1.7], [1, 1, 0.5, 0.3], [1, 1, 3, 1]):
            resize(f32(1, 2, 7, 9), scales, **attrs)
        resize(f32(1, 2, 7, 9), sizes=[1, 2, 5, 20], **attrs)
    for nearest in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"):
        for how in modes:
            resize(f32(1, 1, 6, 7), [1, 1, 2.5, 0.8], mode="nearest", nearest_mode=nearest,
                   coordinate_transformation_mode=how)
        resize(of(np.int64, 1, 1, 6, 7), sizes=[1, 1, 4, 15], mode="nearest", nearest_mode=nearest)
    for mode in ("linear", "cubic"):
        for scales in ([1, 1, 0.4, 0.7], [1, 1, 2, 0.3]):
            resize(f32(1, 2, 12, 17), scales, mode=mode, antialias=1)
        resize(f32(1, 2, 12, 17), sizes=[1, 2, 5, 6], mode=mode, antialias=1, exclude_outside=1)
    resize(f32(1, 2, 7, 9), [1, 1, 1.7, 0.6], mode="cubic", exclude_outside=1, cubic_coeff_a=-0.5)
    roi = np.array([0.1, 0.3, 0.8, 1.2], np.float32)
    for mode in ("nearest", "linear", "cubic"):
        full = np.concatenate([[0, 0], roi[:2], [1, 1], roi[2:]]).astype(np.float32)
        resize(f32(1, 1, 7, 9), sizes=[1, 1, 5, 6], roi=full, mode=mode, extrapolation_value=7.5,
               coordinate_transformation_mode="tf_crop_and_resize")
        resize(f32(1, 1, 7, 9), sizes=[5, 6], roi=roi, axes=[2, 3], mode=mode,
               coordinate_transformation_mode="tf_crop_and_resize")
    for policy in ("not_larger", "not_smaller", "stretch"):
        resize(f32(1, 1, 7, 9), sizes=[20, 11], axes=[2, 3], mode="linear",
               keep_aspect_ratio_policy=policy)
        resize(f32(1, 1, 7, 9), sizes=[11, 20], axes=[3, 2], mode="nearest",
               keep_aspect_ratio_policy=policy)
    resize(f32(5, 8), [0.8, 2], mode="linear")
    resize(f32(9), [2.5], mode="linear")
    resize(f32(1, 2, 3, 4, 5), [1, 1, 2, 2, 1.5], mode="linear")
    resize(of(np.float64, 1, 2, 3, 4), [1, 1, 2, 1.5], mode="cubic")
    for t in (np.uint8, np.int8, np.int32):
        resize(of(t, 1, 1, 6, 7), [1, 1, 2, 2], mode="linear")  # weights without error
        resize(of(t, 1, 1, 6, 7), [1, 1, 2, 2], mode="nearest")
    case("Resize", [f32(1, 1, 4, 6), empty, np.array([1, 1, 2, 0.5], np.float32)], const=[1, 2],
         opset=11, mode="linear")
    for scales, mode in itertools.product(([1, 1, 2, 3], [1, 1, 0.5, 0.7]), ("nearest", "linear")):
        s = np.array(scales, np.float32)
        case("Resize", [f32(1, 2, 7, 9), s], const=[1], opset=10, mode=mode)
        if min(scales) >= 1:
            case("Upsample", [f32(1, 2, 7, 9), s], const=[1], opset=9, mode=mode)
            case("Upsample", [f32(1, 2, 7, 9)], opset=7, mode=mode, scales=[float(v) for v in scales])


def regions():
    rois = np.array([[1, 2, 9, 8], [0, 0, 4, 3], [3.3, 1.2, 3.9, 7.5], [-2.2, -3, 20, 30]], np.float32)
    batches = i64(0, 1, 1, 0)
    for ratio, mode in itertools.product((0, 2), ("avg", "max")):
        for opset, how in ((16, "half_pixel"), (16, "output_half_pixel"), (10, None)):
            more = {} if how is None else dict(coordinate_transformation_mode=how)
            case("RoiAlign", [f32(2, 3, 10, 12), rois, batches], opset=opset, output_height=3,
                 output_width=4, sampling_ratio=ratio, spatial_scale=0.8, mode=mode, atol=1e-4,
                 **more)
    boxes = np.array([[0, 1, 2, 9, 8], [1, 0, 0, 4, 3], [1, 3, 1, 3, 7]], np.float32)
    case("MaxRoiPool", [f32(2, 3, 10, 12), boxes], pooled_shape=[3, 4], spatial_scale=1.0)
    case("MaxRoiPool", [f32(2, 3, 10, 12), boxes], pooled_shape=[2, 2], spatial_scale=0.5)
    for size, align in itertools.product(([2, 3, 5, 6], [2, 3, 4, 5, 6]), (0, 1)):
        n = len(size) - 2
        case("AffineGrid", [f32(2, n, n + 1), i64(*size)], const=[1], opset=20,
             align_corners=align)
    boxes = np.abs(f32(2, 30, 4)).cumsum(-1)
    scores = f32(2, 3, 30)
    limit, overlap = np.array([4], np.int64), np.array([0.3], np.float32)
    for centered in (0, 1):
        case("NonMaxSuppression", [boxes, scores, limit, overlap], const=[2, 3],
             center_point_box=centered)
        case("NonMaxSuppression", [boxes, scores, limit, overlap, np.array([0.2], np.float32)],
             center_point_box=centered)
    case("NonMaxSuppression", [boxes, scores])
    case("NonMaxSuppression", [boxes[:, :, [2, 3, 0, 1]], scores, np.array([100], np.int64)])


def local_norms():
    case("MeanVarianceNormalization", [f32(2, 3, 4, 5)], atol=1e-4)
    case("MeanVarianceNormalization", [f32(2, 3, 4)], axes=[0, 2], atol=1e-4)
    for axis, p in itertools.product((0, 1, -1), (1, 2)):
        case("LpNormalization", [f32(3, 4, 5)], axis=axis, p=p)
    case("LpNormalization", [of(np.float64, 3, 4)])
    for size in (1, 3, 4, 9):
        case("LRN", [f32(2, 7, 3, 4)], size=size, alpha=0.3, beta=0.6, bias=2.0, atol=1e-4) \
            if size % 2 else None


def more_convolutions():
    doubles = [of(np.float64, *s) for s in ((2, 4, 6, 7), (6, 2, 3, 2), (2, 24, 6, 6), (6,),
                                            (2, 12, 6, 6))]
    case("DeformConv", doubles, opset=19, group=2, offset_group=2, pads=[1, 0, 1, 0])
    case("DeformConv", [f32(1, 4, 6, 7), f32(5, 4, 3, 3), f32(1, 18, 4, 5)], opset=19, atol=1e-4,
         rtol=1e-4)
    case("DeformConv", [f32(2, 4, 6, 7), f32(6, 2, 3, 2), f32(2, 24, 6, 6), f32(6),
                        f32(2, 12, 6, 6)], opset=19, atol=1e-4, rtol=1e-4, group=2,
         offset_group=2, pads=[1, 0, 1, 0])
    for taps, length, past, act in ((4, 7, True, "silu"), (4, 2, True, "none"), (1, 3, False, "none"),
                                    (3, 1, False, "swish")):
        x, w, b, p = f32(2, 5, length), f32(5, 1, taps), f32(5), f32(2, 5, taps - 1)
        whole = np.concatenate([p if past else np.zeros_like(p), x], -1)
        y = np.stack([(whole[:, :, t:t + taps] * w[:, 0]).sum(-1) for t in range(length)], -1)
        y = y + b[:, None]
        case("CausalConvWithState", [x, w, b, p if past else None], opset=27, outputs=2,
             activation=act,
             expected=[y if act == "none" else y / (1 + np.exp(-y)),
                       np.ascontiguousarray(whole[:, :, length:])])


def quantised():
    def scale(*shape):
        return (np.abs(f32(*shape)) * 0.02 + 0.01).astype(np.float32)

    for shape, w, attrs in [
            ((1, 3, 9, 8), (5, 3, 3, 3), {}), ((2, 4, 9, 8), (6, 2, 3, 3), dict(group=2)),
            ((1, 6, 9, 8), (6, 1, 3, 3), dict(group=6, pads=[1, 1, 1, 1])),
            ((1, 3, 30), (4, 3, 5), dict(strides=[2], pads=[2, 2]))]:
        for tx, tw in ((np.uint8, np.uint8), (np.uint8, np.int8), (np.int8, np.int8)):
            for many in ((), (w[0],)):
                ws = scale(*many)
                case("QLinearConv", [ints(tx, *shape), scale(), ints(tx, 1)[0], ints(tw, *w), ws,
                                     np.zeros(many, tw), np.float32(1.7), ints(tx, 1)[0],
                                     ints(np.int32, w[0], low=-5000, high=5000)],
                     const=range(1, 9), rtol=0, atol=0, **attrs)
    for tx, tw in ((np.uint8, np.uint8), (np.uint8, np.int8), (np.int8, np.int8)):
        for a, b in (((5, 70), (70, 9)), ((2, 3, 40), (40, 8)), ((2, 3, 40), (2, 40, 8))):
            case("QLinearMatMul", [ints(tx, *a), scale(), ints(tx, 1)[0], ints(tw, *b), scale(),
                                   ints(tw, 1)[0], np.float32(2.5), ints(tx, 1)[0]], rtol=0, atol=0)
        case("QLinearMatMul", [ints(tx, 5, 70), scale(), ints(tx, 1)[0], ints(tw, 70, 9), scale(9),
                               ints(tw, 9), np.float32(2.5), ints(tx, 1)[0]],
             const=[3, 4, 5], rtol=0, atol=0)
        for ta, tb in itertools.product((0, 1), (0, 1)):
            x = ints(tx, 19, 5) if ta else ints(tx, 5, 19)
            k = ints(tw, 23, 19) if tb else ints(tw, 19, 23)
            bias = ints(np.int32, 23, low=-5000, high=5000)
            case("QGemm", [x, scale(), ints(tx, 1)[0], k, scale(), ints(tw, 1)[0], bias,
                           np.float32(2.5), ints(tx, 1)[0]], domain=MS, transA=ta, transB=tb,
                 alpha=0.7, rtol=0, atol=0)
        case("QGemm", [x, scale(), ints(tx, 1)[0], k, scale(), ints(tw, 1)[0], bias],
             domain=MS, transA=ta, transB=tb)


def fused():
    for name, params in (("", None), ("Relu", None), ("Sigmoid", None), ("Tanh", None),
                         ("LeakyRelu", [0.2]), ("Clip", [-0.3, 0.4]), ("HardSigmoid", [0.3, 0.4])):
        attrs = {k: v for k, v in (("activation", name), ("activation_params", params)) if v}
        case("FusedConv", [f32(1, 3, 9, 8), f32(5, 3, 3, 3), f32(5)], domain=MS, atol=1e-4, **attrs)
        if name in ("", "Relu"):
            case("FusedConv", [f32(1, 3, 9, 8), f32(5, 3, 3, 3), f32(5), f32(1, 5, 7, 6)],
                 domain=MS, atol=1e-4, **attrs)
        if name in ("Relu", "Sigmoid", "Tanh"):
            case("FusedGemm", [f32(5, 7), f32(7, 9), f32(9)], domain=MS, atol=1e-4, **attrs)
    case("FusedGemm", [f32(5, 7), f32(9, 7), f32(5, 1)], domain=MS, transB=1, alpha=0.5, beta=2.0,
         activation="LeakyRelu", activation_alpha=0.3, atol=1e-4)
    for attrs in (dict(), dict(pads=[1, 0, 1, 2], strides=[2, 1])):
        x, w, b = f32(2, 9, 8, 4), f32(6, 4, 3, 2), f32(6)
        pads, strides = attrs.get("pads", [0] * 4), attrs.get("strides", [1, 1])
        padded = np.pad(x, [(0, 0), (pads[0], pads[2]), (pads[1], pads[3]), (0, 0)])
        views = np.lib.stride_tricks.sliding_window_view(padded, (3, 2), (1, 2))
        y = np.einsum("nhwcij,mcij->nhwm", views[:, ::strides[0], ::strides[1]], w) + b
        case("NhwcConv", [x, w, b], domain=MS, atol=1e-4, rtol=1e-4,
             expected=[y.astype(np.float32)], **attrs)


def quantised_maps():
    def scale():
        return np.float32(rng.uniform(0.01, 0.05))

    for t in (np.uint8, np.int8):
        def zero():
            return ints(t, 1)[0]

        def one(op, *inputs, **attributes):
            case(op, list(inputs), domain=MS, rtol=0, atol=0, **attributes)

        x, big = ints(t, 3, 70), np.float32(0.11)
        for op in ("QLinearAdd", "QLinearMul"):
            for a, b in (((3, 70), (3, 70)), ((2, 3, 33), (3, 1)), ((), (5, 6))):
                one(op, ints(t, *a), scale(), zero(), ints(t, *b), scale(), zero(), big, zero())
        one("QLinearSigmoid", x, scale(), zero(), np.float32(1 / 256), zero())
        one("QLinearLeakyRelu", x, scale(), zero(), scale(), zero(), alpha=0.2)
        one("QLinearWhere", of(bool, 3, 1), x, scale(), zero(), ints(t, 70), scale(), zero(), big,
            zero())
        one("QLinearConcat", big, zero(), x, scale(), zero(), ints(t, 3, 5), scale(), zero(), axis=1)
        for axis, opset in ((-1, 13), (1, 13), (1, 12)):
            one("QLinearSoftmax", ints(t, 2, 5, 30), scale(), zero(), np.float32(1 / 256),
                t(0 if t == np.uint8 else -128), axis=axis, opset_=opset)
        for axes, keep in ((1, True), ((0, 2), False), (2, False)):
            x, a, za, b, zb = ints(t, 4, 5, 6), scale(), zero(), scale(), zero()
            mean = (x.astype(np.float64) - za).mean(axes, keepdims=keep) * a / b
            info = np.iinfo(t)
            case("QLinearReduceMean", [x, a, za, b, zb], domain=MS, rtol=0, atol=0,
                 keepdims=int(keep), axes=[axes] if isinstance(axes, int) else list(axes),
                 expected=[np.clip(np.rint(mean) + zb, info.min, info.max).astype(t)])
        for last in (0, 1):
            image = ints(t, 2, 9, 8, 5) if last else ints(t, 2, 5, 9, 8)
            one("QLinearGlobalAveragePool", image, scale(), zero(), scale(), zero(),
                channels_last=last)
            for attrs in (dict(kernel_shape=[3, 2]),
                          dict(kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2]),
                          dict(kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)):
                one("QLinearAveragePool", image, scale(), zero(), scale(), zero(),
                    channels_last=last, **attrs)
    for t in (np.uint8, np.int8, np.int16, np.uint16):
        small = np.float32(0.0005 if np.dtype(t).itemsize == 2 else 0.07)
        case("QuantizeLinear", [f32(3, 40, scale=5), small, ints(t, 1)[0]], domain=MS)
        case("QuantizeLinear", [f32(3, 4, 5, scale=5), np.abs(f32(4)) + 0.02, ints(t, 4)],
             domain=MS, axis=1)
        case("DequantizeLinear", [ints(t, 3, 40), small, ints(t, 1)[0]], domain=MS)
        case("DequantizeLinear", [ints(t, 3, 4, 5), np.abs(f32(4)), ints(t, 4)], domain=MS, axis=1)
    case("DequantizeLinear", [of(np.int32, 3, 40), np.float32(0.07)], domain=MS)
    case("QuantizeLinear", [f32(3, 40, scale=5), np.float32(0.7), np.array(3, ml_dtypes.int4)],
         opset=21)
    case("QuantizeLinear", [f32(6, 40, scale=5), np.abs(f32(2, 40)) + 0.1], opset=21, axis=0,
         block_size=3, output_dtype=int(TensorProto.INT16))
    case("DequantizeLinear", [ints(np.uint16, 6, 10), np.abs(f32(6, 2)), ints(np.uint16, 6, 2)],
         opset=23, axis=1, block_size=5)


for make in (pools, convolutions, norms, grids, resizes, regions, local_norms, more_convolutions,
             quantised, fused, quantised_maps):
    make()
