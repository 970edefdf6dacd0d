"""The graphs of tests/passes/run, as text: what a pass finds, and what it must leave alone."""

import numpy as np

CASES = []


def case(name, inputs, outputs, body, after=None, opset=17, tolerance=1e-5, **constants):
    """`after`: the operators of the rewritten plan in order; "not X" where it must not have an X, None
    where it must stay as it is."""
    CASES.append({"name": name, "inputs": inputs, "outputs": outputs, "body": body, "after": after,
                  "opset": opset, "tolerance": tolerance, "constants": constants})


# ── identity, cse ──

case("identity", "float[2,3] x", "float[2,3] y",
     "a = Identity(x)\nb = Cast<to=1>(a)\nc = Transpose<perm=[0,1]>(b)\ny = Relu(c)", "Relu")
case("identity output", "float[2,3] x", "float[2,3] y", "y = Cast<to=1>(x)")
case("cse", "float[2,3] x", "float[2,3] y",
     "a = Sin(x)\nb = Sin(x)\nc = LeakyRelu<alpha=0.5>(a)\nd = LeakyRelu<alpha=0.5>(b)\ny = Max(c, d)",
     "Sin LeakyRelu Max")
case("cse attributes", "float[2,3] x", "float[2,3] y",
     "a = LeakyRelu<alpha=0.5>(x)\nb = LeakyRelu<alpha=0.25>(x)\ny = Max(a, b)",
     "LeakyRelu Elementwise")
case("cse of equal constants", "float[2,3] x", "float[2,3] y",
     "a = Slice(x, s, e)\nb = Slice(x, t, f)\nc = Sin(a)\nd = Cos(b)\ny = Max(c, d)",
     "Slice Sin Cos Max", s=np.array([0]), e=np.array([9]), t=np.array([0]), f=np.array([9]))
case("cse output", "float[2,3] x", "float[2,3] y, float[2,3] z", "y = Sin(x)\nz = Sin(x)")
case("cse random", "float[2,3] x", "bool[2,3] y",
     "a = RandomNormalLike<seed=1.0>(x)\nb = RandomNormalLike<seed=1.0>(x)\ny = Equal(a, b)")

# ── norm ──

RMS = {"w": (8,), "two": 2.0, "one": 1.0, "eps": 1e-3}
LAYER = {**RMS, "b": (8,)}
ROWS = "float[2,3,8] x", "float[2,3,8] y"
case("rms div", *ROWS, """p = Pow(x, two)
    m = ReduceMean<axes=[-1]>(p)
    a = Add(m, eps)
    s = Sqrt(a)
    i = Div(one, s)
    n = Mul(x, i)
    y = Mul(w, n)""", "SimplifiedLayerNormalization", **RMS)
case("rms reciprocal axes input", *ROWS, """p = Mul(x, x)
    m = ReduceMean(p, last)
    a = Add(eps, m)
    s = Sqrt(a)
    i = Reciprocal(s)
    n = Mul(i, x)
    y = Mul(n, w)""", "SimplifiedLayerNormalization", 18, last=np.array([-1]), **RMS)
case("rms by root", *ROWS, """p = Pow(x, two)
    m = ReduceMean<axes=[2]>(p)
    a = Add(m, eps)
    s = Sqrt(a)
    n = Div(x, s)
    y = Mul(n, w)""", "SimplifiedLayerNormalization", **RMS)
case("rms casts", "float16[2,3,8] x", "float16[2,3,8] y", """c = Cast<to=1>(x)
    p = Pow(c, two)
    m = ReduceMean<axes=[-1]>(p)
    a = Add(m, eps)
    s = Sqrt(a)
    i = Div(one, s)
    n = Mul(c, i)
    h = Cast<to=10>(n)
    y = Mul(w, h)""", "SimplifiedLayerNormalization", tolerance=1e-3, **{**RMS, "w": (8, "float16")})
case("rms of one plus weight", *ROWS, """p = Pow(x, two)
    m = ReduceMean<axes=[-1]>(p)
    a = Add(m, eps)
    s = Sqrt(a)
    i = Div(one, s)
    n = Mul(x, i)
    v = Add(one, w)
    y = Mul(n, v)""", "SimplifiedLayerNormalization", **RMS)
