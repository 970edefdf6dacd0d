"""Single-operator models: what each operator is tried on. See run.

To add an operator: a few lines here. `case(op, inputs, ...)` takes numpy arrays (None: left out),
attributes by keyword; `const` lists inputs that are initialisers; `outputs` is how many there are,
or which; `expected` are the results where no other engine has the operator in this form; `exact` is
the policy to run with. Everything random comes from one fixed seed.
"""

import itertools

import ml_dtypes
import numpy as np
from onnx import TensorProto, helper, numpy_helper

rng = np.random.default_rng(20240229)
CASES = []
MS = "com.microsoft"


def f32(*shape, scale=1.0):
    return (rng.standard_normal(shape) * scale).astype(np.float32)


def ints(dtype, *shape, low=None, high=None):
    info = np.iinfo(dtype)
    return rng.integers(info.min if low is None else low, info.max if high is None else high, shape,
                        dtype=dtype, endpoint=True)


def of(dtype, *shape):
    dtype = np.dtype(dtype)
    if dtype == bool:
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind == "f" or dtype == ml_dtypes.bfloat16:
        return (rng.standard_normal(shape) * 3).astype(dtype)
    return ints(dtype, *shape, low=max(np.iinfo(dtype).min, -50), high=50)


def i64(*values):
    return np.array(values, dtype=np.int64)


def case(op, inputs, const=(), domain="", opset=17, outputs=1, rtol=2e-5, atol=2e-5, exact=True,
         expected=None, **attributes):
    outputs = list(range(outputs)) if isinstance(outputs, int) else outputs
    if "opset_" in attributes:  # an attribute of that name
        attributes["opset"] = attributes.pop("opset_")
    CASES.append(dict(op=op, inputs=inputs, const=set(const), domain=domain, opset=opset,
                      outputs=outputs, attributes=attributes, rtol=rtol, atol=atol, exact=exact,
                      expected=expected))


NUMERIC = [np.float32, np.float64, np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32,
           np.int64, np.uint64]
SHAPES = [((5, 7), (5, 7)), ((3, 1, 33), (4, 1)), ((), (6,)), ((2, 3, 4), ()), ((0, 4), (1, 4)),
          ((2, 1, 3, 1), (4, 1, 5)), ((1,), (1, 1, 1)), ((40, 900), (900,)), ((17, 1), (17, 1000))]


def elementwise():
    for op in ("Add", "Sub", "Mul", "Min", "Max"):
        for a, b in SHAPES:
            case(op, [f32(*a), f32(*b)])
        for t in NUMERIC:
            case(op, [of(t, 3, 5), of(t, 5)])
    for a, b in SHAPES:
        case("Div", [f32(*a), f32(*b) + 3])
    for t in (np.int8, np.int32, np.int64, np.uint8):
        divisor = of(t, 40)
        divisor[divisor == 0] = 1
        case("Div", [of(t, 40), divisor])
        case("Mod", [of(t, 40), divisor])
    case("Mod", [f32(30), f32(30) + 4], fmod=1)
    case("Mod", [ints(np.int32, 30), ints(np.int32, 30, low=1)], fmod=1)
    for exponent in (2, 3, 0.5, -1, 2.5):
        case("Pow", [np.abs(f32(4, 9)) + 0.1, np.array(exponent, np.float32)])
    edges = np.array([np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 2.25], np.float32)
    for exponent in (0.5, -0.5, 3, -3, 0):
        case("Pow", [edges, np.array(exponent, np.float32)])
    tiny = np.array([1e-40, -1e-40, np.inf, -np.inf], np.float32) # subnormal numbers are no zeros here
    case("Pow", [np.append(edges, np.float32(-1e-41))[:, None], tiny])
    case("Pow", [np.array([6e-3, -3e-39, 7e-20], np.float32)[:, None], np.array([-17, -1, -2], np.float32)])
    case("Pow", [f32(4, 9), np.array([[2], [3], [1], [0]], np.int64)])
    case("Pow", [of(np.int64, 9), np.array(3, np.int64)])
    case("Pow", [of(np.int32, 9), np.array(2, np.float32)])
    for t in (np.float32, np.int32):
        case("PRelu", [of(t, 2, 3, 4), of(t, 3, 1)], opset=16)
    case("Sum", [f32(3, 4), f32(4), f32(3, 1)])
    case("Mean", [f32(3, 4), f32(4), f32(3, 1)])
    case("Max", [f32(3, 4)])
    case("Min", [np.array([1, np.nan, 3], np.float32), np.array([np.nan, 2, 2], np.float32)])
    for op in ("Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"):
        for a, b in SHAPES[:6]:
            case(op, [np.round(f32(*a)), np.round(f32(*b))])
        for t in (np.float64, np.int32, np.int64, np.uint8):
            case(op, [of(t, 3, 50), of(t, 50)])
    case("Equal", [of(bool, 9), of(bool, 9)])
    for op in ("And", "Or", "Xor"):
        case(op, [of(bool, 4, 5), of(bool, 5)])
    case("Not", [of(bool, 7)])
    case("IsNaN", [np.array([1, np.nan, np.inf], np.float32)])
    for t in (np.float32, np.int64, np.uint8, bool, np.float64, np.int32):
        case("Where", [of(bool, 3, 1, 5), of(t, 4, 1), of(t, 1)])
    case("Where", [of(bool, 8), f32(8), f32(8)])


