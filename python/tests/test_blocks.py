"""Every block type against gguf's own dequantisation, and as MatMulNBits computes it."""

import gguf
import numpy as np
import onnxruntime
import pytest
import tiny
from onnx import TensorProto, helper, numpy_helper

from brinktools import blocks

QUANTIZED = ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K")
EXACT = {"Q4_0": 0, "Q5_0": 0, "Q8_0": 0, "Q6_K": 1e-7, "Q4_1": 3e-7, "Q4_K": 3e-7}
N, K = 48, 512


def block_bytes(kind, rng):
    if kind in tiny.KINDS:
        return tiny.random_blocks(kind, N, K, rng)
    raw = gguf.quantize((rng.standard_normal((N, K)) * 0.1 + 0.05).astype(np.float32),
                        gguf.GGMLQuantizationType[kind])
    return np.ascontiguousarray(raw)


def matmul_nbits(packed, x):
    names, tensors = ["x", "b", "s"], {"b": packed.stored_q(), "s": packed.scale}
    zero = packed.stored_zero(np.float32)
    if zero is not None:
        names.append("z")
        tensors["z"] = zero
    n, k = packed.shape
    node = helper.make_node("MatMulNBits", names, ["y"], domain="com.microsoft", N=n, K=k,
                            bits=packed.bits, block_size=packed.block, accuracy_level=1)
    graph = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["m", k])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["m", n])],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()])
    model = helper.make_model(graph, ir_version=10, opset_imports=[
        helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)])
    session = onnxruntime.InferenceSession(model.SerializeToString(),
                                           providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


@pytest.mark.parametrize("kind", QUANTIZED)
def test_block_type(kind):
    rng = np.random.default_rng(7)
    raw = block_bytes(kind, rng)
    want = gguf.dequantize(raw, gguf.GGMLQuantizationType[kind])
    packed = blocks.unpack(kind, raw)
    got = packed.dequantize()
    assert want.shape == (N, K) and np.abs(want).max() > 0.05
    worst = np.abs(got - want).max()
    if kind in EXACT:
        assert worst <= EXACT[kind] * np.abs(want).max()
    else:  # 5 bits with an offset: half a step of 8 bits over the widest block and zero
        spans = want.reshape(-1, 32)
        step = (np.maximum(spans.max(1), 0) - np.minimum(spans.min(1), 0)) / 255
        assert (np.abs(got - want).reshape(-1, 32).max(1) <= step * 1.01 + 1e-9).all()
    x = rng.standard_normal((3, K)).astype(np.float32)
    product = x.astype(np.float64) @ got.astype(np.float64).T
    assert np.abs(matmul_nbits(packed, x) - product).max() <= 3e-6 * np.abs(product).max()


@pytest.mark.parametrize("kind", ["Q4_1", "Q4_K"])
def test_offset_without_a_step(kind):
    """d = 0 leaves the offset alone, and both 0 leaves zeros."""
    rng = np.random.default_rng(3)
    raw = block_bytes(kind, rng).reshape(N, -1, 20 if kind == "Q4_1" else 144)
    raw[:, 0, 0:2] = 0  # d = 0
    raw[:, 1, 0:4] = 0  # d = m = 0
    tiny_step = np.array([6e-8], "<f2").view(np.uint8)
    raw[:, -1, 0:2] = tiny_step  # m / d is large
    raw = raw.reshape(N, -1)
    want = gguf.dequantize(raw, gguf.GGMLQuantizationType[kind])
    packed = blocks.unpack(kind, raw)
    for form, part in ((packed, 1e-6), (packed.for_f16(), 1e-5)):
        got = form.dequantize()
        assert np.isfinite(got).all() and np.abs(want[:, :32]).max() > 0
        assert np.abs(got - want).max() <= part * np.abs(want).max()
    if kind == "Q4_1":
        assert (got[:, :32] == want[:, :32]).all() and (got[:, 32:64] == 0).all()
    half = packed.for_f16()
    assert np.isfinite(half.stored_zero(np.float16)).all()


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16"])
def test_float_type(kind):
    values = np.random.default_rng(1).standard_normal((5, 64)).astype(np.float32)
    raw = gguf.quantize(values, gguf.GGMLQuantizationType[kind])
    want = gguf.dequantize(raw, gguf.GGMLQuantizationType[kind])
    got = blocks.unpack(kind, np.ascontiguousarray(raw).view(np.uint8).reshape(5, -1))
    assert got.dtype == np.float32 and (got == want).all()


@pytest.mark.parametrize("bits, function", [(4, "quantize_matmul_4bits"),
                                            (8, "quantize_matmul_8bits")])
@pytest.mark.parametrize("k", [64, 80])
def test_rounding_is_onnxruntimes(bits, function, k):
    """The same integers and scales as onnxruntime's own block quantiser, ties apart."""
    from onnxruntime.capi import _pybind_state
    n = 24
    values = np.random.default_rng(2).standard_normal((n, k)).astype(np.float32)
    values[3, :32] = 0
    count = -(-k // 32)
    q = np.zeros((n, count, 32 * bits // 8), np.uint8)
    scale, zero = np.zeros(n * count, np.float32), np.zeros(n * -(-count * bits // 8), np.uint8)
    getattr(_pybind_state, function)(q, np.ascontiguousarray(values.T), scale, zero, 32, n, k, True)
    packed = blocks.quantize(values, bits)
    np.testing.assert_allclose(packed.scale.reshape(-1), scale, rtol=1e-6)
    theirs = blocks.Packed(bits, 32, unpack_bytes(q, bits, n), scale.reshape(n, count))
    off = np.abs(packed.q.astype(int) - theirs.q.astype(int))[:, :k]
    assert off.max() <= 1 and (off > 0).mean() < 0.01
    error = np.abs(packed.dequantize()[:, :k] - values).max()
    assert error <= np.abs(packed.scale).max() * 1.01


def unpack_bytes(q, bits, n):
    if bits == 4:
        q = np.stack([q & 15, q >> 4], axis=-1)
    return q.reshape(n, -1)


def test_padded_zero_points():
    """4-bit zero points are two a byte, and a row of an odd number ends on a whole byte."""
    zero = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
    packed = blocks.Packed(4, 16, np.zeros((2, 48), np.uint8), np.ones((2, 3), np.float32), zero)
    assert packed.stored_zero(np.float32).tolist() == [[0x21, 3], [0x54, 6]]
