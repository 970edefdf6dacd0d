"""Cases of the bitwise operators, activations, selection, Einsum, losses, random numbers, signals.

Part of cases.py, which ends by importing this.
"""

import itertools

import numpy as np
from onnx import TensorProto, helper

from cases import NUMERIC, case, f32, i64, ints, of, rng


def bits():
    integers = [t for t in NUMERIC if np.dtype(t).kind in "iu"]
    for op in ("BitwiseAnd", "BitwiseOr", "BitwiseXor"):
        for t in integers:
            case(op, [ints(t, 3, 1, 7), ints(t, 5, 1)], opset=18)
        case(op, [ints(np.int32, 0, 4), ints(np.int32, 1, 4)], opset=18)
    for t in integers:
        case("BitwiseNot", [ints(t, 19)], opset=18)
        bits = 8 * np.dtype(t).itemsize
        x, by = ints(t, 40), ints(t, 40, low=0, high=bits - 1)
        if np.dtype(t).kind == "u":
            case("BitShift", [x, by], direction="LEFT", expected=[x << by])
            case("BitShift", [x, by[:1]], direction="RIGHT", expected=[x >> by[:1]])
        else:
            case("BitShift", [x, by], opset=28, direction="RIGHT", expected=[x >> by])
            case("BitShift", [x, np.full(40, -1, t)], opset=28, direction="RIGHT",
                 expected=[(x < 0) * np.array(-1, t)])
        case("BitShift", [x, np.full(40, bits, t)], opset=28, direction="LEFT",
             expected=[np.zeros_like(x)])
    for a, b in ((np.float32, np.int32), (np.uint64, np.float64), (np.float16, np.uint16),
                 (np.int16, np.float16), (np.int8, np.uint8), (np.float16, np.float16)):
        x = ints(np.dtype(f"u{np.dtype(a).itemsize}"), 60)
        if np.dtype(a).kind == "f" or np.dtype(b).kind == "f":  # no NaN
            x = of(b if np.dtype(b).kind == "f" else a, 60)
        case("BitCast", [x.view(a)], opset=26, rtol=0, atol=0, expected=[x.view(a).view(b)],
             to=int(helper.np_dtype_to_tensor_dtype(np.dtype(b))))
    for a in (np.float32, np.int64, np.float16):
        for b in (np.float16, np.float64, np.int32, bool):
            case("CastLike", [of(a, 4, 6), of(b, 1)], opset=19)
    case("IsInf", [np.array([1, np.nan, np.inf, -np.inf], np.float32)])
    case("IsInf", [np.array([1, np.inf, -np.inf], np.float64)], detect_negative=0)
    case("IsInf", [np.array([1, np.inf, -np.inf], np.float32)], detect_positive=0)
    case("SwiGLU", [f32(3, 7), f32(3, 7)], opset=28)
    case("SwiGLU", [of(np.float64, 9), of(np.float64, 9)], opset=28, alpha=1.5)


def activations():
    for t in (np.float32, np.float64):
        for op in ("Tan", "Atan", "Sinh", "Cosh", "Asinh", "Selu", "Celu", "Softsign",
                   "ThresholdedRelu", "Shrink", "Mish", "Swish"):
            if op == "Softsign" and t is np.float64:
                x = of(t, 9)
                case(op, [x], expected=[x / (1 + np.abs(x))])
                continue
            opset = {"Swish": 24, "Mish": 18}.get(op, 17)
            for shape in ((3, 21), (), (0, 3), (30000,)):
                case(op, [f32(*shape).astype(t)], opset=opset)
        for op in ("Asin", "Acos", "Atanh"):
            case(op, [rng.uniform(-0.999, 0.999, (4, 9)).astype(t)])
        case("Acosh", [rng.uniform(1, 50, (4, 9)).astype(t)])
    case("Selu", [f32(30)], alpha=2.0, gamma=0.5)
    selu = np.array([-1, 2], np.float32)
    case("Selu", [selu], opset=5, expected=[np.where(selu < 0, 1.6732 * np.expm1(selu), selu)
                                            .astype(np.float32) * np.float32(1.0507)])
    case("Celu", [f32(30)], alpha=0.3)
    case("ThresholdedRelu", [f32(30)], alpha=0.2)
    case("Swish", [f32(30)], opset=24, alpha=0.4)
    for t in (np.float32, np.int8, np.int64, np.uint8):
        case("Shrink", [of(t, 40)], lambd=1.5, bias=0.5)
    for axis in (0, 1, 2, -1):
        case("Hardmax", [np.round(f32(3, 4, 5))], axis=axis)
    for axis in (0, 1, 2):
        case("Hardmax", [f32(3, 4, 5)], opset=11, axis=axis)
    case("Hardmax", [f32(3, 4).astype(np.float64)])