def unary():
    for op in ("Abs", "Neg", "Sign", "Exp", "Erf", "Sin", "Cos", "Tanh", "Sigmoid", "Relu",
               "Softplus", "Floor", "Ceil", "Round", "HardSwish", "LeakyRelu", "Elu",
               "HardSigmoid"):
        for shape in ((3, 21), (), (0, 3), (70000,)):
            case(op, [f32(*shape, scale=4)])
    wide = np.concatenate([np.linspace(-120, 120, 997), [-0.0, np.inf, -np.inf, 1e-8, -1e-30]])
    for op in ("Exp", "Tanh", "Sigmoid", "Erf"):
        case(op, [wide.astype(np.float32)], rtol=1e-6, atol=1e-7)
    for op in ("Sqrt", "Log", "Reciprocal"):
        case(op, [np.abs(f32(3, 21)) + 0.01])
    case("Round", [np.array([0.5, 1.5, 2.5, -0.5, -1.5], np.float32)])
    for op in ("Abs", "Neg", "Sign"):
        for t in (np.int8, np.int32, np.int64, np.float64):
            case(op, [of(t, 13)])
    case("Relu", [of(np.int32, 13)])
    case("LeakyRelu", [f32(13)], alpha=0.3)
    case("Elu", [f32(13)], alpha=1.7)
    case("HardSigmoid", [f32(13)], alpha=0.4, beta=0.3)
    for approximate in ("none", "tanh"):
        case("Gelu", [f32(3, 77, scale=3)], opset=20, approximate=approximate)
    case("Gelu", [f32(5, 19)], domain=MS)
    case("FastGelu", [f32(5, 19)], domain=MS)
    case("FastGelu", [f32(5, 19), f32(19)], domain=MS)
    case("QuickGelu", [f32(5, 19)], domain=MS)
    case("QuickGelu", [f32(5, 19)], domain=MS, alpha=1.0)
    one = np.array(-0.5, np.float32), np.array(0.7, np.float32)
    case("Clip", [f32(30), *one])
    case("Clip", [f32(30), None, one[1]])
    case("Clip", [f32(30), one[0]])
    case("Clip", [of(np.int32, 30), np.array(-3, np.int32), np.array(4, np.int32)])
    case("Clip", [f32(30)], opset=7, min=-0.25, max=0.5)
    kinds = [np.float32, np.float64, np.float16, np.int8, np.uint8, np.int16, np.uint16, np.int32,
             np.uint32, np.int64, np.uint64, bool]
    for a, b in itertools.product(kinds, kinds):
        values = of(a, 300)
        if np.dtype(b).kind == "u" and np.dtype(a).kind in "fi":
            values = np.abs(values)
        case("Cast", [values], to=int(helper.np_dtype_to_tensor_dtype(np.dtype(b))))
    case("Cast", [f32(300, scale=300)], to=TensorProto.BFLOAT16)