RMS_BODY = """p = Pow(x, two)
    m = ReduceMean<axes=[AXIS]>(p)
    a = Add(m, eps)
    s = Sqrt(a)
    i = Div(one, s)
    n = Mul(x, i)
    y = Mul(w, n)"""
case("rms wrong axis", *ROWS, RMS_BODY.replace("AXIS", "1"), "not SimplifiedLayerNormalization", **RMS)
case("rms wrong power", *ROWS, RMS_BODY.replace("AXIS", "-1"), "not SimplifiedLayerNormalization",
     **{**RMS, "two": 3.0})
case("rms eps not a number", *ROWS, RMS_BODY.replace("AXIS", "-1"), "not SimplifiedLayerNormalization",
     **{**RMS, "eps": (3, 1)})
case("rms second reader", ROWS[0], "float[2,3,8] y, float[2,3,1] z",
     RMS_BODY.replace("AXIS", "-1") + "\nz = Neg(s)",
     "not SimplifiedLayerNormalization", **RMS)
case("rms inner output", ROWS[0], "float[2,3,8] y, float[2,3,8] n",
     RMS_BODY.replace("AXIS", "-1"), "not SimplifiedLayerNormalization", **RMS)
case("layer norm", *ROWS, """m = ReduceMean<axes=[-1]>(x)
    d = Sub(x, m)
    p = Pow(d, two)
    v = ReduceMean<axes=[-1]>(p)
    a = Add(v, eps)
    s = Sqrt(a)
    n = Div(d, s)
    g = Mul(n, w)
    y = Add(g, b)""", "LayerNormalization", **LAYER)
case("layer norm with two differences", *ROWS, """m = ReduceMean<axes=[-1]>(x)
    d = Sub(x, m)
    e = Sub(x, m)
    p = Mul(e, e)
    v = ReduceMean<axes=[-1]>(p)
    a = Add(v, eps)
    s = Sqrt(a)
    i = Reciprocal(s)
    n = Mul(d, i)
    g = Mul(w, n)
    y = Add(b, g)""", "LayerNormalization", **LAYER)
case("layer norm of another mean", *ROWS, """m = ReduceMean<axes=[1]>(x)
    d = Sub(x, m)
    p = Pow(d, two)
    v = ReduceMean<axes=[-1]>(p)
    a = Add(v, eps)
    s = Sqrt(a)
    n = Div(d, s)
    g = Mul(n, w)
    y = Add(g, b)""", "ReduceMean Sub SimplifiedLayerNormalization Add", **LAYER)
TWO = "float[2,3,8] u, float[2,3,8] v"
case("skip norm", TWO, ROWS[1], "x = Add(u, v)\ny = LayerNormalization<epsilon=0.001>(x, w, b)",
     "SkipLayerNormalization", **LAYER)
case("skip norm kept", TWO, ROWS[1] + ", float[2,3,8] z",
     "x = Add(u, v)\nz = Sin(x)\ny = LayerNormalization<epsilon=0.001>(x, w, b)",
     "SkipLayerNormalization Sin", **LAYER)
case("skip norm sum is output", TWO, ROWS[1] + ", float[2,3,8] x",
     "x = Add(u, v)\ny = LayerNormalization<epsilon=0.001>(x, w, b)", "SkipLayerNormalization", **LAYER)
case("skip norm with bias", TWO, ROWS[1],
     "t = Add(b, u)\nx = Add(t, v)\np = Pow(x, two)\n" + RMS_BODY[18:].replace("AXIS", "-1"),
     "SkipSimplifiedLayerNormalization", **LAYER)
case("skip norm broadcasts", "float[2,3,8] u, float[3,8] v", ROWS[1],
     "x = Add(u, v)\ny = LayerNormalization<epsilon=0.001>(x, w, b)", **LAYER)
case("skip norm of scale from later", TWO + ", float[8] q", ROWS[1],
     "x = Add(u, v)\nr = Sin(q)\ny = LayerNormalization<epsilon=0.001>(x, r, b)", **LAYER)

