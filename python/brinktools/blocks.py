"""Block-quantised matrices: GGUF's block types, and the form that MatMulNBits stores.

Every GGUF block type becomes (q - zero) * scale over blocks of 16 or 32 in 4 or 8 bits, so its
integers are carried over and never rounded again:

    Q4_0  4 bits, zero 8              exact
    Q4_1  4 bits, float zero -m/d     exact but for the f32 rounding of m/d
    Q5_0  8 bits, zero 128            exact
    Q8_0  8 bits, zero 128            exact
    Q4_K  4 bits, float zero          exact but for the f32 rounding of scale and zero
    Q6_K  8 bits, zero 128, block 16  exact but for the f32 rounding of d * scale
    Q5_1, Q5_K                        see below

A 5-bit block with an offset has no exact form: onnxruntime takes float zero points with 4 bits
only. Those two are rounded to 8 bits with an integer zero point: 255 steps over each block's range
and zero, where the source has 31 over its range. Where d is 0, a block is the constant m: q = 0,
zero = -1, scale = m.

Layouts: ggml's block structures (ggml-common.h) and ONNX Runtime's MatMulNBits.
"""

from dataclasses import dataclass

import numpy as np

from .errors import BrinkError

# GGUF's number: name, values a block, bytes a block
BLOCK_TYPES = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 30: ("BF16", 1, 2), 28: ("F64", 1, 8),
    2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22), 7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34), 12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210),
}


