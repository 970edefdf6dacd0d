"""Hostile models: name to (bytes or a function of the folder, words that the error must hold).

Each opens with what it is meant to break. Where onnx.helper refuses to write such a thing, the
protobuf is written by hand with `field`.
"""

import numpy as np
from onnx import AttributeProto, TensorProto, helper, numpy_helper

F, I64 = TensorProto.FLOAT, TensorProto.INT64
MODELS = {}


def varint(value):
    value &= (1 << 64) - 1
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number, value):
    """One field of protobuf's wire format: an integer, or bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def model(nodes, inputs=(("x", F, [2, 3]),), outputs=("y",), tensors=(), functions=(), opset=17):
    infos = [helper.make_tensor_value_info(*i) for i in inputs]
    results = [helper.make_empty_tensor_value_info(o) for o in outputs]
    graph = helper.make_graph(list(nodes), "g", infos, results, list(tensors))
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("local", 1),
               helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=imports, functions=list(functions),
                             ir_version=9).SerializeToString()


def node(op, inputs, outputs=("y",), name="bad", **attributes):
    return helper.make_node(op, list(inputs), list(outputs), name=name, **attributes)


def tensor(name, kind, dims, raw=b"", extra=b""):
    """A TensorProto by hand: whatever dims and bytes."""
    data = b"".join(field(1, d) for d in dims) + field(2, kind) + field(8, name)
    return data + (field(9, raw) if raw is not None else b"") + extra


def with_tensor(proto):
    """Identity of an initialiser that is given as bytes."""
    graph = field(1, node("Identity", ["w"]).SerializeToString()) + field(2, "g")
    graph += field(5, proto)
    graph += field(12, helper.make_empty_tensor_value_info("y").SerializeToString())
    return field(1, 9) + field(8, field(2, 17)) + field(7, graph)


def external(location, offset=None, length=None):
    def entry(key, value):
        return field(13, field(1, key) + field(2, str(value)))
    extra = entry("location", location) + field(14, 1)
    if offset is not None:
        extra += entry("offset", offset)
    if length is not None:
        extra += entry("length", length)
    return with_tensor(tensor("w", F, [4], None, extra))


def add(name, data, *words):
    MODELS[name] = (data, words)


def op(name, node_, *words, **parts):
    """A node that its rule or kernel must refuse: file, node and reason are named."""
    add(name, model([node_], **parts), "node bad", *words)


def const(name, values, dtype=np.int64):
    return numpy_helper.from_array(np.array(values, dtype), name)


# ── The file ──

add("empty", b"", "malformed ModelProto")
add("text", b"This is not a model.\n" * 20, "malformed ModelProto")
add("zeros", bytes(1000), "malformed ModelProto")
add("ones", b"\xff" * 1000, "malformed ModelProto")
add("no_graph", field(1, 9) + field(8, field(2, 17)), "malformed ModelProto")
add("length_beyond_end", field(1, 9) + varint(7 << 3 | 2) + varint(1 << 62) + b"xx",
    "malformed ModelProto")
add("endless_varint", field(1, 9) + b"\x3a" + b"\x80" * 200, "malformed ModelProto")

# ── Names and wiring ──

add("cycle", model([node("Add", ["x", "b"], ["a"], "first"), node("Neg", ["a"], ["b"], "second"),
                    node("Identity", ["b"], name="last")]), "cycle")
op("own_output", node("Add", ["x", "y"]), "its own output")
add("input_from_nowhere", model([node("Neg", ["ghost"])]), "node bad", "ghost",
    "produced by no node")
add("output_from_nowhere", model([node("Neg", ["x"])], outputs=["ghost"]), "ghost",
    "produced by no node")
add("two_producers", model([node("Neg", ["x"]), node("Abs", ["x"])]), "y",
    "produced more than once")
add("two_inputs_of_a_name", model([node("Neg", ["x"])],
                                  inputs=[("x", F, [2]), ("x", F, [3])]), "input x appears twice")
add("two_initialisers_of_a_name", model([node("Neg", ["w"])],
                                        tensors=[const("w", [1]), const("w", [2])]),
    "initializer w appears twice")
add("output_named_as_input", model([node("Neg", ["x"], ["x"])], outputs=["x"]),
    "produced more than once")
op("unknown_operator", node("Frobnicate", ["x"]), "Frobnicate", "not supported")
op("unknown_domain", node("Add", ["x", "x"], domain="org.example"), "org.example", "not supported")
op("operator_of_the_planner", node("Elementwise", ["x"], domain="brink"), "brink::Elementwise",
   "not supported")
op("operator_of_a_later_opset", node("Gelu", ["x"]), "not supported at opset 5", opset=5)

# ── Sizes ──

add("negative_dimension", with_tensor(tensor("w", F, [-4], bytes(16))), "tensor w", "-4")
add("overflowing_dimensions", with_tensor(tensor("w", F, [1 << 40, 1 << 40], bytes(16))),
    "tensor w", "overflow")
add("overflowing_empty_dimensions",
    with_tensor(tensor("w", F, [0, 1 << 62, 1 << 62], b"")), "w", "overflow")
add("absurd_size", with_tensor(tensor("w", F, [1 << 40], bytes(16))), "tensor w", "16 bytes",
    str(4 << 40))
add("bytes_missing", with_tensor(tensor("w", F, [5], bytes(16))), "tensor w", "16 bytes", "20")
add("list_missing", with_tensor(tensor("w", F, [1 << 30], None)), "tensor w", "0 elements")
add("nine_dimensions", with_tensor(tensor("w", F, [1] * 9, bytes(4))), "tensor w",
    "more than 8 dimensions")
add("unknown_type", with_tensor(tensor("w", 99, [1], bytes(4))), "tensor w", "element type 99")
add("many_dimensions_of_an_input", model([node("Neg", ["x"])], inputs=[("x", F, [1] * 12)]),
    "more than 8 dimensions")
add("negative_dimension_of_an_input", model([node("Neg", ["x"])], inputs=[("x", F, [2, -7])]),
    "malformed dimension")
op("reshape_overflows", node("Reshape", ["x", "s"]), "overflow",
   tensors=[const("s", [1 << 40, 1 << 40, -1])])
op("constant_of_an_overflowing_shape", node("ConstantOfShape", ["s"]), "overflow",
   tensors=[const("s", [1 << 31, 1 << 31, 1 << 31])], inputs=[])
op("constant_of_a_negative_shape", node("ConstantOfShape", ["s"]), "negative",
   tensors=[const("s", [-5])], inputs=[])
op("expand_overflows", node("Expand", ["x", "s"]), "overflow",
   tensors=[const("s", [1 << 30, 1 << 30, 2, 3])])
op("tile_overflows", node("Tile", ["x", "s"]), "overflow", tensors=[const("s", [1 << 40, 1 << 40])])
op("pad_overflows", node("Pad", ["x", "p"]), tensors=[const("p", [0, (1 << 63) - 1, 0, 5])])
op("one_hot_overflows", node("OneHot", ["i", "d", "v"]), "overflow", inputs=[],
   tensors=[const("i", [[1] * 40] * 40), const("d", (1 << 62)), const("v", [0.0, 1.0], "f")])
op("range_without_end", node("Range", ["a", "b", "c"]), inputs=[],
   tensors=[const("a", 0), const("b", 5), const("c", 0)])
op("range_of_nan", node("Range", ["a", "b", "c"]), inputs=[],
   tensors=[const("a", 0, "f"), const("b", np.nan, "f"), const("c", 1, "f")])
op("resize_by_1e30", node("Resize", ["x", "", "s"]), tensors=[const("s", [1e30, 1e30], "f")])
op("kernel_overflows", node("MaxPool", ["x"], kernel_shape=[(1 << 63) - 1, 1]),
   inputs=[("x", F, [1, 1, 4, 4])])
op("pads_overflow", node("MaxPool", ["x"], kernel_shape=[2, 2],
                         pads=[(1 << 62), (1 << 62), (1 << 62), (1 << 62)]),
   inputs=[("x", F, [1, 1, 4, 4])])
op("zero_stride", node("Conv", ["x", "w"], strides=[0, 1]), inputs=[("x", F, [1, 1, 4, 4])],
   tensors=[const("w", np.ones((1, 1, 2, 2)), "f")])
op("zero_groups", node("Conv", ["x", "w"], group=0), inputs=[("x", F, [1, 1, 4, 4])],
   tensors=[const("w", np.ones((1, 1, 2, 2)), "f")])

# ── Ranks, types, attributes ──

op("matmul_of_scalars", node("MatMul", ["x", "x"]), inputs=[("x", F, [])])
op("matmul_of_other_depths", node("MatMul", ["x", "x"]), "differ")
op("gemm_of_rank_3", node("Gemm", ["x", "x"]), "rank", inputs=[("x", F, [2, 2, 2])])
op("conv_of_rank_1", node("Conv", ["x", "x"]), inputs=[("x", F, [4])])
op("concat_of_other_ranks", node("Concat", ["x", "w"], axis=0), tensors=[const("w", [1.0], "f")])
op("broadcast_of_3_and_4", node("Add", ["x", "w"]), "broadcast",
   tensors=[const("w", [1, 2, 3, 4], "f")])
op("axis_outside", node("Softmax", ["x"], axis=9), "axis")
op("transpose_of_a_repeated_axis", node("Transpose", ["x"], perm=[0, 0]), "perm")
op("transpose_of_an_axis_outside", node("Transpose", ["x"], perm=[0, 7]))
op("reshape_to_another_size", node("Reshape", ["x", "s"]), tensors=[const("s", [4, 4])])
op("reshape_twice_unknown", node("Reshape", ["x", "s"]), tensors=[const("s", [-1, -1])])
op("split_of_another_sum", node("Split", ["x", "s"], ["y", "z"], axis=1),
   tensors=[const("s", [5, 5])])
op("gather_outside", node("Gather", ["x", "i"]), tensors=[const("i", [70000])])
op("scatter_outside", node("ScatterND", ["x", "i", "u"]),
   tensors=[const("i", [[90000, 0]]), const("u", [1.0], "f")])
op("squeeze_of_a_long_axis", node("Squeeze", ["x", "a"]), tensors=[const("a", [0])])
op("slice_of_an_axis_twice", node("Slice", ["x"], axes=[1, 1], starts=[1, 1], ends=[9, 3]),
   "axis 1 is given twice", opset=9)
op("pad_of_an_axis_twice", node("Pad", ["x", "p", "", "a"]), "axis 1 is given twice", opset=18,
   tensors=[const("p", [1, 2, 3, 4]), const("a", [1, 1])])
op("gather_nd_of_other_batches", node("GatherND", ["x", "i"], batch_dims=1), "batch dimension",
   tensors=[const("i", [[[0]]] * 5)])
op("gemm_with_a_c_too_small", node("Gemm", ["x", "w", "c"]), "C does not broadcast",
   tensors=[const("w", np.ones((3, 4)), "f"), const("c", [1, 2], "f")])
op("types_differ", node("Add", ["x", "w"]), "int64", "float32", tensors=[const("w", [[1, 2, 3]])])
op("type_not_taken", node("Gather", ["x", "x"]), "float32", "does not take")
op("input_missing", node("Add", ["x"]), "input 1 is missing")
op("input_left_out", node("Where", ["", "x", "x"]), "input 0 is missing")
op("too_many_inputs", node("Neg", ["x"] * 50), "takes at most 1")
op("too_many_outputs", node("Neg", ["x"], ["y"] + [f"o{i}" for i in range(40)]), "gives at most 1")
op("cast_to_nothing", node("Cast", ["x"], to=77), "77")
op("if_without_branches", node("If", ["c"]), "branch", tensors=[const("c", True, bool)])
op("loop_without_body", node("Loop", ["n", "", "x"]), tensors=[const("n", 2)])
op("equation_of_nothing", node("Einsum", ["x", "x"], equation="i,->->jk"))

# ── External data ──

OUTSIDE = "outside the model's folder"
add("external_parent", external("../secret.bin"), "tensor w", OUTSIDE)
add("external_parent_inside_path", external("data/../../secret.bin"), "tensor w", OUTSIDE)
add("external_absolute", external("/etc/passwd"), "tensor w", OUTSIDE)
add("external_backslash", external("..\\secret.bin"), "tensor w", OUTSIDE)
add("external_drive", external("C:\\secret.bin"), "tensor w", OUTSIDE)
add("external_url", external("http://example.org/w"), "tensor w", OUTSIDE)
add("external_without_name", external(""), "tensor w", OUTSIDE)
add("external_missing", external("not-there.bin"), "not-there.bin")
add("external_too_short", external("short.bin"), "short.bin", "8 bytes", "16")
add("external_offset_beyond", external("short.bin", 1 << 40), "short.bin", "8 bytes")
add("external_offset_overflows", external("short.bin", (1 << 64) - 4), "tensor w", "overflow")
add("external_negative_offset", external("short.bin", -4), "tensor w", "malformed external_data")
add("external_other_length", external("short.bin", 0, 8), "tensor w", "length is 8")
add("external_is_a_folder", external("folder"), "folder")

# ── Nesting ──


def raw_nesting(depth):
    """A graph in an attribute of a node of a graph, many times, by hand."""
    graph = b""
    for _ in range(depth):
        graph = field(1, field(4, "If") + field(5, field(1, "then_branch") + field(6, graph)))
    return field(1, 9) + field(8, field(2, 17)) + field(7, graph)


add("deep_subgraphs", raw_nesting(30), "nested deeper than")
add("very_deep_subgraphs", raw_nesting(5000), "nested deeper than")


def function(name, calls, attributes=()):
    """name(a) => b, a chain of these calls."""
    nodes = [helper.make_node(call, [f"v{i}"], [f"v{i + 1}"], domain=domain, name=f"call{i}")
             for i, (domain, call) in enumerate(calls)]
    f = helper.make_function("local", name, ["v0"], [f"v{len(calls)}"], nodes,
                             [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)],
                             list(attributes))
    return f


add("function_calls_itself", model([node("loop", ["x"], domain="local")],
                                   functions=[function("loop", [("local", "loop")])]),
    "nested too deeply")
add("functions_call_each_other",
    model([node("a", ["x"], domain="local")],
          functions=[function("a", [("local", "b")]), function("b", [("local", "a")])]),
    "nested too deeply")
add("functions_that_double",
    model([node("f0", ["x"], domain="local")],
          functions=[function(f"f{i}", [("local", f"f{i + 1}")] * 2) for i in range(20)]
          + [function("f20", [("", "Neg")] * 2)]), "grows too large")


def attribute_of_itself():
    """A function's default for an attribute refers to that attribute."""
    f = function("f", [("", "LeakyRelu")])
    own = AttributeProto(name="alpha", ref_attr_name="alpha", type=AttributeProto.FLOAT)
    f.attribute_proto.append(own)
    f.node[0].attribute.append(own)
    return model([node("f", ["x"], domain="local")], functions=[f])


add("attribute_refers_to_itself", attribute_of_itself(), "alpha")
