"""Reads a GGUF file: metadata, and tensors as memory-mapped rows of quantised blocks.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3,
little-endian). Invariant: no count, length or offset from the file is used before it is checked
against the bytes that are there.
"""

import math
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .blocks import BLOCK_TYPES
from .errors import BrinkError

SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?",
           10: "<Q", 11: "<q", 12: "<d"}
STRING, ARRAY = 8, 9


@dataclass
class GgufTensor:
    name: str
    shape: tuple  # outermost first: a matrix is (rows, columns)
    kind: str  # "F32", "Q4_1", ...
    rows: np.ndarray  # uint8 [rows, bytes a row], a view of the file


class _Cursor:
    """A position in the file; every read is checked against its end."""

    def __init__(self, path, data):
        self.path, self.data, self.at = path, data, 0

    def take(self, count):
        if count > len(self.data) - self.at:
            raise BrinkError(f"{self.path}: ends at byte {len(self.data)} while {count} bytes "
                             f"are read at {self.at}")
        start, self.at = self.at, self.at + count
        return start

    def scalar(self, fmt):
        start = self.take(struct.calcsize(fmt))
        return struct.unpack_from(fmt, self.data, start)[0]

    def string(self):
        length = self.scalar("<Q")
        start = self.take(length)
        return self.data[start:start + length].decode("utf-8", errors="replace")

    def name(self):
        """A key or a tensor's name; the format allows 65535 bytes and 64."""
        at, name = self.at, self.string()
        if len(name) > 65535:
            raise BrinkError(f"{self.path}: the name at byte {at} is {len(name)} characters long")
        return name

    def value(self, kind, depth=0):
        if kind in SCALARS:
            return self.scalar(SCALARS[kind])
        if kind == STRING:
            return self.string()
        if kind == ARRAY and depth < 4:
            item, count = self.scalar("<I"), self.scalar("<Q")
            if item in SCALARS:
                dtype = np.dtype(SCALARS[item].replace("?", "B").replace("<B", "u1"))
                start = self.take(count * dtype.itemsize)
                return np.frombuffer(self.data, dtype, count, start).tolist()
            if count > len(self.data) - self.at:  # an item takes a byte or more
                raise BrinkError(f"{self.path}: an array of {count} items cannot fit the file")
            return [self.value(item, depth + 1) for _ in range(count)]
        raise BrinkError(f"{self.path}: metadata type {kind} is not known")


class GgufFile:
    """`metadata` by key and `tensors` by name of one GGUF file."""

    def __init__(self, path):
        self.path = Path(path)
        try:
            with open(self.path, "rb") as file:
                self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "the file is empty"
            raise BrinkError(f"{self.path}: {reason}") from None
        cursor = _Cursor(self.path, self.data)
        if self.data[:4] != b"GGUF":
            raise BrinkError(f"{self.path}: not a GGUF file (it does not begin with GGUF)")
        cursor.take(4)
        version = cursor.scalar("<I")
        if version not in (2, 3):
            raise BrinkError(f"{self.path}: GGUF version {version} is not supported (2 and 3 are)")
        tensor_count, pair_count = cursor.scalar("<Q"), cursor.scalar("<Q")
        self.metadata = {}
        for _ in range(pair_count):
            key = cursor.name()
            self.metadata[key] = cursor.value(cursor.scalar("<I"))
        infos = [self._tensor_info(cursor) for _ in range(tensor_count)]
        align = self.metadata.get("general.alignment", 32)
        if not isinstance(align, int) or align < 1:
            raise BrinkError(f"{self.path}: general.alignment is {align}")
        base = (cursor.at + align - 1) // align * align
        self.tensors = {info[0]: self._tensor(base, *info) for info in infos}

    def _tensor_info(self, cursor):
        name, dims = cursor.name(), cursor.scalar("<I")
        if not 1 <= dims <= 4:
            raise BrinkError(f"{self.path}: tensor {name} has {dims} dimensions")
        shape = tuple(cursor.scalar("<Q") for _ in range(dims))[::-1]
        if 0 in shape:
            raise BrinkError(f"{self.path}: tensor {name} is empty")
        return name, shape, cursor.scalar("<I"), cursor.scalar("<Q")

    def _tensor(self, base, name, shape, kind, offset):
        if kind not in BLOCK_TYPES:
            raise BrinkError(f"{self.path}: tensor {name} has block type {kind}, which is not "
                             "supported")
        kind_name, block, block_bytes = BLOCK_TYPES[kind]
        columns, rows = shape[-1], math.prod(shape[:-1])
        if columns % block:
            raise BrinkError(f"{self.path}: tensor {name} has rows of {columns}, not a multiple "
                             f"of {kind_name}'s block of {block}")
        row_bytes = columns // block * block_bytes
        start = base + offset
        if rows * row_bytes > len(self.data) - start:
            raise BrinkError(f"{self.path}: tensor {name} needs bytes {start} to "
                             f"{start + rows * row_bytes} but the file has {len(self.data)}")
        raw = np.frombuffer(self.data, np.uint8, rows * row_bytes, start)
        return GgufTensor(name, shape, kind_name, raw.reshape(rows, row_bytes))