def more_reductions():
    for op in ("ReduceL1", "ReduceLogSum", "ReduceLogSumExp"):
        positive = op == "ReduceLogSum"
        for axes, keep in itertools.product(([0], [1], [-1], [0, 2], [0, 1, 2]), (0, 1)):
            x = f32(4, 9, 70)
            case(op, [np.abs(x) + 0.1 if positive else x, i64(*axes)], opset=18, const=[1],
                 keepdims=keep)
        for t in (np.float64, np.int32, np.int64):
            case(op, [np.abs(of(t, 5, 6)) + np.array(1, t)], axes=[1])
        case(op, [np.abs(f32(3, 4))])
    case("ReduceLogSumExp", [np.array([1000, 1001, -np.inf], np.float32)])
    for t in NUMERIC:
        for exclusive, reverse in itertools.product((0, 1), (0, 1)):
            x = rng.integers(1, 3, (3, 4, 2)).astype(t)
            case("CumProd", [x, np.array(1, np.int64)], opset=26, exclusive=exclusive,
                 reverse=reverse)


def selection():
    for t in (np.float32, np.int64, bool, np.int32, np.uint8):
        case("NonZero", [of(t, 3, 4, 5) * (rng.random((3, 4, 5)) < 0.5).astype(t)], const=[0])
    case("NonZero", [np.array([0.0, -0.0, np.nan, 1], np.float32)])
    case("NonZero", [f32(0, 3)])
    keep = np.array([True, False, True, True])
    for t in (np.float32, np.int64, np.uint8):
        for axis in (0, 1, -1):
            case("Compress", [of(t, 4, 5, 6), keep], const=[1], axis=axis)
        case("Compress", [of(t, 4, 5), keep])
    case("Compress", [f32(4, 0), keep], axis=0)
    for t in (np.float32, np.int64, np.int8, np.float64):
        x = rng.integers(-3, 4, (5, 4, 3)).astype(t)
        for flag in (0, 1):
            case("Unique", [x], outputs=4, sorted=flag)
            for axis in (0, 1, -1):
                case("Unique", [np.minimum(x, 0)[:, :, :1]], outputs=4, sorted=flag, axis=axis)
    case("Unique", [rng.integers(0, 300, 1000)], const=[0])
    for t in (np.float32, np.float64, np.int64, np.int32):
        x = rng.integers(-20, 20, (4, 50, 3)).astype(t)  # with equal elements
        for axis, largest, k in itertools.product((0, 1, 2), (0, 1), (0, 1, 3)):
            case("TopK", [x, i64(k)], outputs=2, axis=axis, largest=largest)
        case("TopK", [x, i64(50)], const=[1], outputs=2, axis=1)
    case("TopK", [f32(3, 2000), i64(17)], outputs=[1])
    case("TopK", [f32(3, 20)], opset=9, outputs=2, k=4)
    case("TopK", [f32(3, 20), i64(4)], opset=10, outputs=2)
    for axis in (-1, 0, 1):
        for t in (np.float32, np.int64):
            case("OneHot", [ints(np.int64, 3, 4, low=-9, high=8), np.array(7, np.int64),
                            of(t, 2)], axis=axis)
    case("OneHot", [f32(5).round(), np.array(3, np.float32), of(np.int32, 2)])
    for k in (0, 1, -2, 9, -9):
        case("EyeLike", [f32(4, 6)], k=k)
    for t in (TensorProto.INT64, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BOOL):
        case("EyeLike", [of(np.int32, 5, 3)], dtype=t)
    lengths = i64(3, 1, 5, 2)
    case("ReverseSequence", [f32(5, 4, 3), lengths])
    case("ReverseSequence", [f32(4, 5), lengths], batch_axis=0, time_axis=1)
    for reduction, axis in itertools.product(("none", "add", "mul", "max", "min"), (0, -1)):
        for t in (np.float32, np.int32, np.int64):
            indices = ints(np.int64, 3, 4, low=-5, high=4)
            if reduction == "none":
                indices = np.argsort(rng.random((3, 5)))[:, :4].astype(np.int64)
                if axis == 0:
                    indices = np.argsort(rng.random((5, 4)), 0)[:3].astype(np.int64)
            case("ScatterElements", [of(t, 5, 5), indices, of(t, 3, 4)], opset=18,
                 axis=axis, reduction=reduction)
    case("Scatter", [f32(3, 3), np.array([[1, 0, 2], [0, 2, 1]], np.int64), f32(2, 3)], opset=10)
    for mode, starts in (("linear", i64(0, 4)), ("circular", i64(7, 3)), ("linear", None)):
        case("TensorScatter", [f32(2, 3, 8, 5), f32(2, 3, 4, 5)] +
             ([starts] if starts is not None else []), opset=24, mode=mode)
    case("TensorScatter", [of(np.int32, 2, 8, 5, 3), of(np.int32, 2, 1, 5, 3), i64(7, 0)],
         opset=24, axis=1)