# ── gelu, silu ──

ROW = "float[3,8] x", "float[3,8] y"
ERF = {"root": 1.4142135, "inverse": 0.70710678, "one": 1.0, "half": 0.5}
case("gelu torch", *ROW,
     "d = Div(x, root)\ne = Erf(d)\na = Add(e, one)\nm = Mul(x, a)\ny = Mul(m, half)", "Gelu", **ERF)
case("gelu dynamo", *ROW,
     "d = Div(x, root)\ne = Erf(d)\na = Add(e, one)\nm = Mul(half, a)\ny = Mul(x, m)", "Gelu", **ERF)
case("gelu half first", *ROW,
     "d = Mul(inverse, x)\ne = Erf(d)\na = Add(one, e)\nm = Mul(half, x)\ny = Mul(m, a)", "Gelu", **ERF)
case("gelu of another root", *ROW,
     "d = Div(x, root)\ne = Erf(d)\na = Add(e, one)\nm = Mul(x, a)\ny = Mul(m, half)",
     "Elementwise", **{**ERF, "root": 1.5})
case("gelu inner output", ROW[0], "float[3,8] y, float[3,8] e",
     "d = Div(x, root)\ne = Erf(d)\na = Add(e, one)\nm = Mul(x, a)\ny = Mul(m, half)",
     "Elementwise Elementwise", **ERF)
TANH = {"three": 3.0, "c": 0.044715, "s": 0.7978845608, "one": 1.0, "half": 0.5}
case("gelu tanh pow", *ROW, """p = Pow(x, three)
    q = Mul(p, c)
    r = Add(x, q)
    t = Mul(r, s)
    u = Tanh(t)
    v = Add(u, one)
    h = Mul(x, half)
    y = Mul(h, v)""", "FastGelu", tolerance=1e-5, **TANH)
case("gelu tanh products", *ROW, """a = Mul(x, s)
    b = Mul(x, x)
    d = Mul(c, b)
    e = Add(one, d)
    t = Mul(a, e)
    u = Tanh(t)
    v = Add(one, u)
    m = Mul(half, v)
    y = Mul(x, m)""", "FastGelu", **TANH)
case("silu", *ROW, "s = Sigmoid(x)\ny = Mul(s, x)", "QuickGelu")
case("quick gelu", *ROW, "a = Mul(x, k)\ns = Sigmoid(a)\ny = Mul(x, s)", "QuickGelu", k=1.702)
case("sigmoid gate of another", "float[3,8] x, float[3,8] z", ROW[1], "s = Sigmoid(z)\ny = Mul(s, x)",
     "Elementwise")

# ── elementwise ──

case("gate", "float[3,8] a, float[3,8] b", ROW[1], "s = Sigmoid(a)\nm = Mul(a, s)\ny = Mul(m, b)",
     "Elementwise")
case("bias gelu", *ROW,
     "z = Add(w, x)\nd = Div(z, root)\ne = Erf(d)\na = Add(e, one)\nm = Mul(z, a)\ny = Mul(m, half)",
     "Elementwise", w=(8,), **ERF)
case("hard swish", "float[2,5,30,41] x", "float[2,5,30,41] y",
     "a = Add(x, three)\nc = Clip(a, zero, six)\nm = Mul(x, c)\ny = Div(m, six)", "Elementwise",
     three=3.0, zero=0.0, six=6.0)
case("channel factor", "float[2,5,30,41] x, float[2,5,1,1] f", "float[2,5,30,41] y",
     "m = Mul(f, x)\na = Add(m, b)\ny = Relu(a)", "Elementwise", b=(1, 5, 1, 1))
case("all functions", "float[3,1000] x", "float[3,1000] y", """a = Neg(x)
    b = Abs(a)
    c = Sqrt(b)
    d = Add(c, one)
    e = Reciprocal(d)
    f = Exp(e)
    g = Sub(one, f)
    h = Tanh(g)
    i = LeakyRelu<alpha=0.3>(h)
    j = HardSigmoid<alpha=0.4, beta=0.3>(i)
    k = Pow(j, two)
    l = Max(k, w)
    m = Min(v, l)
    n = Div(one, m)
    y = HardSwish(n)""", "Elementwise", one=1.0, two=2.0, w=(1000,), v=(3, 1000))
