"""Small ONNX graphs, TensorProtos and .npy files, written byte by byte: Python's library alone."""

import struct

FLOAT, INT64 = 1, 7
FORMATS = {FLOAT: "f", INT64: "q"}


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + bytes([value]))


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def tensor(name, kind, shape, values):
    data = struct.pack(f"<{len(values)}{FORMATS[kind]}", *values)
    return (b"".join(field(1, size) for size in shape) + field(2, kind) + field(8, name)
            + field(9, data))


def value_info(name, kind, shape):
    sizes = b"".join(field(1, field(1, size) if isinstance(size, int) else field(2, size))
                     for size in shape)
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, sizes)))


def node(kind, inputs, outputs, domain=""):
    return (b"".join(field(1, name) for name in inputs)
            + b"".join(field(2, name) for name in outputs) + field(3, f"{kind}_{outputs[0]}")
            + field(4, kind) + (field(7, domain) if domain else b""))


def model(last_op="Add", domain=""):
    """y = x + 0 (f32 [batch, 2]) and "a/z" = ids + 0 (i64 [n])."""
    graph = (field(1, node("Add", ["x", "zeros"], ["y"]))
             + field(1, node(last_op, ["ids", "zero"], ["a/z"], domain)) + field(2, "graph")
             + field(5, tensor("zeros", FLOAT, [2], [0, 0]))
             + field(5, tensor("zero", INT64, [1], [0]))
             + field(11, value_info("x", FLOAT, ["batch", 2]))
             + field(11, value_info("ids", INT64, ["n"]))
             + field(12, value_info("y", FLOAT, ["batch", 2]))
             + field(12, value_info("a/z", INT64, ["n"])))
    opsets = field(8, field(1, "") + field(2, 17))
    if domain:
        opsets += field(8, field(1, domain) + field(2, 1))
    return field(1, 8) + field(7, graph) + opsets


def write_npy(path, descr, shape, data, fortran=False, version=1):
    shape = "(" + "".join(f"{size}, " for size in shape) + ")"
    text = f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}"
    width = 2 if version == 1 else 4
    text += " " * (-(8 + width + len(text) + 1) % 64) + "\n"
    head = b"\x93NUMPY" + bytes([version, 0]) + len(text).to_bytes(width, "little")
    path.write_bytes(head + text.encode("latin1") + data)


def read_npy(path):
    """(descr, shape, values) of a version 1 file in C order."""
    data = path.read_bytes()
    assert data[:8] == b"\x93NUMPY\x01\x00"
    length = int.from_bytes(data[8:10], "little")
    assert (10 + length) % 64 == 0
    header = eval(data[10:10 + length], {"__builtins__": {}})
    assert header["fortran_order"] is False
    letter = {"<f4": "f", "<i8": "q"}[header["descr"]]
    values = data[10 + length:]
    return (header["descr"], header["shape"],
            list(struct.unpack(f"<{len(values) // struct.calcsize(letter)}{letter}", values)))
