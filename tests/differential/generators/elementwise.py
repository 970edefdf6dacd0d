"""Operators on single elements, with and without broadcasting."""

import numpy as np

from cases import BF16, generator, is_float


def pair(g, dtype, special=0.06):
    a, b = g.broadcast(2)
    return g.array(dtype, a, special), g.array(dtype, b, special)


@generator("Add", "Sub", "Mul", "Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual")
def arithmetic(g):
    g.version()
    a, b = pair(g, g.type())
    if is_float(a.dtype) and a.dtype.itemsize > 2 and a.size and g.chance(0.05):
        a.reshape(-1)[g.int(0, a.size - 1)] = 3e38
    return g.case(g.op, [a, b])


def not_zero(array):
    return np.where(array == 0, np.ones_like(array), array)


@generator("Div")
def div(g):
    g.version()
    dtype = g.type()
    a, b = pair(g, dtype, 0.06 if is_float(dtype) else 0)
    # integers: by zero, and the least by -1, have no result
    return g.case("Div", [a, b if is_float(dtype) else not_zero(b)])


@generator("Mod")
def mod(g):
    g.version()
    dtype = g.type()
    a, b = pair(g, dtype, 0)
    fmod = 1 if is_float(dtype) else g.int(0, 1)
    return g.case("Mod", [a, not_zero(b)], {"fmod": 1} if fmod else g.attributes(fmod=0))


@generator("Pow")
def power(g):
    schema = g.version()
    base = g.type()
    two = any(c.type_param_str == "T1" for c in schema.type_constraints)
    exponent = g.type("T1") if two and g.chance(0.6) else base
    a, b = g.broadcast(2)
    x = g.floats(a, base) if is_float(base) else g.ints(a, base, -4, 4)
    if is_float(exponent) and is_float(base):
        y = g.floats(b, exponent) if g.chance(0.6) else \
            g.pick([0.5, 2.0, 3.0, -1.0, -0.5, 1.0, 0.0]) * np.ones(b, exponent)
        y = y.astype(exponent)
    elif is_float(exponent):    # an integer to a broken power has no integer result
        y = g.ints(b, np.int8, 0, 4).astype(exponent)
    else:
        y = g.ints(b, exponent, -3 if is_float(base) else 0, 4)
    return g.case("Pow", [x, y])


def mean_formula(values):
    with np.errstate(all="ignore"):
        total = sum(v.astype(np.float64) for v in values.values()) / len(values)
        return [np.asarray(total).astype(next(iter(values.values())).dtype)]


@generator("Min", "Max", "Sum", "Mean")
def several(g):
    g.version()
    dtype = g.type()
    return g.case(g.op, [g.array(dtype, s) for s in g.broadcast(g.pick([1, 2, 2, 2, 3, 4]))],
                  formula=mean_formula if g.op == "Mean" else None)


@generator("And", "Or", "Xor")
def logic(g):
    g.version()
    return g.case(g.op, pair(g, bool))


@generator("BitwiseAnd", "BitwiseOr", "BitwiseXor")
def bitwise(g):
    g.version()
    return g.case(g.op, pair(g, g.type(), 0.5))


@generator("BitShift")
def bit_shift(g):
    g.version()
    dtype = g.type()
    a, b = g.broadcast(2)
    return g.case("BitShift", [g.ints(a, dtype), g.ints(b, dtype, 0, dtype.itemsize * 8 - 1)],
                  {"direction": g.pick(["LEFT", "RIGHT"])})


@generator("BitwiseNot")
def bitwise_not(g):
    g.version()
    return g.case("BitwiseNot", [g.ints(g.shape(), g.type())])


@generator("PRelu")
def prelu(g):
    g.version()
    dtype, shape = g.type(), g.shape()
    return g.case("PRelu", [g.array(dtype, shape), g.array(dtype, g.onto(shape))])


@generator("Where")
def where(g):
    g.version()
    dtype = g.type()
    c, a, b = g.broadcast(3)
    return g.case("Where", [g.bools(c), g.array(dtype, a), g.array(dtype, b)])


@generator("Abs", "Neg", "Sign", "Floor", "Ceil", "Round", "IsNaN", "Not", "Sqrt", "Reciprocal",
           "Relu", "Identity")
def exactly(g):
    g.version()
    kind = next(c.type_param_str for c in g.schema.type_constraints)
    variable = {"IsNaN": "T1"}.get(g.op, kind)
    return g.case(g.op, [g.array(g.type(variable), g.shape(), 0.2)])


# approximations of the reference: sigmoid is cut at 18, tanh at 9, erf by a rational function
LOOSE = {"Sigmoid": 2e-7, "Tanh": 2e-7, "Erf": 1e-6, "Mish": 1e-6, "Swish": 1e-5, "Gelu": 2e-6,
         "Softplus": 1e-6, "Sin": 1e-6, "Cos": 1e-6, "Tan": 1e-5, "Elu": 2e-7, "Celu": 1e-6,
         "Selu": 1e-6, "Atanh": 1e-6, "Acosh": 1e-6, "Asinh": 1e-6, "Log": 1e-6}


