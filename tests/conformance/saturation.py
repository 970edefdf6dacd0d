#!/usr/bin/env python3
"""Which arithmetic made the stored outputs of bert/int8? (docs/precision.md)

Computes the graph with the ONNX reference evaluator, once with exact integer sums and once with
pairs of u8*s8 products saturated to 16 bits, as x86's pmaddubsw adds them, and compares both with
the stored outputs and with those of the f32 graph.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

MODELS = Path(__file__).resolve().parent.parent / "fixtures" / "models" / "bert"


def saturating(a, b):
    """[m,k] u8 times [k,n] s8; neighbours along k are added in 16 bits."""
    if a.shape[1] % 2:
        a, b = np.pad(a, ((0, 0), (0, 1))), np.pad(b, ((0, 1), (0, 0)))
    pairs = a[:, 0::2, None] * b[None, 0::2] + a[:, 1::2, None] * b[None, 1::2]
    return np.clip(pairs, -32768, 32767).sum(1)


def product(saturate):
    class MatMulInteger(OpRun):
        op_domain = ""

        def _run(self, a, b, a_zero=None, b_zero=None):
            x, y = a.astype(np.int32), b.astype(np.int32)
            zero = 0 if a_zero is None else int(a_zero)
            if saturate and y.ndim == 2 and b.dtype == np.int8:
                sums = saturating(x.reshape(-1, x.shape[-1]), y) - zero * y.sum(0)
                return (sums.reshape(*x.shape[:-1], -1).astype(np.int32),)
            return (((x - zero) @ (y - (0 if b_zero is None else b_zero))).astype(np.int32),)

    return MatMulInteger


class DequantizeLinear(OpRun):
    op_domain = ""

    def _run(self, x, scale, zero=None, axis=None, **_):
        return (((x.astype(np.int32) - (0 if zero is None else zero)) * scale).astype(np.float32),)


def tensor(path):
    proto = onnx.TensorProto()
    proto.ParseFromString(path.read_bytes())
    return proto.name, numpy_helper.to_array(proto)


def main():
    model = onnx.load(MODELS / "int8/model.onnx")
    for folder in sorted((MODELS / "int8/model").iterdir()):
        inputs = dict(tensor(path) for path in sorted(folder.glob("input_*.pb")))
        stored = tensor(folder / "output_0.pb")[1]
        f32 = tensor(MODELS / "fp32/model" / folder.name / "output_0.pb")[1]
        for saturate in (False, True):
            evaluator = ReferenceEvaluator(model, new_ops=[product(saturate), DequantizeLinear])
            out = evaluator.run(None, inputs)[0]
            print(f"{folder.name} {'saturated' if saturate else 'exact    '}: "
                  f"{np.abs(out - stored).max():.2g} from the stored output, "
                  f"{np.abs(out - f32).max():.2g} from the f32 model's")
    return 0


if __name__ == "__main__":
    sys.exit(main())
