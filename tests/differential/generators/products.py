"""Matrix products."""

import numpy as np

from cases import F32, generator, is_float


def small(g, dtype, shape):
    return g.array(dtype, shape, 0.02 if is_float(dtype) else 0, -9, 9)


def product_shapes(g, most=6):
    """Shapes that MatMul takes, vectors and broadcast batches included."""
    m, k, n = (g.dim(0 if g.chance(0.1) else 1) for _ in range(3))
    if g.chance(0.15):
        k, n = g.pick([127, 128, 129, 200, 300]), g.pick([1, 5, 31, 64, 65])
    style = g.int(0, 9)
    if style == 0:
        return (k,), (k,)
    if style == 1:
        return (k,), (*g.shape(0, 2, 20), k, n)
    if style == 2:
        return (*g.shape(0, 2, 20), m, k), (k,)
    a, b = g.broadcast(2, most - 2, 12) if style > 4 else ((), ())
    return (*a, m, k), (*b, k, n)


@generator("MatMul")
def matmul(g):
    g.version()
    dtype = g.type()
    a, b = product_shapes(g)
    return g.case("MatMul", [small(g, dtype, a), small(g, dtype, b)], rtol=1e-5, atol=1e-6)


@generator("Gemm")
def gemm(g):
    schema = g.version()
    dtype = g.type()
    m, k, n = (g.dim(0 if g.chance(0.05) else 1) for _ in range(3))
    ta, tb = g.int(0, 1), g.int(0, 1)
    a, b = small(g, dtype, (k, m) if ta else (m, k)), small(g, dtype, (n, k) if tb else (k, n))
    needs = schema.since_version < 11
    c = small(g, dtype, g.onto((m, n))) if needs or g.chance(0.6) else None
    more = g.attributes(alpha=g.pick([0.5, 2.0, 1.0, -1.5]) if is_float(dtype) else 1.0,
                        beta=g.pick([0.5, 2.0, 0.0, 1.0]) if is_float(dtype) else 1.0)
    more |= {k: v for k, v in (("transA", ta), ("transB", tb)) if v or g.chance(0.3)}
    return g.case("Gemm", [a, b, c], more, rtol=1e-5, atol=1e-6)


@generator("MatMulInteger")
def matmul_integer(g):
    g.version()
    ta, tb = g.pick(g.types("T1")), g.pick(g.types("T2"))
    a, b = product_shapes(g, 4)
    x, y = g.ints(a, ta), g.ints(b, tb)
    za = g.ints((), ta) if g.chance(0.6) else None
    zb = None
    if g.chance(0.6):
        zb = g.ints((b[-1],) if len(b) == 2 and g.chance(0.5) else (), tb)
        if za is None and g.chance(0.5):
            za = g.ints((), ta)
    return g.case("MatMulInteger", [x, y, za, zb])


@generator("Einsum")
def einsum(g):
    g.version()
    forms = ["ij,jk->ik", "ij,jk", "bij,bjk->bik", "i,i->", "i,j->ij", "ij->ji", "ij->i", "ij->",
             "ii->i", "ii", "bhid,bhjd->bhij", "...ij,...jk->...ik", "...ij->...ji", "ij,ij->ij",
             "ijk,jl->ikl", "i,ij,j->", "ij,kj->ik", "bij,jk->bik", "...i->...", "ab,bc,cd->ad",
             "iij->j", "ij,j->i", "bn,anm,bm->ba"]
    form = g.pick(forms)
    sizes = {c: g.int(0 if g.chance(0.03) else 1, 7) for c in "abcdhijklmn"}
    batch = g.shape(0, 2, 12)
    dtype = g.type()
    inputs = []
    for term in form.split("->")[0].split(","):
        whole = tuple(batch) if "..." in term else ()
        if whole and g.chance(0.3):
            whole = tuple(1 if g.chance(0.4) else d for d in whole)
        inputs.append(small(g, dtype, whole + tuple(sizes[c] for c in term.replace("...", ""))))
    if g.chance(0.3):
        form = form.replace(",", " , ").replace("->", " -> ")
    return g.case("Einsum", inputs, {"equation": form}, rtol=2e-5, atol=1e-6)


@generator("Det")
def det(g):
    g.version()
    n = g.int(1, 7)
    return g.case("Det", [g.floats((*g.shape(0, 2, 10), n, n), g.type(), special=0)], rtol=1e-4,
                  atol=1e-5)