case("long chain", *ROW, "\n".join(f"{b} = Add({a}, one)" for a, b in zip(
    ["x", *(f"t{i}" for i in range(18))], [*(f"t{i}" for i in range(18)), "y"])),
     "Elementwise Elementwise", one=1.0)
case("chain broadcasts upwards", "float[8] x", ROW[1], "s = Sin(x)\na = Add(s, w)\ny = Relu(a)", w=(3, 8))
case("chain of a mask over heads", "float[2,4,3,5] x, float[2,1,3,5] m", "float[2,4,3,5] y",
     "a = Mul(x, k)\nb = Add(a, m)\ny = Tanh(b)", k=2.0)
case("chain inner output", ROW[0], "float[3,8] y, float[3,8] a", "a = Neg(x)\ny = Exp(a)")
case("chain of integers", "int64[3,8] x", "int64[3,8] y", "a = Neg(x)\ny = Abs(a)")
case("chain reads itself twice", *ROW, "a = Neg(x)\ny = Mul(a, a)")

# ── attention ──

PACKED = "float[2,5,32] a, float[2,7,32] b, float[2,7,32] c"
SPLIT = """q3 = Reshape(a, heads)
    q = Transpose<perm=[0,2,1,3]>(q3)
    k3 = Reshape(b, heads)
    v3 = Reshape(c, heads)
    v = Transpose<perm=[0,2,1,3]>(v3)
"""
JOIN = "o = Transpose<perm=[0,2,1,3]>(z)\ny = Reshape(o, whole)"
FOUR = {"heads": np.array([0, 0, 4, 8]), "whole": np.array([0, 0, 32]), "s": 0.35, "zero": 0.0}
case("attention", PACKED, "float[2,5,32] y", SPLIT + """k = Transpose<perm=[0,2,3,1]>(k3)
    t = MatMul(q, k)
    u = Mul(t, s)
    w = Softmax<axis=-1>(u)
    z = MatMul(w, v)
    """ + JOIN, "Attention", **FOUR)
case("attention dynamo", PACKED + ", float[2,1,1,7] m", "float[2,5,32] y",
     SPLIT + """k4 = Transpose<perm=[0,2,1,3]>(k3)
    kf = Reshape(k4, flat)
    kt = Transpose<perm=[0,2,1]>(kf)
    k = Reshape(kt, unflat)
    qs = Mul(q, s)
    ks = Mul(k, s)
    t = MatMul(qs, ks)
    u = Add(t, m)
    w = Softmax<axis=-1>(u)
    i = IsNaN(w)
    x = Where(i, zero, w)
    z = MatMul(x, v)
    """ + JOIN, "Attention", flat=np.array([-1, 7, 8]), unflat=np.array([2, 4, 8, 7]), **FOUR)
case("attention of repeated heads",
     "float[2,4,5,8] q, float[2,2,7,8] g, float[2,2,7,8] h, float[5,7] m", "float[2,4,5,8] y",
     """g1 = Unsqueeze(g, two)
    g2 = Expand(g1, wide)
    g3 = Reshape(g2, many)
    h1 = Unsqueeze(h, two)
    h2 = Expand(h1, wide)
    v = Reshape(h2, many)
    k = Transpose<perm=[0,1,3,2]>(g3)
    t = MatMul(q, k)
    u = Div(t, s)
    x = Add(m, u)
    w = Softmax<axis=3>(x)
    y = MatMul(w, v)""", "Attention", two=np.array([2]), wide=np.array([2, 2, 2, 7, 8]),
     many=np.array([2, 4, 7, 8]), **FOUR)
PLAIN = """k = Transpose<perm=[0,1,3,2]>(g)
    t = MatMul(q, k)
    u = Add(t, m)
    w = Softmax<axis=AXIS>(u)
    y = MatMul(w, v)"""