@generator("Exp", "Log", "Erf", "Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh",
           "Asinh", "Acosh", "Atanh", "Tanh", "Sigmoid", "Softplus", "Softsign", "Mish", "HardSwish")
def smooth(g):
    g.version()
    x = g.array(g.type(), g.shape(), 0.12)
    if not is_float(x.dtype):       # Erf of an integer
        x = np.clip(x, 0, 3).astype(x.dtype)
    if g.op in ("Asin", "Acos", "Atanh") and g.chance(0.8):
        x = np.tanh(x.astype(np.float64)).astype(x.dtype)
    if g.op in ("Sin", "Cos", "Tan", "Exp") and np.isfinite(x).all() and x.size:
        x = np.clip(x, -80, 80).astype(x.dtype)
    return g.case(g.op, [x], atol=LOOSE.get(g.op, 0.0))


@generator("LeakyRelu", "Elu", "Celu", "ThresholdedRelu", "Swish", "HardSigmoid", "Selu", "Shrink",
           "Gelu")
def with_attributes(g):
    g.version()
    names = {"HardSigmoid": ("alpha", "beta"), "Selu": ("alpha", "gamma"),
             "Shrink": ("lambd", "bias"), "Gelu": ()}.get(g.op, ("alpha",))
    values = {n: float(np.float32(abs(g.rng.standard_normal()) + 0.1)) for n in names}
    if g.op == "Gelu":
        values["approximate"] = g.pick(["none", "tanh"])
    x = g.array(g.type(), g.shape())
    if not is_float(x.dtype):   # Shrink in float or in double: alike only while both are exact
        x = np.clip(x, -50 if x.dtype.kind == "i" else 0, 50).astype(x.dtype)
    return g.case(g.op, [x], g.attributes(**values),
                  atol=LOOSE.get(g.op, 0.0))


@generator("IsInf")
def is_inf(g):
    g.version()
    return g.case("IsInf", [g.floats(g.shape(), g.type("T1"), special=0.8)],
                  g.attributes(detect_negative=g.int(0, 1), detect_positive=g.int(0, 1)))


@generator("Clip")
def clip(g):
    schema = g.version()
    shape = g.shape()
    dtype = g.type()
    low, high = sorted(g.array(dtype, (2,), 0).tolist())
    if schema.since_version < 11:
        return g.case("Clip", [g.array(dtype, shape)],
                      g.attributes(min=float(low), max=float(high)))
    if g.chance(0.1):
        low, high = high, low
    bounds = [np.array(low, dtype) if g.chance(0.7) else None,
              np.array(high, dtype) if g.chance(0.7) else None]
    # halves are held as f32, whose last finite number is what brink clips them to
    special = 0 if None in bounds and is_float(dtype) and dtype.itemsize == 2 else 0.06
    return g.case("Clip", [g.array(dtype, shape, special), *bounds])


def cast_values(g, source, target):
    """Values that both engines must convert alike: what is out of an integer's range is open."""
    x = g.array(source, g.shape(), 0.2)
    if is_float(source) and not is_float(target) and target != bool:
        low, high = np.iinfo(target).min, np.iinfo(target).max
        x = np.nan_to_num(x.astype(np.float64), nan=1, posinf=2, neginf=3)
        return np.clip(x, max(low, -60000), min(high, 60000)).astype(source)
    return x


@generator("Cast", "CastLike")
def cast(g):
    schema = g.version()
    source = g.type("T1")
    target = g.pick(g.types("T2"))
    x = cast_values(g, source, target)
    more = {"saturate": g.int(0, 1)} if schema.since_version >= 19 and g.chance(0.2) else {}
    if g.op == "CastLike":
        return g.case("CastLike", [x, g.array(target, g.shape(0, 2))], more)
    from engines import CODES
    return g.case("Cast", [x], {"to": CODES[target], **more})


@generator("BitCast")
def bit_cast(g):
    from engines import CODES
    g.version()
    # halves are held as f32, where one kind cannot be told from the other: brink refuses bfloat16
    kinds = [t for t in g.types("T1") if t not in (bool, BF16)]
    source = g.pick(kinds)
    target = g.pick([t for t in kinds if t.itemsize == source.itemsize])
    return g.case("BitCast", [g.array(source, g.shape(), 0)], {"to": CODES[target]})


@generator("Dropout")
def dropout(g):
    schema = g.version()
    x = g.floats(g.shape(), g.type())
    outputs = g.int(1, 2) if schema.since_version >= 10 else 1
    if schema.since_version < 12:
        return g.case("Dropout", [x], g.attributes(ratio=0.3), outputs)
    ratio = np.array(0.3, g.type("T1")) if g.chance(0.5) else None
    mode = np.array(False) if g.chance(0.5) else None
    return g.case("Dropout", [x, ratio, mode], {}, outputs)


@generator("SwiGLU")
def swiglu(g):
    g.version(most=28)
    dtype = g.type()
    shape = g.shape(1)
    return g.case("SwiGLU", [g.array(dtype, shape), g.array(dtype, shape)],
                  g.attributes(alpha=1.5), atol=1e-5)
