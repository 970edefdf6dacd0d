"""What a case is, and how generators draw one.

A generator is a function of a Draw, registered under the operators it covers:

    @generator("Relu", "Tanh")
    def one_input(g):
        return g.case(g.op, [g.floats(g.shape())])

It must answer a valid model for every random number: attributes, types, ranks and shapes that the
operator's definition allows at the opset drawn. The same seed, name and index draw the same case.
"""

import zlib
from dataclasses import dataclass, field, replace

import ml_dtypes
import numpy as np
import onnx
from onnx import helper, numpy_helper

from engines import CODES

MS = "com.microsoft"
BF16 = np.dtype(ml_dtypes.bfloat16)
F16, F32, F64 = np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64)
I4, U4 = np.dtype(ml_dtypes.int4), np.dtype(ml_dtypes.uint4)
FLOATS = (F32, F64, F16, BF16)
PLAIN = {"tensor(float)": F32, "tensor(double)": F64, "tensor(float16)": F16,
         "tensor(bfloat16)": BF16, "tensor(bool)": np.dtype(bool)}
PLAIN |= {f"tensor({s}int{b})": np.dtype(f"{s}int{b}") for s in ("", "u") for b in (8, 16, 32, 64)}
LAST_OPSET = 26


def is_float(dtype):
    return np.dtype(dtype) in FLOATS


@dataclass
class Node:
    op: str
    inputs: list            # names, "" where left out
    outputs: list
    attributes: dict = field(default_factory=dict)
    domain: str = ""


@dataclass
class Case:
    nodes: list
    values: dict                                # name: array of every graph input and constant
    outputs: list                               # names
    opset: int
    constants: set = field(default_factory=set)  # values that are initializers
    free: set = field(default_factory=set)      # inputs declared without their sizes
    rtol: float = None      # of f32 results; None: see compare.py
    atol: float = 0.0       # of f32 and f64 results
    steps: int = 0          # integer results may differ by so much (rounding left open)
    reference: str = "any"  # "ort" or "onnx": the only engine to ask
    coarse: bool = False    # f64 results are known to f32 only
    formula: object = None  # of case.values: gives the results in float64, where no engine does
    name: str = ""

    @property
    def op(self):
        return self.nodes[0].op if len(self.nodes) == 1 else "graph"

    def but(self, **changes):
        return replace(self, **changes)

    def feeds(self):
        return {k: v for k, v in self.values.items() if k not in self.constants}

    def model(self, infos=None):
        """The ModelProto. `infos` are outputs' arrays, to declare their types and shapes."""
        inputs, initial = [], []
        for name, array in self.values.items():
            if name in self.constants:
                initial.append(numpy_helper.from_array(array, name))
            else:
                shape = array.shape
                if name in self.free:
                    shape = [f"{name}_{i}" for i in range(array.ndim)]
                inputs.append(helper.make_tensor_value_info(name, CODES[array.dtype], shape))
        outputs = [onnx.ValueInfoProto(name=name) for name in self.outputs]
        for i, array in enumerate(infos or []):
            outputs[i] = helper.make_tensor_value_info(self.outputs[i], CODES[array.dtype],
                                                       array.shape)
        nodes = [helper.make_node(n.op, n.inputs, n.outputs, name=f"n{i}", domain=n.domain,
                                  **n.attributes) for i, n in enumerate(self.nodes)]
        graph = helper.make_graph(nodes, "case", inputs, outputs, initial)
        opsets = [helper.make_opsetid("", self.opset)]
        if any(n.domain for n in self.nodes):
            opsets.append(helper.make_opsetid(MS, 1))
        return helper.make_model(graph, opset_imports=opsets,
                                 ir_version=10 if self.opset < 24 else 12)


GENERATORS = {}     # name: function
COVERED = {}        # (domain, operator): name of the generator


def generator(*ops, domain=""):
    def register(function):
        for op in ops:
            name = f"ms.{op}" if domain else op
            GENERATORS[name] = function
            COVERED[domain, op] = name
        return function
    return register


SCHEMAS = {}


def versions(op):
    """since_version: schema, of the default domain."""
    if not SCHEMAS:
        for s in onnx.defs.get_all_schemas_with_history():
            if s.domain == "":
                SCHEMAS.setdefault(s.name, {})[s.since_version] = s
    return SCHEMAS[op]


SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.5, 1e-40, 1e15])
DIMS = np.array([0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 5, 5, 6, 7, 8, 9, 11, 13, 16, 17, 33, 64, 70])