@dataclass
class Packed:
    """A matrix [n, k] as (q - zero) * scale, one scale and zero for each block of columns."""

    bits: int  # 4 or 8
    block: int
    q: np.ndarray  # uint8 [n, k], one value a byte
    scale: np.ndarray  # float32 [n, k / block]
    zero: np.ndarray | None = None  # float32 [n, k / block] or uint8; None is 2 ** (bits - 1)

    @property
    def shape(self):
        return self.q.shape

    def dequantize(self):
        n, k = self.q.shape
        zero = np.float32(1 << (self.bits - 1))
        if self.zero is not None:
            zero = self.zero.astype(np.float32)[..., None]
        values = self.q.reshape(n, -1, self.block).astype(np.float32)
        return ((values - zero) * self.scale[..., None]).reshape(n, k)

    def rows(self, index):
        zero = None if self.zero is None else self.zero[index]
        return Packed(self.bits, self.block, self.q[index], self.scale[index], zero)

    def for_f16(self):
        """The same values where a float zero point would overflow f16: those blocks are constant."""
        if self.zero is None or self.zero.dtype == np.uint8:
            return self
        far = np.abs(self.zero) > 60000
        if not far.any():
            return self
        q = np.where(np.repeat(far, self.block, axis=1), np.uint8(0), self.q)
        scale = np.where(far, -self.zero * self.scale, self.scale)
        zero = np.where(far, np.float32(-1), self.zero)
        return Packed(self.bits, self.block, q, scale, zero)

    def stored_q(self):
        """uint8 [n, blocks, block * bits / 8], low nibble first, as MatMulNBits reads it."""
        n, k = self.q.shape
        q = self.q
        if self.bits == 4:
            q = q[:, 0::2] | (q[:, 1::2] << 4)
        return q.reshape(n, k // self.block, -1)

    def stored_zero(self, dtype):
        """Zero points as MatMulNBits reads them, or None: `dtype` or packed uint8."""
        if self.zero is None or self.zero.dtype != np.uint8:
            return None if self.zero is None else self.zero.astype(dtype)
        zero = self.zero
        if self.bits == 4:
            if zero.shape[1] % 2:
                zero = np.pad(zero, ((0, 0), (0, 1)))
            zero = zero[:, 0::2] | (zero[:, 1::2] << 4)
        return zero


def _f16(raw, at):
    """The f16 at byte `at` of every block of raw [..., bytes], as float32 [...]."""
    return np.ascontiguousarray(raw[..., at:at + 2]).view("<f2")[..., 0].astype(np.float32)


def _nibbles(raw):
    """[..., 16] bytes to [..., 32] values: low nibbles first, then high, as ggml orders them."""
    return np.concatenate([raw & 15, raw >> 4], axis=-1)


def _fifth_bits(raw):
    """[..., 4] bytes to the 32 fifth bits, each 0 or 16."""
    return np.unpackbits(raw, axis=-1, bitorder="little") << 4


def _offset_form(bits, q, d, m):
    """Packed for d * q + m over blocks: q [n, blocks, block], d and m [n, blocks]."""
    n, _, block = q.shape
    constant = (d == 0) & (m != 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        zero = np.where(d == 0, np.float32(0), -m / d)
    if not np.isfinite(zero).all():  # d is so small that m / d overflows
        constant |= ~np.isfinite(zero)
    zero = np.where(constant, np.float32(-1), zero).astype(np.float32)
    scale = np.where(constant, m, d).astype(np.float32)
    q = np.where(constant[..., None], np.uint8(0), q)
    return Packed(bits, block, q.reshape(n, -1), scale, zero)


def _k_scales(raw):
    """The 6-bit scales and minima of Q4_K and Q5_K: [..., 12] bytes to two arrays [..., 8]."""
    low, high, mixed = raw[..., 0:4], raw[..., 4:8], raw[..., 8:12]
    scale = np.concatenate([low & 63, (mixed & 15) | ((low >> 6) << 4)], axis=-1)
    least = np.concatenate([high & 63, (mixed >> 4) | ((high >> 6) << 4)], axis=-1)
    return scale.astype(np.float32), least.astype(np.float32)


def _q4_0(b):
    return Packed(4, 32, _nibbles(b[..., 2:18]), _f16(b, 0))


def _q4_1(b):
    return _offset_form(4, _nibbles(b[..., 4:20]), _f16(b, 0), _f16(b, 2))


def _q5_0(b):
    q = _nibbles(b[..., 6:22]) | _fifth_bits(b[..., 2:6])
    return Packed(8, 32, q + np.uint8(128 - 16), _f16(b, 0))


def _q5_1(b):
    q = _nibbles(b[..., 8:24]) | _fifth_bits(b[..., 4:8])
    values = q * _f16(b, 0)[..., None] + _f16(b, 2)[..., None]
    return quantize_offset(values.reshape(len(b), -1))


def _q8_0(b):
    return Packed(8, 32, b[..., 2:34] ^ 128, _f16(b, 0))


def _q45_k(b, five):
    scale, least = _k_scales(b[..., 4:16])
    d, m = _f16(b, 0)[..., None] * scale, -_f16(b, 2)[..., None] * least
    low = b[..., 48:176] if five else b[..., 16:144]
    low = low.reshape(*b.shape[:2], 4, 32)  # 32 bytes hold two runs of 32 values
    q = np.stack([low & 15, low >> 4], axis=-2).reshape(*b.shape[:2], 8, 32)
    n = len(b)
    if not five:
        return _offset_form(4, q.reshape(n, -1, 32), d.reshape(n, -1), m.reshape(n, -1))
    shift = np.arange(8, dtype=np.uint8)[:, None]
    q = q | (((b[..., None, 16:48] >> shift) & 1) << 4)
    return quantize_offset((q * d[..., None] + m[..., None]).reshape(n, -1))


def _q6_k(b):
    low = b[..., 0:128].reshape(*b.shape[:2], 2, 2, 32)  # halves, then two runs of 32 bytes
    low = np.stack([low & 15, low >> 4], axis=-3)  # half, nibble, run, 32
    high = b[..., 128:192].reshape(*b.shape[:2], 2, 1, 32)
    high = (high >> np.arange(0, 8, 2, dtype=np.uint8)[:, None]) & 3
    q = low.reshape(*b.shape[:2], 2, 4, 32) | (high << 4)
    scale = np.ascontiguousarray(b[..., 192:208]).view(np.int8).astype(np.float32)
    scale = scale * _f16(b, 208)[..., None]
    n = len(b)
    return Packed(8, 16, q.reshape(n, -1) + np.uint8(128 - 32), scale.reshape(n, -1))


UNPACK = {"Q4_0": _q4_0, "Q4_1": _q4_1, "Q5_0": _q5_0, "Q5_1": _q5_1, "Q8_0": _q8_0,
          "Q4_K": lambda b: _q45_k(b, False), "Q5_K": lambda b: _q45_k(b, True), "Q6_K": _q6_k}
_BYTES = {name: size for name, _, size in BLOCK_TYPES.values()}


def bf16_to_f32(raw):
    """uint16 bit patterns of bfloat16 to float32."""
    return (raw.astype(np.uint32) << 16).view(np.float32)


def unpack(kind, raw):
    """GGUF rows (uint8 [n, bytes]) to float32 [n, k] or, for block types, Packed."""
    if kind in UNPACK:
        blocks = raw.reshape(len(raw), -1, _BYTES[kind])
        packed = UNPACK[kind](blocks)
        packed.q = packed.q.reshape(len(raw), -1)
        return packed
    raw = np.ascontiguousarray(raw)
    if kind == "BF16":
        return bf16_to_f32(raw.view("<u2"))
    floats = {"F32": "<f4", "F16": "<f2", "F64": "<f8"}
    if kind not in floats:
        raise BrinkError(f"block type {kind} is not supported")
    return raw.view(floats[kind]).astype(np.float32)


def _blocks_of(values, block):
    """Pads the columns with zeros to whole blocks and splits them: [n, blocks, block]."""
    n, k = values.shape
    if k % block:
        values = np.pad(values, ((0, 0), (0, -k % block)))
    return values.reshape(n, -1, block)


def quantize(values, bits, block=32):
    """Symmetric round-to-nearest as onnxruntime does it: the largest value maps to q = 0."""
    blocks = _blocks_of(np.asarray(values, np.float32), block)
    middle = 1 << (bits - 1)
    most, least = blocks.max(-1), blocks.min(-1)
    scale = np.where(np.abs(most) > np.abs(least), most, least) / np.float32(-middle)
    with np.errstate(divide="ignore", over="ignore"):
        inverse = np.where(scale == 0, np.float32(0), np.float32(1) / scale)
    inverse = np.where(np.isfinite(inverse), inverse, np.float32(0))
    q = np.clip(np.round(blocks * inverse[..., None]) + middle, 0, 2 * middle - 1)
    return Packed(bits, block, q.astype(np.uint8).reshape(len(blocks), -1), scale)


def quantize_offset(values, block=32):
    """8 bits with an integer zero point, over each block's range (0 included)."""
    blocks = _blocks_of(np.asarray(values, np.float32), block)
    most, least = np.maximum(blocks.max(-1), 0), np.minimum(blocks.min(-1), 0)
    scale = (most - least) / np.float32(255)
    safe = np.where(scale == 0, np.float32(1), scale)
    zero = np.clip(np.round(-least / safe), 0, 255)
    q = np.clip(np.round(blocks / safe[..., None]) + zero[..., None], 0, 255)
    return Packed(8, block, q.astype(np.uint8).reshape(len(blocks), -1), scale,
                  zero.astype(np.uint8))