def shapes():
    x = f32(3, 4, 5)
    case("Shape", [x])
    case("Shape", [x], start=1, end=-1)
    case("Shape", [x], start=-2)
    case("Size", [x])
    case("ConstantOfShape", [i64(2, 3)])
    case("ConstantOfShape", [i64(4)], value=numpy_helper.from_array(np.array([7], np.int32)))
    case("ConstantOfShape", [i64(2, 0)], value=numpy_helper.from_array(np.array([True])))
    for t in (np.float32, np.int64, np.int32):
        case("Range", [np.array(2, t), np.array(13, t), np.array(3, t)])
    case("Range", [np.array(5, np.int64), np.array(-4, np.int64), np.array(-2, np.int64)])
    for t in (np.float32, np.int64, bool):
        case("Expand", [of(t, 3, 1), i64(2, 1, 6)])
        case("Tile", [of(t, 2, 3), i64(3, 2)])
        for perm in itertools.permutations(range(3)):
            case("Transpose", [of(t, 3, 17, 35)], perm=list(perm))
    case("Tile", [f32(2, 3, 1), i64(1, 0, 4)])
    case("Transpose", [f32(2, 3, 4, 5)], perm=[0, 2, 1, 3])
    case("Transpose", [f32(2, 3, 4, 5)], perm=[3, 1, 2, 0])
    case("Transpose", [f32(4, 5)])
    case("Transpose", [f32(64, 130)], perm=[1, 0])
    case("Transpose", [of(np.uint8, 70, 40)], perm=[1, 0])
    for axis in (0, 1, -1):
        case("Concat", [f32(2, 3, 4), f32(2, 3, 4), f32(2, 3, 4)], axis=axis)
    case("Concat", [f32(2, 0, 4), f32(2, 3, 4)], axis=1)
    case("Split", [f32(6, 4)], outputs=3, axis=0)
    case("Split", [f32(6, 5), i64(1, 4)], outputs=2, axis=1)
    case("Split", [f32(7, 2)], opset=18, outputs=3, axis=0, num_outputs=3)
    case("Split", [f32(7, 2)], opset=11, outputs=2, axis=0, split=[3, 4])
    big = 2**63 - 1
    for s, e, ax, st in [([1], [3], [0], [1]), ([-2, 0], [big, 4], [0, 1], [1, 2]),
                         ([-1], [-big - 1], [2], [-1]), ([4, 3], [0, 1], [1, 2], [-2, -1]),
                         ([2], [2], [0], [1]), ([100], [0], [1], [-3]),
                         ([-99], [-99], [1], [-2]), ([-2], [big], [1], [big])]:
        case("Slice", [f32(4, 6, 5), i64(*s), i64(*e), i64(*ax), i64(*st)])
    case("Slice", [f32(4, 6), i64(1, 2), i64(3, 5)])
    case("Slice", [f32(4, 6)], opset=9, starts=[1, -3], ends=[3, 100], axes=[0, 1])
    for mode in ("constant", "reflect", "edge"):
        case("Pad", [f32(4, 5, 3), i64(1, 2, 0, 3, 1, 2)], mode=mode)
        case("Pad", [f32(4, 5), i64(0, 3, 1, 0)], mode=mode)
    case("Pad", [f32(4, 5), i64(2, 6, 1, 9)], opset=19, mode="wrap")
    case("Pad", [f32(4, 5), i64(1, -2, -1, 3), np.array(1.5, np.float32)])
    case("Pad", [of(np.int64, 4, 5), i64(1, 1), np.array(9, np.int64), i64(-1)], opset=18)
    case("Pad", [f32(4, 5)], opset=2, pads=[0, 1, 2, 0], value=2.5)
    case("Pad", [of(np.float64, 4, 5)], opset=10, pads=[0, 1, 2, 0], value=2.5)
    for t in (np.float32, np.int64, np.uint8):
        case("Gather", [of(t, 5, 6), ints(np.int64, 2, 3, low=-5, high=4)])
        case("Gather", [of(t, 5, 6), ints(np.int32, 4, low=-6, high=5)], axis=1)
        case("GatherElements", [of(t, 5, 6), ints(np.int64, 3, 6, low=-5, high=4)], axis=0)
    case("Gather", [f32(5, 6), np.array(-1, np.int64)], axis=-1)
    case("GatherElements", [f32(4, 7), ints(np.int64, 4, 3, low=-7, high=6)], axis=-1)
    case("GatherND", [f32(4, 5, 6), ints(np.int64, 3, 2, low=-4, high=3)])
    case("GatherND", [f32(2, 5, 6), ints(np.int64, 2, 4, 1, low=-5, high=4)], batch_dims=1)
    for reduction in ("none", "add", "mul", "max", "min"):
        if reduction != "none":  # an index twice
            case("ScatterND", [f32(4, 5), i64(0, 2, 2).reshape(3, 1), f32(3, 5)], opset=18,
                 reduction=reduction)
        case("ScatterND", [f32(4, 5), np.array([[1, 2], [3, -1]], np.int64), f32(2)], opset=18,
             reduction=reduction)
    for upper in (0, 1):
        for k in (0, 2, -3, 50):
            case("Trilu", [f32(2, 4, 6), np.array(k, np.int64)], upper=upper)
    case("Trilu", [of(np.int64, 5, 5)])
    for exclusive, reverse in itertools.product((0, 1), (0, 1)):
        case("CumSum", [f32(3, 7), np.array(1, np.int32)], exclusive=exclusive, reverse=reverse)
    case("CumSum", [of(np.int64, 3, 7), np.array(-2, np.int64)])