HEADS = "float[2,4,5,8] q, float[2,4,7,8] g, float[2,4,7,8] v"
case("attention plain", HEADS + ", float[2,1,5,7] m", "float[2,4,5,8] y",
     PLAIN.replace("AXIS", "-1"), "Attention")
case("attention wrong axis", HEADS + ", float[2,1,5,7] m", "float[2,4,5,8] y",
     PLAIN.replace("AXIS", "2"), "not Attention")
case("attention mask of one key", HEADS + ", float[2,1,5,1] m", "float[2,4,5,8] y",
     PLAIN.replace("AXIS", "-1"), "not Attention")
case("attention weights are output", HEADS + ", float[2,1,5,7] m",
     "float[2,4,5,8] y, float[2,4,5,7] w", PLAIN.replace("AXIS", "-1"), "not Attention")
case("attention heads shared by the batch",
     "float[2,4,5,8] q, float[1,4,7,8] g, float[1,4,7,8] v, float[7] m", "float[2,4,5,8] y",
     PLAIN.replace("AXIS", "-1"), "not Attention")

# ── rotary embeddings ──

TURNED = "float[2,4,5,8] x, float[1,1,5,8] c, float[1,1,5,8] s"
ROPE = {"zero": np.array([0]), "half": np.array([4]), "end": np.array([1 << 62]), "last": np.array([3]),
        "one": np.array([1]), "two": np.array([2]), "minus": np.array([-1])}
HALVES = """p = Mul(x, c)
    b = Slice(x, zero, half, last, one)
    a = Slice(x, half, end, last, one)
    n = Neg(a)
    t = Concat<axis=-1>(n, b)
    q = Mul(t, s)
    y = Add(p, q)"""
case("rope", TURNED, "float[2,4,5,8] y", HALVES, "Rotate", **ROPE)
case("rope of rows first", "float[2,5,32] z, float[2,1,5,8] c, float[2,1,5,8] s", "float[2,4,5,8] y",
     "w = Reshape(z, heads)\nx = Transpose<perm=[0,2,1,3]>(w)\n" + HALVES, "Rotate",
     heads=np.array([0, 0, 4, 8]), **ROPE)
case("rope of neighbours", TURNED, "float[2,4,5,8] y", """p = Mul(x, c)
    b = Slice(x, zero, end, last, two)
    a = Slice(x, one, end, last, two)
    n = Neg(a)
    n1 = Unsqueeze(n, minus)
    b1 = Unsqueeze(b, minus)
    t5 = Concat<axis=-1>(n1, b1)
    t = Reshape(t5, shape)
    q = Mul(t, s)
    y = Add(p, q)""", "Rotate", shape=np.array([2, 4, 5, 8]), **ROPE)
case("rope of a part", "float[2,4,5,12] z, float[1,1,5,8] c, float[1,1,5,8] s", "float[2,4,5,12] y",
     "x = Slice(z, zero, eight, last, one)\nr = Slice(z, eight, end, last, one)\n" +
     HALVES.replace("y = ", "o = ") + "\ny = Concat<axis=3>(o, r)", "Rotate", eight=np.array([8]), **ROPE)
case("rope of unequal halves", TURNED.replace("c,", "c,"), "float[2,4,5,8] y",
     HALVES.replace("Slice(x, zero, half", "Slice(x, zero, most").replace("Slice(x, half", "Slice(x, most"),
     "not Rotate", most=np.array([5]), **ROPE)
case("rope table a head", "float[2,4,5,8] x, float[1,4,5,8] c, float[1,4,5,8] s", "float[2,4,5,8] y",
     HALVES, "not Rotate", **ROPE)


# ── append ──

APPEND = """n = Reshape(x, heads)
    m = Transpose<perm=[0,2,1,3]>(n)
    p = Concat<axis=AXIS>(g, m)
    k = Transpose<perm=[0,1,3,2]>(p)
    t = MatMul(q, k)
    w = Softmax<axis=-1>(t)
    y = MatMul(w, v)"""
