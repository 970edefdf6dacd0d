"""Graphs of 2 to 8 nodes over the elementwise, movement, reduction, product and norm operators."""

import numpy as np

from cases import F32, Case, Node, generator, is_float

UNARY = ["Relu", "Tanh", "Sigmoid", "Abs", "Neg", "Exp", "Floor", "Sqrt", "Identity", "Sign", "Erf",
         "LeakyRelu", "Softplus", "Reciprocal", "HardSigmoid", "Ceil", "Elu"]
BINARY = ["Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "Mean", "Sum"]
REDUCE = ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL2",
          "ReduceSumSquare"]


class Build:
    """Nodes so far, and the shape and type of every value."""

    def __init__(self, g):
        self.g, self.nodes, self.values, self.constants, self.kinds = g, [], {}, set(), {}

    def given(self, array, constant):
        name = f"x{len(self.values)}"
        self.values[name] = array
        if constant:
            self.constants.add(name)
        self.kinds[name] = (array.dtype, array.shape)
        return name

    def add(self, op, inputs, dtype, shape, **attributes):
        name = f"v{len(self.nodes)}"
        self.nodes.append(Node(op, inputs, [name], attributes))
        self.kinds[name] = (np.dtype(dtype), tuple(shape))
        return name

    def ints(self, *values):
        return self.given(np.array(values, np.int64), self.g.chance(0.8))

    def find(self, test):
        names = [n for n, (d, s) in self.kinds.items() if test(d, s)]
        # later values more often, so that graphs are deep
        return names[-1 - min(int(self.g.rng.exponential(2)), len(names) - 1)] if names else None


def step(b):
    g = b.g
    x = b.find(lambda d, s: d == F32)
    shape = b.kinds[x][1]
    rank = len(shape)
    kind = g.int(0, 13)
    if kind <= 1:
        return b.add(g.pick(UNARY), [x], F32, shape)
    if kind <= 3:
        y = b.find(lambda d, s: d == F32 and fits(shape, s) and (g.chance(0.5) or s != shape))
        if y is None or g.chance(0.3):
            y = b.given(g.floats(g.onto(shape), special=0), g.chance(0.5))
        pair = [x, y] if g.chance(0.5) else [y, x]
        return b.add(g.pick(BINARY), pair, F32, np.broadcast_shapes(shape, b.kinds[y][1]))
    if kind == 4 and rank:
        axes = g.some(list(range(rank)), 1)
        keep = g.int(0, 1)
        left = [1 if i in axes else d for i, d in enumerate(shape) if keep or i not in axes]
        op = g.pick(REDUCE)
        if op in ("ReduceMax", "ReduceMin", "ReduceMean") and 0 in shape:
            op = "ReduceSum"
        return b.add(op, [x, b.ints(*axes)], F32, left, keepdims=keep)
    if kind == 5 and rank > 1:
        perm = [int(i) for i in g.rng.permutation(rank)]
        return b.add("Transpose", [x], F32, [shape[i] for i in perm], perm=perm)
    if kind == 6:
        total = int(np.prod(shape, dtype=np.int64))
        new = g.pick([[-1], [1, -1], [total], list(shape[::-1]), [*shape, 1]]) if total else [total]
        known = [total // max(int(np.prod([d for d in new if d > 0], dtype=np.int64)), 1)
                 if d == -1 else d for d in new]
        return b.add("Reshape", [x, b.ints(*new)], F32, known, allowzero=1 if 0 in new else 0) \
            if b.g.opset >= 14 else b.add("Identity", [x], F32, shape)
    if kind == 7 and rank:
        axis = g.int(0, rank - 1)
        start, end = sorted((g.int(0, shape[axis]), g.int(0, shape[axis])))
        length = [end - start if i == axis else d for i, d in enumerate(shape)]
        return b.add("Slice", [x, b.ints(start), b.ints(end), b.ints(axis)], F32, length)
    if kind == 8 and rank:
        axis = g.int(0, rank - 1)
        y = b.find(lambda d, s: d == F32 and len(s) == rank and
                   all(p == q for i, (p, q) in enumerate(zip(s, shape)) if i != axis))
        size = [b.kinds[y][1][i] + d if i == axis else d for i, d in enumerate(shape)]
        return b.add("Concat", [x, y], F32, size, axis=axis)
    if kind == 9 and rank and shape[-1]:
        n = g.int(1, 9)
        w = b.given(g.floats((shape[-1], n), special=0), g.chance(0.7))
        return b.add("MatMul", [x, w], F32, [*shape[:-1], n])
    if kind == 10 and rank and 0 not in shape:
        if g.chance(0.5):
            return b.add("Softmax", [x], F32, shape, axis=g.int(-rank, rank - 1))
        scale = b.given(g.floats(shape[-1:], special=0), g.chance(0.7))
        bias = b.given(g.floats(shape[-1:], special=0), g.chance(0.7))
        return b.add("LayerNormalization", [x, scale, bias], F32, shape) if g.opset >= 17 else \
            b.add("Add", [x, bias], F32, shape)
    if kind == 11:
        y = b.given(g.floats(g.onto(shape), special=0), True)
        test = b.add(g.pick(["Less", "Greater", "Equal"]), [x, y], bool, shape)
        return b.add("Where", [test, x, y], F32, shape)
    if kind == 12 and rank and shape[0]:
        count = g.int(0 if g.chance(0.1) else 1, 5)
        index = b.given(g.ints((count,), np.int64, -shape[0], shape[0] - 1), g.chance(0.6))
        return b.add("Gather", [x, index], F32, [count, *shape[1:]])
    if kind == 13:      # sizes that are computed: Shape to Reshape or Expand
        size = b.add("Shape", [x], np.int64, (rank,))
        y = b.find(lambda d, s: d == F32 and int(np.prod(s)) == int(np.prod(shape)))
        if y and 0 not in shape:
            return b.add("Reshape", [y, size], F32, shape)
        one = b.given(g.floats((), special=0), True)
        return b.add("Expand", [one, size], F32, shape)
    if rank < 5:
        axis = g.int(0, rank)
        return b.add("Unsqueeze", [x, b.ints(axis)], F32, [*shape[:axis], 1, *shape[axis:]])
    return b.add("Clip", [x, b.given(np.float32(-1.0), True)], F32, shape)


def fits(a, b):
    try:
        whole = np.broadcast_shapes(a, b)
    except ValueError:
        return False
    return int(np.prod(whole, dtype=np.int64)) <= 3000 and len(whole) <= 6


@generator("Graph")
def graph(g):
    """Of f32 values, with sizes and conditions among them."""
    g.opset = g.pick([18, 18, 19, 20, 21, 22, 23, 24])
    b = Build(g)
    for _ in range(g.int(1, 2)):
        b.given(g.floats(g.shape(0, 4, 200, dim_least=0 if g.chance(0.1) else 1), special=0.02),
                False)
    for _ in range(g.int(2, 8)):
        step(b)
    used = {i for n in b.nodes for i in n.inputs}
    made = [n.outputs[0] for n in b.nodes]
    outputs = [m for m in made if m not in used or g.chance(0.15)]
    values = {k: v for k, v in b.values.items() if k in used}
    free = {k for k in values if k not in b.constants} if g.chance(0.3) else set()
    return Case(b.nodes, values, outputs, g.opset, b.constants & set(values), free, name=g.name,
                rtol=2e-5, atol=1e-6)
