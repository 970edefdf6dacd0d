"""Writes an ONNX graph whose weights go straight to model.onnx.data as they are made.

Invariant: every tensor begins at a multiple of 64 bytes, so that a mapped file can be used in place
by vector loads. Nothing but the graph itself stays in memory.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper

TYPES = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.float16): TensorProto.FLOAT16,
         np.dtype(np.uint8): TensorProto.UINT8, np.dtype(np.int64): TensorProto.INT64}
ALIGN = 64
OPSETS = {"": 21, "com.microsoft": 1}


class GraphWriter:
    def __init__(self, folder, data_name="model.onnx.data"):
        self.folder, self.data_name = folder, data_name
        self.data = open(folder / data_name, "wb")
        self.nodes, self.weights, self.inputs, self.outputs = [], [], [], []
        self.constants = {}

    def weight(self, name, array):
        """Writes a tensor to the data file; returns its name."""
        array = np.ascontiguousarray(array)
        self.data.write(b"\0" * (-self.data.tell() % ALIGN))
        proto = TensorProto(name=name, data_type=TYPES[array.dtype], dims=array.shape,
                            data_location=TensorProto.EXTERNAL)
        for key, value in (("location", self.data_name), ("offset", self.data.tell()),
                           ("length", array.nbytes)):
            proto.external_data.add(key=key, value=str(value))
        self.data.write(array.data)
        self.weights.append(proto)
        return name

    def constant(self, values, dtype=np.int64):
        """A small inline constant, made once for each value."""
        array = np.array(values, dtype)
        name = f"/model/constants/{array.dtype.name.upper()}/{values}"
        if name not in self.constants:
            proto = onnx.numpy_helper.from_array(array, name)
            self.nodes.append(helper.make_node("Constant", [], [name], name=f"{name}/node",
                                               value=proto))
            self.constants[name] = True
        return name

    def node(self, op, name, inputs, outputs=None, domain="", **attributes):
        """Adds a node; `outputs` is by default the one tensor NAME/output_0, which is returned."""
        outputs = outputs or [f"{name}/output_0"]
        self.nodes.append(helper.make_node(op, inputs, outputs, name=name, domain=domain,
                                           **attributes))
        return outputs[0]

    def input(self, name, dtype, shape):
        self.inputs.append(helper.make_tensor_value_info(name, TYPES[np.dtype(dtype)], shape))

    def output(self, name, dtype, shape):
        self.outputs.append(helper.make_tensor_value_info(name, TYPES[np.dtype(dtype)], shape))

    def finish(self, name="model.onnx"):
        self.data.close()
        graph = helper.make_graph(self.nodes, "main_graph", self.inputs, self.outputs, self.weights)
        opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10,
                                  producer_name="brinktools")
        onnx.save_model(model, str(self.folder / name))
