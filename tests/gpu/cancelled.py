#!/usr/bin/env python3
"""Runs that are given up at any point, with bytes on their way back, and models destroyed under them:
later runs give the same result, and nothing of the earlier ones is called back."""

import ctypes
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
os.environ["BRINK_BACKEND"] = "gpu"
sys.path.insert(0, str(HERE.parent / "differential"))

import engines  # noqa: E402
import numpy as np  # noqa: E402
from onnx import helper  # noqa: E402

SIZE, ROUNDS = 128, 100


def graph():
    """On the GPU, on the CPU (NonZero), on the GPU."""
    nodes = [helper.make_node("Sin", ["x"], ["s"]), helper.make_node("NonZero", ["s"], ["at"]),
             helper.make_node("MatMul", ["s", "w"], ["y"])]
    ends = [helper.make_tensor_value_info(name, 1, [SIZE, SIZE]) for name in ("x", "w")]
    outs = [helper.make_tensor_value_info("y", 1, None), helper.make_tensor_value_info("at", 7, None)]
    return helper.make_model(helper.make_graph(nodes, "cancelled", ends, outs), ir_version=8,
                             opset_imports=[helper.make_opsetid("", 13)]).SerializeToString()


engines.link()
brink = engines.Brink(1)
library, data = brink.library, graph()
x = np.random.default_rng(1).normal(size=(SIZE, SIZE)).astype(np.float32)
tensors = (engines.Tensor * 2)()
for tensor, name in zip(tensors, (b"x", b"w")):
    tensor.name, tensor.rank, tensor.type = name, 2, 1
    tensor.shape[:2] = x.shape
    tensor.data, tensor.bytes = x.ctypes.data, x.nbytes
desc = engines.RunDesc(tensors, 2, False)


def begin(steps):
    task = ctypes.c_void_p()
    brink.must(library.brink_run_begin(model, ctypes.byref(desc), ctypes.byref(task)))
    for _ in range(steps):
        library.brink_task_advance(task, ctypes.c_uint64(0))
    return task


model = brink.load(data)
for k in range(ROUNDS):
    task = begin(k % 7)
    if k % 5 == 4:
        brink.wait(task)
        np.testing.assert_allclose(brink.output(task, 0), np.sin(x) @ x, atol=1e-3)
    library.brink_task_destroy(task)
    if k % 10 == 9:  # the model goes while bytes are on their way
        library.brink_task_destroy(begin(4))
        library.brink_model_destroy(model)
        model = brink.load(data)
print("cancelled: ok")