def arrangement():
    for equation, *dims in (("ij,jk->ik", (4, 5), (5, 6)), ("ij,jk", (4, 5), (5, 6)),
                            ("bhqd,bhkd->bhqk", (2, 3, 9, 8), (2, 3, 17, 8)),
                            ("bhqk,bhkd->bqhd", (2, 3, 9, 17), (2, 3, 17, 8)),
                            ("...ij,...jk->...ik", (2, 1, 4, 5), (3, 5, 6)), ("ii->i", (5, 5)),
                            ("...ii->...i", (2, 5, 5)), ("ii", (4, 4)), ("ij->ji", (3, 4)),
                            ("ijk->j", (3, 4, 5)), ("i,j->ij", (4,), (5,)), ("i,i", (6,), (6,)),
                            ("ij,ij->", (3, 4), (3, 4)), ("ij,kj->", (3, 4), (5, 4)),
                            ("bn,anm,bm->ba", (2, 5), (3, 5, 7), (2, 7)),
                            (" a b , b -> a ", (3, 4), (4,)),
                            ("b...,b...->...b", (2, 3, 4), (2, 1, 4)),
                            ("ij,jk->ik", (0, 5), (5, 6)),
                            ("ij,jk->ik", (4, 0), (0, 6)), ("iij,jk->ik", (4, 4, 5), (5, 3)),
                            ("bca,bcd->dab", (70, 3, 20), (70, 3, 33)), ("BaA->aAB", (2, 3, 4))):
        for t in (np.float32, np.float64, np.int32):
            operands = [of(t, *d) for d in dims]
            case("Einsum", operands, equation=equation,
                 expected=[np.asarray(np.einsum(equation, *operands), t)])
    for t in (np.float32, np.float64):
        for shape in ((1, 1), (2, 2), (3, 4, 4), (2, 2, 7, 7), (0, 3, 3)):
            case("Det", [of(t, *shape)], rtol=1e-4)
    case("Det", [np.array([[0, 1], [1, 0]], np.float32)])
    case("Det", [np.ones((3, 3), np.float32)])
    for t in (np.float32, np.int64, np.uint8):
        for mode in ("DCR", "CRD"):
            case("DepthToSpace", [of(t, 2, 12, 3, 5)], blocksize=2, mode=mode)
        case("SpaceToDepth", [of(t, 2, 3, 4, 6)], blocksize=2)
    case("SpaceToDepth", [f32(2, 3, 4, 6)], opset=28, blocksize=2, mode="CRD")
    for shape, target in (((4, 7), (9, 3)), ((5, 5), (2, 8)), ((6, 3), (6, 0)), ((0, 3), (2, 4))):
        case("CenterCropPad", [f32(*shape), i64(*target)], opset=18)
    case("CenterCropPad", [of(np.int32, 3, 8, 5), i64(5, 6)], opset=18, axes=[-2, 2])
    case("Col2Im", [f32(1, 5, 5), i64(5, 5), i64(1, 5)], opset=18)
    case("Col2Im", [f32(2, 18, 16), i64(5, 5), i64(3, 3)], opset=18, pads=[1, 1, 0, 0],
         strides=[1, 1])
    case("Col2Im", [f32(2, 12, 4), i64(6, 6), i64(2, 2)], opset=18, dilations=[2, 3],
         strides=[2, 2])
    case("Col2Im", [f32(2, 10, 12), i64(3, 4, 5), i64(1, 1, 5)], opset=18)
    case("Range", [np.array(1, np.float16), np.array(5, np.float16), np.array(2, np.float16)],
         expected=[np.array([1, 3], np.float16)])
    x, slope = f32(2, 3, 4), f32(3)
    case("PRelu", [x, slope], opset=6, expected=[np.where(x < 0, x * slope[:, None], x)])