PAST = "float[1,4,5,8] q, float[1,4,6,8] g, float[1,3,32] x, float[1,4,9,8] v"
case("append", PAST, "float[1,4,5,8] y, float[1,4,9,8] p", APPEND.replace("AXIS", "2"),
     "Append Attention", heads=np.array([0, 0, 4, 8]))
case("append of what others read", PAST, "float[1,4,5,8] y, float[1,4,9,8] p, float[1,4,9,8] z",
     APPEND.replace("AXIS", "-2") + "\nz = Sin(p)", "not Append", heads=np.array([0, 0, 4, 8]))
case("append to a past that others read", PAST, "float[1,4,5,8] y, float[1,4,9,8] p, float[1,4,6,8] z",
     APPEND.replace("AXIS", "2") + "\nz = Sin(g)", "not Append", heads=np.array([0, 0, 4, 8]))
case("append to what is no output", PAST, "float[1,4,5,8] y", APPEND.replace("AXIS", "2"),
     "not Append", heads=np.array([0, 0, 4, 8]))
# ── conv ──

PLANE = "float[2,4,9,8] x", "float[2,6,9,8] y"
CONV = "<pads=[1,1,1,1]>"
K = {"w": (6, 4, 3, 3), "b": (6,), "s": (6, 1, 1), "t": (1, 6, 1, 1), "g": np.linspace(0.5, 2, 6).astype("f4"),
     "v": np.linspace(0.1, 3, 6).astype("f4"), "half": 0.5, "three": 3.0, "zero": 0.0, "six": 6.0, "sixth": 1 / 6}
case("conv norm", *PLANE, f"c = Conv{CONV}(x, w)\ny = BatchNormalization<epsilon=0.01>(c, g, b, b, v)", "Conv", **K)
case("conv numbers", *PLANE, f"""c = Conv{CONV}(x, w, b)
    d = Mul(s, c)
    e = Add(d, t)
    f = Sub(e, half)
    y = Div(f, six)""", "Conv", **K)
case("conv groups", PLANE[0], "float[2,6,9,8] y", f"""c = Conv<group=2, pads=[1,1,1,1]>(x, u, b)
    y = BatchNormalization(c, g, b, b, v)""", "Conv", u=(6, 2, 3, 3), **K)
case("conv number taken from", *PLANE, f"c = Conv{CONV}(x, w)\ny = Sub(half, c)", "Conv Sub", **K)
case("conv factor of columns", *PLANE, f"c = Conv{CONV}(x, w)\ny = Mul(c, r)", "Conv Mul", r=(8,), **K)
case("conv with two readers", PLANE[0], PLANE[1] + ", float[2,6,9,8] z", f"""c = Conv{CONV}(x, w)
    y = BatchNormalization(c, g, b, b, v)
    z = Exp(c)""", **K)
case("conv relu", *PLANE, f"c = Conv{CONV}(x, w)\ny = Relu(c)", "FusedConv", **K)
case("conv clip", *PLANE, f"c = Conv{CONV}(x, w)\ny = Clip(c, zero, half)", "FusedConv", **K)
case("conv clip attributes", *PLANE, f"c = Conv{CONV}(x, w)\ny = Clip<min=-0.25, max=0.5>(c)", "FusedConv", 10, **K)
for name in ("Sigmoid", "Tanh", "LeakyRelu<alpha=0.3>", "HardSigmoid<alpha=0.3, beta=0.4>", "HardSwish"):
    case("conv " + name, *PLANE, f"c = Conv{CONV}(x, w)\ny = {name}(c)", "FusedConv", **K)
case("conv silu", *PLANE, f"c = Conv{CONV}(x, w, b)\ns0 = Sigmoid(c)\ny = Mul(s0, c)", "FusedConv", **K)
SWISH = f"c = Conv{CONV}(x, w, b)\na = Add(c, three)\nl = Clip(a, zero, six)\n"
for i, tail in enumerate(("m = Mul(c, l)\ny = Div(m, six)", "m = Mul(l, c)\ny = Mul(m, sixth)",
                          "m = Div(l, six)\ny = Mul(c, m)", "m = Mul(l, sixth)\ny = Mul(m, c)", "y = Div(l, six)")):
    case(f"conv hard swish {i}", *PLANE, SWISH + tail, "FusedConv", **K)