def reductions():
    ops = ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL2",
           "ReduceSumSquare")
    for op in ops:
        for axes, keep in (([1], 1), ([0, 2], 0), ([-1], 1), ([0], 0), (None, 1), ([1, 2], 1)):
            more = [] if axes is None else [i64(*axes)]
            case(op, [f32(3, 5, 70), *more], const=[1], opset=18, keepdims=keep)
            if op != "ReduceSum" and axes is not None:
                case(op, [f32(3, 5, 70)], opset=11, axes=axes, keepdims=keep)
        case(op, [f32(3, 5), i64()], const=[1], opset=18, noop_with_empty_axes=1)
        case(op, [of(np.int32, 3, 5), i64(1)], const=[1], opset=18)
    case("ReduceSum", [f32(3, 0, 4), i64(1)], const=[1], opset=18)
    case("ReduceSum", [of(np.int64, 30, 9), i64(0)], const=[1], opset=18)
    for op, last, keep, axis in itertools.product(("ArgMax", "ArgMin"), (0, 1), (0, 1), (0, -1)):
        case(op, [np.round(f32(6, 9) * 2)], axis=axis, keepdims=keep, select_last_index=last)
    case("ArgMax", [of(np.int32, 6, 9)], axis=1)


def products():
    for a, b in [((5, 7), (7, 9)), ((1, 64), (64, 33)), ((2, 3, 5, 8), (3, 8, 4)), ((7,), (7, 5)),
                 ((4, 7), (7,)), ((7,), (7,)), ((3, 1, 4, 6), (2, 6, 5)), ((33, 300), (300, 65)),
                 ((2, 5, 0), (0, 3)), ((0, 5), (5, 3)), ((2, 4, 6), (6, 1)),
                 ((130, 600), (600, 70)),
                 ((3, 65, 40), (40, 50)), ((4, 1, 64), (4, 64, 130)), ((8, 513), (513, 96))]:
        case("MatMul", [f32(*a), f32(*b)], rtol=1e-4, atol=1e-4)
    case("MatMul", [f32(3, 40), f32(40, 50).astype(np.float32)], const=[1], atol=1e-4)
    for m, k, n in [(1, 40, 50), (5, 300, 33), (17, 129, 64), (130, 257, 96), (3, 512, 7)]:
        half = (f32(k, n) * 0.5).astype(np.float16)
        case("MatMul", [f32(m, k), f32(k, n)], const=[1], atol=1e-4) # packed once
        case("MatMul", [f32(2, m, k), f32(k, n)], const=[1], atol=1e-4)
        case("MatMul", [f32(m, k).astype(np.float16) * np.float16(0.1), half], const=[1],
             atol=2e-2, rtol=1e-2)
        for tb in (0, 1):
            w = f32(n, k) if tb else f32(k, n)
            case("Gemm", [f32(m, k), w, f32(n)], transB=tb, const=[1, 2], atol=1e-4)
            case("FusedMatMul", [f32(m, k), w], domain=MS, transB=tb, alpha=0.5, const=[1],
                 atol=1e-4)
    for t in (np.float64, np.int32, np.int64, np.uint32):
        case("MatMul", [of(t, 3, 4), of(t, 4, 5)])
    for ta, tb, m in itertools.product((0, 1), (0, 1), (1, 5, 70)):
        a = f32(19, m) if ta else f32(m, 19)
        b = f32(23, 19) if tb else f32(19, 23)
        case("Gemm", [a, b, f32(23)], transA=ta, transB=tb, atol=1e-4)
        case("Gemm", [a, b], transA=ta, transB=tb, alpha=0.5, atol=1e-4)
        case("Gemm", [a, b, f32(m, 1)], transA=ta, transB=tb, alpha=1.5, beta=0.25, atol=1e-4)
    case("Gemm", [f32(3, 4), f32(4, 5), np.array(2, np.float32)])
    for ta, tb in itertools.product((0, 1), (0, 1)):
        case("FusedMatMul", [f32(2, 19, 5) if ta else f32(2, 5, 19),
                             f32(2, 23, 19) if tb else f32(2, 19, 23)], domain=MS, transA=ta,
             transB=tb, alpha=0.3, atol=1e-4)
    for ta, tb in itertools.product((np.uint8, np.int8), (np.uint8, np.int8)):
        a, b = ints(ta, 3, 40, high=63, low=0), ints(tb, 40, 17, low=0, high=63)
        za, zb = ints(ta, 1, low=0, high=9)[0], ints(tb, 1, low=0, high=9)[0]
        case("MatMulInteger", [a, b])
        case("MatMulInteger", [a, b, np.array(za), np.array(zb)])
        case("MatMulInteger", [a, b, np.array(za), ints(tb, 17, low=0, high=20)], const=[1, 3])
    case("MatMulInteger", [ints(np.uint8, 2, 3, 40), ints(np.uint8, 40, 100), np.uint8(100),
                           np.uint8(3)])