class Draw:
    """The random choices of one case. `op` is the operator asked for."""

    def __init__(self, name, seed, index):
        self.name = f"{name}-{seed}-{index}"
        self.op = name.removeprefix("ms.")
        self.domain = MS if name.startswith("ms.") else ""
        self.rng = np.random.default_rng([seed, zlib.crc32(name.encode()), index])
        self.opset = LAST_OPSET

    # choices
    def chance(self, p):
        return self.rng.random() < p

    def int(self, low, high):
        """low..high, both included."""
        return int(self.rng.integers(low, high + 1))

    def pick(self, items):
        return items[int(self.rng.integers(len(items)))]

    def some(self, items, least=0):
        """A random subset in random order."""
        count = self.int(min(least, len(items)), len(items))
        return [items[i] for i in self.rng.permutation(len(items))[:count]]

    def version(self, least=7, most=LAST_OPSET):
        """Draws the opset: each meaning of the operator as often as the others, within a range.
        Remembers it, and answers the schema."""
        known = sorted(versions(self.op))
        chosen = [v for i, v in enumerate(known)
                  if v <= most and (i + 1 == len(known) or known[i + 1] > least)]
        start = self.pick(chosen)
        last = min([v - 1 for v in known if v > start] + [most])
        self.opset = self.int(max(start, least), last)
        self.schema = versions(self.op)[start]
        return self.schema

    def types(self, variable="T", but=()):
        """The plain element types that the drawn schema allows for a type variable."""
        for constraint in self.schema.type_constraints:
            if constraint.type_param_str == variable:
                found = [PLAIN[t] for t in sorted(constraint.allowed_type_strs) if t in PLAIN]
                return [t for t in found if t not in but]
        raise KeyError(f"{self.op} has no type variable {variable}")

    def type(self, variable="T", but=(), common=0.4):
        """One of them, float more often."""
        allowed = self.types(variable, but)
        if F32 in allowed and self.chance(common):
            return F32
        return self.pick(allowed)

    # shapes
    def dim(self, least=0, most=70):
        while True:
            d = int(self.pick(DIMS))
            if least <= d <= most and (d or self.chance(0.35)):
                return d

    def shape(self, least=0, most=6, elements=1500, dim_least=0):
        rank = self.int(least, most)
        shape = [self.dim(dim_least) for _ in range(rank)]
        while np.prod([d for d in shape if d], dtype=np.int64) > elements:
            i = int(np.argmax(shape))
            shape[i] = max(shape[i] // 2, 1)
        return tuple(shape)

    def broadcast(self, count, most=6, elements=1500):
        """Shapes that broadcast together."""
        whole = self.shape(0, most, elements)
        shapes = []
        for _ in range(count):
            cut = self.int(0, len(whole)) if self.chance(0.4) else 0
            shape = [1 if self.chance(0.2) else d for d in whole[cut:]]
            shapes.append(tuple(shape))
        return shapes

    def onto(self, shape):
        """A shape that broadcasts to `shape` alone."""
        cut = self.int(0, len(shape)) if self.chance(0.5) else 0
        return tuple(1 if self.chance(0.25) else d for d in shape[cut:])

    # values
    def floats(self, shape, dtype=F32, scale=None, special=0.06, positive=False):
        style = self.int(0, 5)
        if scale is None:
            scale = 1.0 if style < 3 else self.pick([0.01, 3.0, 30.0])
        values = self.rng.standard_normal(shape) * scale
        if style == 4:
            values = np.round(values * 2) / 2
        if positive:
            values = np.abs(values) + 0.01
        values = np.asarray(values)
        if special and self.chance(special) and values.size:
            spots = self.rng.integers(0, values.size, max(1, values.size // 8))
            values.reshape(-1)[spots] = self.rng.choice(SPECIAL, len(spots))
        with np.errstate(all="ignore"):
            return values.astype(dtype)

    def mild(self, *shape):
        """Normal numbers without special ones."""
        return self.rng.standard_normal(shape).astype(F32)

    def ints(self, shape, dtype=np.int64, low=None, high=None):
        info = ml_dtypes.iinfo(dtype) if dtype in (I4, U4) else np.iinfo(dtype)
        low = int(info.min) if low is None else max(low, int(info.min))
        high = int(info.max) if high is None else min(high, int(info.max))
        if dtype in (I4, U4):
            return self.rng.integers(low, high + 1, shape, dtype=np.int8).astype(dtype)
        return self.rng.integers(low, high, shape, dtype=dtype, endpoint=True)

    def bools(self, shape):
        return self.rng.integers(0, 2, shape).astype(bool)

    def array(self, dtype, shape, special=0.06, low=-50, high=50):
        """Values of any type; integers small, or now and then over the whole range."""
        dtype = np.dtype(dtype)
        if dtype == bool:
            return self.bools(shape)
        if is_float(dtype):
            return self.floats(shape, dtype, special=special)
        if special and self.chance(special):
            return self.ints(shape, dtype)
        return self.ints(shape, dtype, low, high)

    def attributes(self, **choices):
        """Each attribute by chance left out (then its default holds)."""
        return {k: v for k, v in choices.items() if v is not None and self.chance(0.75)}

    # cases
    def case(self, op, inputs, attributes=None, outputs=1, const=(), domain=None, **more):
        """One node. `inputs` are arrays, None where left out; `const` are the positions of inputs
        that must be initializers (others are by chance); `outputs` their number or positions."""
        inputs = list(inputs)
        while inputs and inputs[-1] is None:
            inputs.pop()
        names = ["" if a is None else f"x{i}" for i, a in enumerate(inputs)]
        values = {f"x{i}": np.asarray(a) for i, a in enumerate(inputs) if a is not None}
        positions = list(range(outputs)) if isinstance(outputs, int) else list(outputs)
        results = [f"y{i}" if i in positions else "" for i in range(max(positions) + 1)]
        constants = {f"x{i}" for i in const if f"x{i}" in values}
        habit = self.int(0, 5)      # of constants: none, all but the first, some
        for i, name in enumerate(values):
            if habit == 1 and i > 0 or habit == 2 and self.chance(0.4):
                constants.add(name)
            if values[name].dtype in (I4, U4):
                constants.add(name)
        free = {n for n in values if n not in constants} if self.chance(0.15) else set()
        node = Node(op, names, results, attributes or {},
                    self.domain if domain is None else domain)
        return Case([node], values, [r for r in results if r], self.opset, constants, free,
                    name=self.name, **more)


def draw(name, seed, index):
    return GENERATORS[name](Draw(name, seed, index))