case("conv hard swish given", *PLANE, f"c = Conv{CONV}(x, w)\nh = HardSigmoid<alpha=0.1666667>(c)\ny = Mul(c, h)",
     "FusedConv", **K)
case("conv wrong swish", *PLANE, f"""c = Conv{CONV}(x, w, b)
    a = Add(c, three)
    l = Clip(a, zero, three)
    m = Mul(c, l)
    y = Div(m, six)""", "not FusedConv", **K)
case("conv affine", *PLANE, SWISH + """m = Mul(c, l)
    d = Div(m, six)
    e = Mul(half, d)
    y = Add(e, three)""", "FusedConv", **K)
case("conv residual", *PLANE, f"""c = Conv{CONV}(x, w)
    e = BatchNormalization(c, g, b, b, v)
    o = Conv<pads=[0,0,0,0]>(x, q)
    a = Add(e, o)
    y = Relu(a)""", "Conv FusedConv", q=(6, 4, 1, 1), **K)
case("conv residual of itself", *PLANE, f"c = Conv{CONV}(x, w)\na = Add(c, c)\ny = Relu(a)", "not FusedConv", **K)
case("conv residual broadcast", *PLANE, f"c = Conv{CONV}(x, w)\ng0 = GlobalAveragePool(c)\ny = Add(c, g0)", **K)
case("conv double", "double[1,1,5,5] x", "double[1,1,3,3] y", "c = Conv(x, w)\ny = Relu(c)",
     "not FusedConv", w=np.ones((1, 1, 3, 3)))
case("transposed", "float[2,4,5,6] x", "float[2,6,10,12] y", """c = ConvTranspose<strides=[2,2], group=2>(x, u)
    d = Add(c, t)
    e = BatchNormalization(d, g, b, b, v)
    y = Relu(e)""", "ConvTranspose", u=(4, 3, 2, 2), **K)


# ── projections ──

def quantised(name, n, seed):
    """Constants of a MatMulNBits with K = 32."""
    random = np.random.default_rng(seed)
    return {f"{name}w": random.integers(0, 256, (n, 2, 8), np.uint8),
            f"{name}s": (random.random(n * 2) * 0.1).astype(np.float32),
            f"{name}z": random.integers(0, 256, (n, 1), np.uint8),
            f"{name}b": random.random(n).astype(np.float32)}


def product(y, x, name, n, inputs="{0}w, {0}s", bits=4):
    return (f"{y} = com.microsoft.MatMulNBits<K=32, N={n}, bits={bits}, block_size=16>"
            f"({x}, {inputs.format(name)})\n")


Q, K, V = quantised("q", 24, 1), quantised("k", 7, 2), quantised("v", 16, 3)
WIDE = "float[2,5,32] x"
case("projections", WIDE, "float[2,5,24] q, float[2,5,7] k, float[2,5,16] v",
     product("q", "x", "q", 24) + product("k", "x", "k", 7, "{0}w, {0}s, {0}z") +
     product("v", "x", "v", 16, '{0}w, {0}s, {0}z, "", {0}b'.replace('""', "")),
     "MatMulNBitsGroup", **Q, **K, **V)
case("two of three projections", WIDE, "float[2,5,24] q, float[2,5,16] v, float[2,5,24] z",
     product("q", "x", "q", 24) + "m = Sin(x)\n" + product("z", "m", "q", 24) +
     product("v", "x", "v", 16), "MatMulNBitsGroup Sin MatMulNBits", **Q, **V)
case("projections of other blocks", WIDE, "float[2,5,24] q, float[2,5,16] v",
     product("q", "x", "q", 24) + product("v", "x", "v", 16).replace("N=16", "N=16, accuracy_level=1"),
     **Q, **V)
case("projections of computed weights", WIDE + ", uint8[16,2,8] vw", "float[2,5,24] q, float[2,5,16] v",
     product("q", "x", "q", 24) + product("v", "x", "v", 16),
     **Q, **{k: v for k, v in V.items() if k != "vw"})