def conv():
    for batch in (1, 3): # blocks of rows that the last block does not fill
        for rows in (17, 37):
            case("Conv", [f32(batch, 24, rows, 15), f32(24, 24, 3, 3), f32(24)], pads=[1, 1, 1, 1],
                 rtol=1e-3, atol=1e-4)
            case("Conv", [f32(batch, 24, rows, 16), f32(48, 24, 3, 3), f32(48)], pads=[1, 1, 1, 1],
                 strides=[2, 2], rtol=1e-3, atol=1e-4)
    for shape, w, attrs in [
            ((1, 3, 9, 8), (5, 3, 3, 3), {}), ((2, 3, 9, 8), (5, 3, 3, 3), dict(pads=[1, 2, 0, 1])),
            ((1, 3, 9, 8), (5, 3, 3, 2), dict(strides=[2, 3])),
            ((1, 4, 9, 8), (6, 2, 3, 3), dict(group=2, pads=[1, 1, 1, 1])),
            ((1, 6, 9, 8), (6, 1, 3, 3), dict(group=6, pads=[1, 1, 1, 1])),
            ((2, 6, 9, 8), (12, 1, 3, 3), dict(group=6)),
            ((1, 3, 9, 8), (5, 3, 2, 2), dict(dilations=[2, 3])),
            ((1, 16, 7, 7), (33, 16, 1, 1), {}),
            ((1, 3, 30), (4, 3, 5), dict(strides=[2], pads=[2, 2])),
            ((1, 2, 5, 6, 7), (3, 2, 2, 3, 2), dict(pads=[0, 1, 1, 1, 0, 0])),
            ((1, 3, 9, 8), (5, 3, 3, 3), dict(auto_pad="SAME_UPPER", strides=[2, 2])),
            ((1, 3, 9, 8), (5, 3, 2, 2), dict(auto_pad="SAME_LOWER")),
            ((1, 3, 9, 8), (5, 3, 3, 3), dict(auto_pad="VALID")),
            ((1, 32, 20, 20), (48, 32, 3, 3), dict(pads=[1, 1, 1, 1])),
            # several blocks of the image, of channels, of outputs
            ((1, 20, 90, 110), (9, 20, 3, 3), dict(pads=[1, 1, 1, 1])),
            ((2, 40, 33, 35), (70, 40, 3, 3), dict(pads=[1, 0, 1, 2], strides=[2, 2])),
            ((1, 300, 9, 9), (270, 300, 1, 1), {}), ((1, 90, 11, 6), (20, 90, 5, 3), {}),
            ((1, 5, 120, 130), (5, 1, 5, 5), dict(group=5, pads=[2, 2, 2, 2])),
            ((1, 5, 71, 70), (10, 1, 3, 3), dict(group=5, pads=[1, 1, 1, 1], strides=[2, 2])),
            ((1, 4, 70, 70), (6, 2, 3, 3), dict(group=2, pads=[4, 3, 2, 1], dilations=[3, 2])),
            ((1, 2, 5000), (6, 2, 9), dict(pads=[5, 3])), ((1, 1, 3000), (64, 1, 400), dict(strides=[160])),
            ((1, 3, 64, 64), (40, 3, 16, 16), dict(strides=[16, 16])),
            ((1, 12, 24, 25, 26), (7, 12, 3, 3, 3), dict(pads=[1] * 6)),
            ((3, 130, 1, 1), (17, 130, 1, 1), {}), ((2, 20, 4), (8, 10, 3), dict(group=2, pads=[1, 1], strides=[2])),
            ((1, 1, 40), (1, 1, 2), dict(dilations=[1 << 25], pads=[1 << 25, 0])),
            ((0, 3, 9, 8), (5, 3, 3, 3), {})]:
        case("Conv", [f32(*shape), f32(*w)], atol=1e-4, rtol=1e-4, **attrs)
        case("Conv", [f32(*shape), f32(*w), f32(w[0])], const=[1, 2], atol=1e-4, rtol=1e-4, **attrs)


def pack(codes, bits):
    """[..., n] codes, the first in the low bits of a byte."""
    per = 8 // bits
    pad = -codes.shape[-1] % per
    codes = np.pad(codes, [(0, 0)] * (codes.ndim - 1) + [(0, pad)])
    parts = codes.reshape(*codes.shape[:-1], -1, per).astype(np.uint32)
    return sum(parts[..., i] << (bits * i) for i in range(per)).astype(np.uint8)