def losses():
    for reduction, weighted, ignored in itertools.product(("none", "mean", "sum"), (0, 1), (0, 1)):
        for shape in ((5, 3), (2, 4, 6), (2, 3, 4, 5)):
            for t in (np.float32, np.float64):
                labels = ints(np.int64, shape[0], *shape[2:], low=0, high=shape[1] - 1)
                extra = {}
                if ignored:
                    labels.flat[::3] = -7
                    extra["ignore_index"] = -7
                inputs = [of(t, *shape), labels] + [np.abs(of(t, shape[1])) + 0.1] * weighted
                case("NegativeLogLikelihoodLoss", inputs, reduction=reduction, **extra)
                case("SoftmaxCrossEntropyLoss", inputs, reduction=reduction, outputs=2, **extra)
    case("SoftmaxCrossEntropyLoss", [f32(4, 9), ints(np.int32, 4, low=0, high=8)])


def random_numbers():
    one = TensorProto.FLOAT
    draw = np.random.RandomState
    case("RandomUniform", [], shape=[3, 700], seed=5.0, low=-1.0, high=3.0, dtype=one,
         expected=[draw(5).rand(3, 700).astype(np.float32) * np.float32(4) - np.float32(1)])
    case("RandomNormal", [], shape=[501], seed=9.0, mean=2.0, scale=0.5, dtype=TensorProto.DOUBLE,
         expected=[draw(9).randn(501) * 0.5 + 2])
    case("RandomNormalLike", [of(np.int32, 4, 5)], seed=1.0, dtype=one,
         expected=[draw(1).randn(4, 5).astype(np.float32)])
    case("RandomUniformLike", [f32(4, 5)], seed=1.0,
         expected=[draw(1).rand(4, 5).astype(np.float32)])
    p = rng.random(300).astype(np.float32)
    case("Bernoulli", [p], seed=3.0, dtype=TensorProto.INT64, expected=[draw(3).binomial(1, p)])
    case("Bernoulli", [np.array([0, 1], np.float32)], expected=[np.array([0, 1], np.float32)])
    sure = np.log(np.array([[0, 1, 0], [1e-9, 0, 1]], np.float32) + np.float32(1e-30))
    case("Multinomial", [sure], sample_size=4, dtype=TensorProto.INT64,
         expected=[np.array([[1] * 4, [2] * 4])])
    x = f32(6, 7)
    keep = draw(2).uniform(0, 1, (6, 7)) >= 0.25
    case("Dropout", [x, np.array(0.25, np.float32), np.array(True)], outputs=2, seed=2,
         expected=[x * keep / np.float32(0.75), keep])
    case("Dropout", [x, np.array(0.25, np.float32), np.array(False)], outputs=2)
    case("Dropout", [x, np.array(0, np.float32), np.array(True)], outputs=2)
    case("Dropout", [x], opset=7, outputs=2, expected=[x, np.ones_like(x)])
    for op in ("OptionalHasElement", "OptionalGetElement"):
        case(op, [x], opset=18, expected=[np.array(True) if op[8] == "H" else x])


