"""Whether two engines' results agree.

Types, shapes, integers and booleans are exact; NaN equals NaN and 0 equals -0. A float result may
first differ by a few units of its type's last place, or by what the case allows. One that differs by
more is held against how far the reference itself moves when its inputs and every intermediate value
are moved by a few units in the last place: the arithmetic's own condition, so a long sum or a
cancellation is judged by its terms and not by what is left of them.
"""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

import engines
from cases import BF16, F16, F32, F64, is_float

UNIT = {F32: 2.0**-23, F64: 2.0**-52, F16: 2.0**-10, BF16: 2.0**-7}
TINY = {F32: 1e-37, F64: 1e-290, F16: 2.0**-23, BF16: 1e-37}    # where units stop shrinking
TRIALS, REACH = 4, 12.0


def base_rtol(case, dtype):
    if dtype == F32:
        return case.rtol or 64 * UNIT[F32]
    if dtype == F64:
        return 1e-12
    return 2.01 * UNIT[dtype]


def wide(array):
    return array.astype(np.float64)


def distance(ours, theirs):
    """|ours - theirs| in float64: 0 where equal or both NaN, infinite where one is not finite."""
    a, b = wide(ours), wide(theirs)
    with np.errstate(all="ignore"):
        gap = np.abs(a - b)
        gap = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0, gap)
    return np.where(np.isfinite(gap), gap, np.inf)


def allowance(case, theirs):
    b = np.abs(np.where(np.isfinite(wide(theirs)), wide(theirs), 0))
    unit = base_rtol(case, theirs.dtype)
    if case.coarse and theirs.dtype == F64:     # the reference worked in f32
        unit = base_rtol(case, np.dtype(F32))
    return unit * b + case.atol + TINY[theirs.dtype]


def noisy(case, arrays, rng):
    """The model with every float value, given or computed, moved by a few units."""
    model = case.model()
    feeds = dict(case.feeds())
    # half precision: where the engines round is up to them
    unit = 4 * max([UNIT[a.dtype] for a in (*case.values.values(), *arrays.values())
                    if a.dtype in UNIT and a.dtype != F64] or [UNIT[F32 if case.coarse else F64]])

    def factor(shape, dtype):
        return (1 + unit * rng.uniform(-1, 1, shape)).astype(dtype if dtype == F64 else F32)

    def moved(array):
        with np.errstate(all="ignore"):
            return np.asarray(array.astype(F64) * factor(array.shape, F64)).astype(array.dtype)

    values = {k: moved(v) if is_float(v.dtype) else v for k, v in case.values.items()}
    feeds = {k: values[k] for k in feeds}
    for tensor in model.graph.initializer:
        if is_float(case.values[tensor.name].dtype):
            tensor.CopyFrom(numpy_helper.from_array(values[tensor.name], tensor.name))
    if len(case.nodes) > 1:
        nodes, taken = list(model.graph.node), []
        for node in nodes:
            node = type(node).FromString(node.SerializeToString())
            after = []
            for i, name in enumerate(node.output):
                if name in arrays and arrays[name].dtype in (F32, F64):
                    node.output[i] = name + "_exact"
                    by = factor(arrays[name].shape, arrays[name].dtype)
                    model.graph.initializer.append(numpy_helper.from_array(by, name + "_by"))
                    after.append(helper.make_node("Mul", [name + "_exact", name + "_by"], [name]))
            taken += [node, *after]
        del model.graph.node[:]
        model.graph.node.extend(taken)
    return model, feeds, values


def intermediates(case):
    """Every value that the nodes compute, by name, as onnxruntime has it."""
    names = [o for n in case.nodes for o in n.outputs if o]
    everything = case.but(outputs=names)
    ys = engines.run_ort(everything.model().SerializeToString(), everything.feeds())
    return dict(zip(names, ys))


def spread(case, theirs, runner):
    """How far each result moves under noise: an array a result (counts of change for integers)."""
    rng = np.random.default_rng(1)
    try:
        arrays = intermediates(case) if len(case.nodes) > 1 else dict(zip(case.outputs, theirs))
    except engines.Refused:
        return None
    moves = [np.zeros(y.shape) for y in theirs]
    done = 0
    for _ in range(TRIALS):
        try:
            ys = runner(*noisy(case, arrays, rng))
        except engines.Refused:
            continue
        if any(a.shape != b.shape for a, b in zip(ys, theirs)):
            return [np.full(y.shape, np.inf) for y in theirs]   # the very shape hangs on rounding
        done += 1
        for move, a, b in zip(moves, ys, theirs):
            np.maximum(move, distance(a, b), out=move)
    return moves if done else None


def first(gap, ours, theirs, name):
    at = int(np.argmax(gap.reshape(-1)))
    where = tuple(int(i) for i in np.unravel_index(at, gap.shape)) if gap.ndim else ()
    return (f"{name}: {int((gap > 0).sum())} of {gap.size} differ, most at {list(where)}: "
            f"{ours.reshape(-1)[at]!s} where {theirs.reshape(-1)[at]!s} is expected")


def compare(case, ours, theirs, runner):
    """None where they agree, else a line that says how they differ."""
    moves = None
    for i, (name, a, b) in enumerate(zip(case.outputs, ours, theirs)):
        if a.dtype != b.dtype:
            return f"{name}: type is {a.dtype}, {b.dtype} is expected"
        if a.shape != b.shape:
            return f"{name}: shape is {list(a.shape)}, {list(b.shape)} is expected"
        if not a.size:
            continue
        gap = distance(a, b)
        if is_float(b.dtype):
            gap = np.where(gap > allowance(case, b), gap, 0)
        elif b.dtype != bool:
            gap = np.where(gap > case.steps, gap, 0)
        if not gap.any():
            if not is_float(b.dtype) and b.dtype.itemsize == 8 and not case.steps and \
                    not np.array_equal(a, b):
                return f"{name}: {int((a != b).sum())} of {a.size} differ in the low bits"
            continue
        if any(is_float(v.dtype) for v in case.values.values()):
            if moves is None:
                moves = spread(case, theirs, runner)
            if moves is not None:
                near = moves[i] * REACH + (allowance(case, b) if is_float(b.dtype) else 0)
                gap = np.where(gap > near, gap, 0)
        if gap.any():
            return first(gap, a, b, name)
    return None