def nbits(m, k, n, bits, block, zeros=None, bias=False, flat=False, batch=(), groups=False,
          level=1, rtol=1e-4, atol=1e-3, const=True):
    blocks = -(-k // block)
    codes = rng.integers(0, 1 << bits, (n, blocks, block))
    scale = (np.abs(f32(n, blocks)) * 0.1 + 0.01) / (1 << bits)
    zero = np.full((n, blocks), 1 << (bits - 1), np.float32)
    x = f32(*batch, m, k)
    inputs = [x, pack(codes, bits), scale.reshape(-1) if flat else scale, None, None, None]
    if zeros == "packed":
        zero = rng.integers(0, 1 << bits, (n, blocks))
        inputs[3] = pack(zero, bits).reshape(-1) if flat else pack(zero, bits)
    elif zeros == "float":
        inputs[3] = zero = (rng.random((n, blocks)) * (1 << bits)).astype(np.float32)
    index = np.arange(k) // block
    if groups:
        inputs[4] = index = rng.permutation(index).astype(np.int32)
    if bias:
        inputs[5] = f32(n)
    while inputs[-1] is None:
        inputs.pop()
    w = codes.reshape(n, -1)[:, :k] - zero.astype(np.float64)[:, index]
    y = x @ (w * scale[:, index]).T + (inputs[5] if bias else 0)
    case("MatMulNBits", inputs, const=range(1, len(inputs)) if const else (), domain=MS, rtol=rtol, atol=atol,
         expected=[y.astype(np.float32)], exact=level == 1, K=k, N=n, bits=bits, block_size=block,
         accuracy_level=level)


def quantised():
    kinds = (None, "packed", "float")
    for bits, block, zeros, m in itertools.product((2, 4, 8), (16, 32, 64, 128), kinds, (1, 2, 5)):
        nbits(m, 256, 24, bits, block, zeros)
    for bits, block, zeros, m in itertools.product((4, 8), (16, 32, 64, 256), kinds, (1, 4, 7)):
        nbits(m, 512, 21, bits, block, zeros, level=4, rtol=2e-2, atol=4e-2)
    for m, k, bits in itertools.product((1, 3, 20), (72, 100, 576, 33), (4, 8)):
        nbits(m, k, 19, bits, 32, "packed")
        nbits(m, k, 19, bits, 16, "float")
        nbits(m, k, 19, bits, 64, level=0, rtol=2e-2, atol=4e-2)
    nbits(1, 96, 8, 4, 32, flat=True)
    nbits(3, 96, 8, 4, 32, "packed", flat=True, batch=(2,))
    nbits(1, 64, 8, 4, 32, bias=True)
    nbits(7, 64, 8, 8, 32, bias=True)
    nbits(3, 64, 8, 4, 16, "packed", groups=True)
    for m, level in ((1, 1), (5, 1), (5, 0)): # weights, and what block they are of, as inputs
        tolerance = dict(rtol=1e-4, atol=1e-3) if level else dict(rtol=2e-2, atol=4e-2)
        nbits(m, 96, 21, 4, 32, "float", level=level, const=False, **tolerance)
        nbits(m, 96, 21, 8, 32, bias=True, level=level, const=False, **tolerance)
    nbits(3, 64, 8, 4, 16, "packed", groups=True, const=False)
    for m in (1, 5):
        for kind in (0, 1):
            k, n, block = 96, 20, 32
            case("MatMulBnb4", [f32(m, k), ints(np.uint8, n * k // 2), np.abs(f32(n * k // block))],
                 const=[1, 2], domain=MS, atol=1e-4, rtol=1e-4, K=k, N=n, block_size=block,
                 quant_type=kind)
    for t in (np.uint8, np.int8):
        zero = ints(t, 1)[0]
        case("QuantizeLinear", [f32(3, 40, scale=5), np.array(0.07, np.float32), np.array(zero)])
        case("DequantizeLinear", [ints(t, 3, 40), np.array(0.07, np.float32), np.array(zero)])
        case("QuantizeLinear", [f32(3, 4, 5, scale=5), np.abs(f32(4)) + 0.02, ints(t, 4)])
        case("DequantizeLinear", [ints(t, 3, 4, 5), np.abs(f32(4)), ints(t, 4)], axis=1)
        case("DequantizeLinear", [ints(t, 3, 4, 5), np.abs(f32(3)), ints(t, 3)], axis=0)
        case("DequantizeLinear", [ints(t, 3, 4, 5), np.abs(f32(5))], axis=-1)
    case("QuantizeLinear", [f32(30, scale=5), np.array(0.05, np.float32)])
    case("DequantizeLinear", [of(np.int32, 3, 40), np.array(0.07, np.float32)])
    for t in (np.uint16, np.int16):
        case("QuantizeLinear", [f32(3, 40, scale=5), np.array(0.001, np.float32), ints(t, 1)[0]],
             opset=21)
        case("DequantizeLinear", [ints(t, 3, 40), np.array(0.001, np.float32), ints(t, 1)[0]],
             opset=21)
    for t in (ml_dtypes.int4, ml_dtypes.uint4):
        codes = rng.integers(-8 if t == ml_dtypes.int4 else 0, 8, (4, 33)).astype(t)
        case("DequantizeLinear", [codes, np.array(0.3, np.float32)], const=[0], opset=21)
        case("DequantizeLinear", [codes, np.abs(f32(4, 3)), codes[:, :3]], const=[0, 2], opset=21,
             axis=1, block_size=11)
    case("DequantizeLinear", [ints(np.int8, 6, 5), np.abs(f32(2, 5))], opset=21, axis=0,
         block_size=3)
    case("QuantizeLinear", [f32(6, 5, scale=5), np.abs(f32(2, 5)) + 0.1, ints(np.int8, 2, 5)],
         opset=21, axis=0, block_size=3)
    for x in (f32(4, 40), np.abs(f32(50)), -np.abs(f32(50)), np.zeros((3,), np.float32),
              np.array([0.5, -0.5, -1.5, -7, 7], np.float32)):  # the last: a zero point on a tie
        case("DynamicQuantizeLinear", [x], outputs=3)
    for index in (np.int64, np.int32):
        table = rng.integers(0, 256, (10, 32)).astype(np.uint8)
        case("GatherBlockQuantized", [table, ints(index, 2, 3, low=0, high=9), f32(10, 4)],
             const=[0], domain=MS, bits=4, block_size=16, quantize_axis=1, gather_axis=0)
        case("GatherBlockQuantized", [table, ints(index, 2, 3, low=-10, high=9), f32(10, 4),
                                      ints(np.uint8, 10, 2)],
             const=[0, 3], domain=MS, bits=4, block_size=16, quantize_axis=1, gather_axis=0)
        case("GatherBlockQuantized", [table, ints(index, 4, low=0, high=9), f32(10, 2),
                                      ints(np.uint8, 10, 2)],
             const=[0, 3], domain=MS, bits=8, block_size=16, quantize_axis=1, gather_axis=0)
    codes = rng.integers(-8, 8, (10, 32)).astype(ml_dtypes.int4)
    case("GatherBlockQuantized", [codes, i64(3, 0), f32(10, 2)], const=[0], domain=MS,
         block_size=16, quantize_axis=1, gather_axis=0)
    case("GatherBlockQuantized", [codes, i64(3, 0), f32(10, 2),
                                  rng.integers(-8, 8, (10, 2)).astype(ml_dtypes.int4)],
         const=[0, 3], domain=MS, block_size=16, quantize_axis=1, gather_axis=0)


def normalisation():
    for shape in ((3, 17), (2, 3, 64), (1, 576), (4, 1), (0, 5)):
        n = shape[-1]
        for axis in (-1, 1):
            case("Softmax", [f32(*shape, scale=4)], axis=axis)
            case("LogSoftmax", [f32(*shape, scale=4)], axis=axis)
        case("Softmax", [f32(*shape, scale=4)], opset=11, axis=1)
        case("LogSoftmax", [f32(*shape, scale=4)], opset=11, axis=1)
        if 0 in shape:
            continue
        case("LayerNormalization", [f32(*shape), f32(n), f32(n)], outputs=3, rtol=1e-4, atol=1e-4)
        case("LayerNormalization", [f32(*shape), f32(n)], epsilon=1e-3, rtol=1e-4, atol=1e-4)
        case("SimplifiedLayerNormalization", [f32(*shape), f32(n)], outputs=2, axis=-1,
             epsilon=1e-6, stash_type=1)
        case("RMSNormalization", [f32(*shape), f32(n)], opset=23)
    case("LayerNormalization", [f32(2, 3, 4), f32(3, 4), f32(3, 4)], axis=1)
    case("Softmax", [f32(3, 4, 5)], axis=0)
    case("Softmax", [f32(3, 4, 5)], axis=1)
    case("Softmax", [np.array([[-np.inf, 0, 1], [3e38, 3e38, -3e38]], np.float32)])
    for bias in (False, True):
        more = [f32(48)] if bias else []
        case("SkipSimplifiedLayerNormalization", [f32(2, 3, 48), f32(2, 3, 48), f32(48), *more],
             domain=MS, outputs=[0, 3], epsilon=1e-6)
        case("SkipLayerNormalization", [f32(2, 3, 48), f32(2, 3, 48), f32(48), f32(48), *more],
             domain=MS, outputs=[0, 3], epsilon=1e-5)


def caches(rows, half):
    angle = np.outer(np.arange(rows), 10000.0 ** (-np.arange(half) / half))
    return np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)


def gqa(batch, rows, past, heads, kv, d, packed=False, lengths=None, rotary=True, sink=False,
        bias=False, positions=False, **attributes):
    total = past + rows
    cos, sin = caches(64, d // 2)
    q = f32(batch, rows, (heads + 2 * kv if packed else heads) * d)
    k, v = (None, None) if packed else (f32(batch, rows, kv * d), f32(batch, rows, kv * d))
    lengths = [total] * batch if lengths is None else lengths
    inputs = [q, k, v, f32(batch, kv, past, d), f32(batch, kv, past, d),
              np.array([n - 1 for n in lengths], np.int32), np.array(total, np.int32)]
    inputs += [cos, sin] if rotary else [None, None]
    inputs += [np.tile(np.arange(past, total), (batch, 1)) if positions else None,
               f32(batch, 1, rows, total) if bias else None, f32(heads) if sink else None]
    while inputs[-1] is None:
        inputs.pop()
    case("GroupQueryAttention", inputs, domain=MS, outputs=3, rtol=1e-4, atol=1e-4,
         num_heads=heads, kv_num_heads=kv, do_rotary=int(rotary), **attributes)


def attention():
    for rows, past in ((1, 9), (7, 0), (1, 0), (5, 6), (40, 0)):
        gqa(1, rows, past, 6, 2, 16)
        gqa(1, rows, past, 6, 2, 16, packed=True)
        batch = 2 if rows == 1 or past == 0 else 1  # onnxruntime has no other continuation
        gqa(batch, rows, past, 4, 4, 16, local_window_size=4)
        gqa(batch, rows, past, 4, 1, 16, softcap=2.5)
        gqa(1, rows, past, 4, 2, 16, rotary=False, scale=0.7)
        gqa(1, rows, past, 4, 2, 16, smooth_softmax=1)
        gqa(1, rows, past, 4, 2, 16, sink=True)
        gqa(1, rows, past, 4, 2, 16, bias=True)
        gqa(1, rows, past, 4, 2, 16, rotary_interleaved=1)
        gqa(1, rows, past, 4, 2, 16, positions=True)
    gqa(2, 1, 9, 6, 2, 16, lengths=[10, 7])
    gqa(1, 1, 50, 9, 3, 64)
    cos, sin = caches(30, 4)
    for interleaved in (0, 1):
        case("RotaryEmbedding", [f32(2, 3, 5, 8), np.array([4], np.int64), cos, sin], domain=MS,
             interleaved=interleaved)
        case("RotaryEmbedding", [f32(2, 5, 24), ints(np.int64, 2, 5, low=0, high=29), cos, sin],
             domain=MS, interleaved=interleaved)


def recurrent():
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}

    def one(op, steps, batch, inputs, hidden, way="forward", extra=(), by_batch=False, **attributes):
        d, g = 2 if way == "bidirectional" else 1, gates[op]
        state = (batch, d, hidden) if by_batch else (d, batch, hidden)
        tensors = [f32(*((batch, steps, inputs) if by_batch else (steps, batch, inputs))),
                   f32(d, g * hidden, inputs), f32(d, g * hidden, hidden),
                   f32(d, 2 * g * hidden) if "b" in extra else None,
                   np.array([steps] + [max(1, steps - 2)] * (batch - 1), np.int32)
                   if "l" in extra else None,
                   f32(*state) if "h" in extra else None,
                   f32(*state) if "h" in extra and op == "LSTM" else None,
                   f32(d, 3 * hidden) if "p" in extra and op == "LSTM" else None]
        while tensors[-1] is None:
            tensors.pop()
        if by_batch:
            attributes["layout"] = 1
        case(op, tensors, outputs=3 if op == "LSTM" else 2, atol=1e-4, rtol=1e-4,
             hidden_size=hidden, direction=way, **attributes)

    for op, way in itertools.product(gates, ("forward", "reverse", "bidirectional")):
        one(op, 5, 1, 7, 9, way, "b")
        one(op, 4, 3, 7, 9, way, "blh")
        one(op, 4, 2, 7, 9, way, "bhp")
        one(op, 1, 1, 16, 16, way)
        if op == "GRU":
            one(op, 4, 3, 7, 9, way, "blh", linear_before_reset=1)
            one(op, 4, 3, 7, 9, way, "h", linear_before_reset=1)
    one("LSTM", 4, 2, 5, 6, extra="b", clip=0.3)
    one("LSTM", 4, 2, 5, 6, extra="b", input_forget=1)
    one("LSTM", 4, 2, 5, 6, extra="b", activations=["HardSigmoid", "Relu", "Softsign"])
    one("GRU", 4, 2, 5, 6, extra="b", activations=["HardSigmoid", "Softsign"])
    one("GRU", 4, 2, 5, 6, extra="b", clip=0.5)
    one("RNN", 4, 2, 5, 6, extra="b", activations=["Affine"], activation_alpha=[0.5],
        activation_beta=[0.1])
    one("RNN", 4, 2, 5, 6, "bidirectional", extra="b", activations=["Relu", "Sigmoid"])


for make in (elementwise, unary, shapes, reductions, products, conv, quantised, normalisation,
             attention, recurrent):
    make()

import cases_attention  # noqa: E402, F401
import cases_contrib  # noqa: E402, F401
import cases_elements  # noqa: E402, F401
import cases_image  # noqa: E402, F401
