"""The graphs of tests/passes/run, as text: what a pass finds, and what it must leave alone."""

import numpy as np

CASES = []


def case(name, inputs, outputs, body, after=None, opset=17, tolerance=1e-5, **constants):
    """`after`: the operators of the rewritten plan in order; None where it must stay as it is."""
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
     "a = LeakyRelu<alpha=0.5>(x)\nb = LeakyRelu<alpha=0.25>(x)\ny = Max(a, b)")
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
case("rms wrong axis", *ROWS, RMS_BODY.replace("AXIS", "1"), **RMS)
case("rms wrong power", *ROWS, RMS_BODY.replace("AXIS", "-1"), **{**RMS, "two": 3.0})
case("rms eps not a number", *ROWS, RMS_BODY.replace("AXIS", "-1"), **{**RMS, "eps": (3, 1)})
case("rms second reader", ROWS[0], "float[2,3,8] y, float[2,3,1] z",
     RMS_BODY.replace("AXIS", "-1") + "\nz = Neg(s)", **RMS)
case("rms inner output", ROWS[0], "float[2,3,8] y, float[2,3,8] n",
     RMS_BODY.replace("AXIS", "-1"), **RMS)
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