def tf_idf():
    pools = [2, 3, 5, 4, 5, 6, 7, 8, 6, 7, 5, 6, 7]
    common = dict(ngram_counts=[0, 4, 10], ngram_indexes=[6, 0, 1, 2, 3, 4, 5, 7],
                  pool_int64s=pools)
    x = ints(np.int32, 3, 40, low=2, high=8)
    for mode, low, high, skip in itertools.product(("TF", "IDF", "TFIDF"), (1, 2), (2, 3), (0, 3)):
        case("TfIdfVectorizer", [x], mode=mode, min_gram_length=low, max_gram_length=high,
             max_skip_count=skip, weights=[float(i) + 0.5 for i in range(8)], **common)
    case("TfIdfVectorizer", [x[0].astype(np.int64)], mode="TF", min_gram_length=1,
         max_gram_length=1, max_skip_count=0, **common)
    case("TfIdfVectorizer", [x[:, :0]], mode="TF", min_gram_length=1, max_gram_length=1,
         max_skip_count=0, expected=[np.zeros((3, 8), np.float32)], **common)


def signals():
    def complex_pairs(x):
        return np.stack([x.real, x.imag], -1)

    for n in (1, 2, 3, 4, 5, 8, 12, 16, 30, 60, 17, 97, 100, 128, 143, 400, 509, 1024, 1155):
        for t in (np.float32, np.float64):
            x, z = of(t, 2, n, 1), of(t, 2, n, 2)
            tolerance = dict(opset=20, rtol=1e-5, atol=1e-4 if t is np.float32 else 1e-9)
            full = np.fft.fft(x[..., 0])
            case("DFT", [x], expected=[complex_pairs(full).astype(t)], **tolerance)
            case("DFT", [x], onesided=1, **tolerance,
                 expected=[complex_pairs(full)[:, :n // 2 + 1].astype(t)])
            values = z[..., 0] + 1j * z[..., 1]
            case("DFT", [z], inverse=1, **tolerance,
                 expected=[complex_pairs(np.fft.ifft(values)).astype(t)])
            half = values[:, :n // 2 + 1]
            case("DFT", [complex_pairs(half).astype(t), i64(n)[0]], inverse=1, onesided=1,
                 expected=[np.fft.irfft(half, n)[..., None].astype(t)], **tolerance)
    x = f32(3, 10, 6, 2)
    values = x[..., 0] + 1j * x[..., 1]
    for axis in (0, 1, 2, -2):
        for n in (None, 4, 16):
            y = np.fft.fft(values, n, axis if axis >= 0 else axis + 1)
            y = complex_pairs(y).astype(np.float32)
            length = None if n is None else np.array(n, np.int64)
            case("DFT", [x, length, np.array(axis, np.int64)], opset=20, expected=[y], atol=1e-4)
            case("DFT", [x] + [length] * (n is not None), opset=17, axis=axis, expected=[y],
                 atol=1e-4)
    signal, step = f32(2, 100, 1), np.array(7, np.int64)
    window = np.hanning(16).astype(np.float32)
    for onesided in (0, 1):
        case("STFT", [signal, step, window], onesided=onesided, atol=1e-4)
        case("STFT", [signal, step, None, np.array(20, np.int64)], onesided=onesided, atol=1e-4)
    case("STFT", [f32(2, 100, 2), step, window, np.array(16, np.int64)], onesided=0, atol=1e-4)
    windows = "HannWindow", "HammingWindow", "BlackmanWindow"
    for op, periodic in itertools.product(windows, (0, 1)):
        for t in (TensorProto.FLOAT, TensorProto.DOUBLE):
            case(op, [np.array(25, np.int32)], periodic=periodic, output_datatype=t)
        case(op, [np.array(0, np.int64)], periodic=periodic, expected=[np.zeros(0, np.float32)])
    for bands, length, rate, low, high in ((8, 16, 8192, 0, 8192 / 2), (40, 400, 16000, 20, 8000)):
        case("MelWeightMatrix", [np.array(bands, np.int64), np.array(length, np.int64),
                                 np.array(rate, np.int64), np.array(low, np.float32),
                                 np.array(high, np.float32)])


for make in (bits, activations, more_reductions, selection, arrangement, losses, random_numbers,
             tf_idf, signals):
    make()
