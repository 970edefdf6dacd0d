"""The engines a case is run in: brink (in this process, through the C API), onnxruntime without its
optimisations, and onnx's reference evaluator.

brink is linked from the build's libbrink.a into build/differential/libbrink.so, so that a case costs
no process. Each answers a list of arrays or raises Refused.
"""

import ctypes
import os
import subprocess
import sys
import warnings
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

ROOT = Path(__file__).resolve().parent.parent.parent
ARCHIVE = Path(os.environ.get("BRINK_ARCHIVE", ROOT / "build/release/libbrink.a"))
SHARED = ROOT / "build/differential/libbrink.so"
PENDING, UNSUPPORTED = 1, 4


class Refused(Exception):
    """An engine that does not run a case; its text says why."""

    def __init__(self, text, status=0):
        super().__init__(text)
        self.status = status


CODES = {np.dtype(d): int(helper.np_dtype_to_tensor_dtype(np.dtype(d))) for d in
         (np.float32, np.uint8, np.int8, np.uint16, np.int16, np.int32, np.int64, bool, np.float16,
          np.float64, np.uint32, np.uint64, ml_dtypes.bfloat16, ml_dtypes.int4, ml_dtypes.uint4)}
DTYPES = {code: dtype for dtype, code in CODES.items()}
NIBBLES = (np.dtype(ml_dtypes.int4), np.dtype(ml_dtypes.uint4))


def packed(array):
    """The bytes of an array as brink and onnxruntime hold them: 4-bit values two a byte."""
    if array.dtype not in NIBBLES:
        return np.asarray(array, order="C")
    codes = array.reshape(-1).view(np.uint8) & 15
    codes = np.append(codes, np.zeros(codes.size % 2, np.uint8))
    return codes[0::2] | codes[1::2] << 4


def unpacked(data, dtype, shape):
    """The array of `shape` in bytes that an engine lent."""
    count = int(np.prod(shape, dtype=np.int64))
    if dtype not in NIBBLES:
        return np.frombuffer(data, dtype, count).reshape(shape).copy()
    both = np.frombuffer(data, np.uint8, (count + 1) // 2)
    codes = np.stack([both & 15, both >> 4], 1).reshape(-1)[:count]
    if dtype == np.dtype(ml_dtypes.int4):
        codes = (codes.astype(np.int8) ^ 8) - 8
    return codes.astype(dtype).reshape(shape)


# ── brink ──────────────────────────────────────────────────────────────────────────────────────

class Tensor(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("type", ctypes.c_int), ("rank", ctypes.c_uint32),
                ("shape", ctypes.c_int64 * 8), ("data", ctypes.c_void_p),
                ("bytes", ctypes.c_uint64)]


class ContextDesc(ctypes.Structure):
    _fields_ = [("threads", ctypes.c_uint32), ("memory_budget", ctypes.c_uint64),
                ("log", ctypes.c_void_p), ("user", ctypes.c_void_p)]


class ModelDesc(ctypes.Structure):
    _fields_ = [("graph", ctypes.c_char_p), ("graph_only", ctypes.c_bool),
                ("no_weights", ctypes.c_bool), ("exact", ctypes.c_bool),
                ("all_values", ctypes.c_bool), ("gpu", ctypes.c_bool)]


class RunDesc(ctypes.Structure):
    _fields_ = [("inputs", ctypes.POINTER(Tensor)), ("input_count", ctypes.c_uint32),
                ("profile", ctypes.c_bool)]


def link():
    """Makes the shared library when the archive is newer."""
    if not ARCHIVE.exists():
        sys.exit(f"differential: {ARCHIVE} is not there (make)")
    if SHARED.exists() and SHARED.stat().st_mtime > ARCHIVE.stat().st_mtime:
        return
    SHARED.parent.mkdir(parents=True, exist_ok=True)
    part = SHARED.with_suffix(f".{os.getpid()}")
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-o", part, "-Wl,--whole-archive",
                    ARCHIVE, "-Wl,--no-whole-archive", "-lpthread", "-lm"], check=True)
    part.rename(SHARED)


class Brink:
    """A context; `threads` of them compute."""

    def __init__(self, threads=1):
        self.library = library = ctypes.CDLL(str(SHARED))
        library.brink_alloc.restype = ctypes.c_void_p
        library.brink_error.restype = ctypes.c_char_p
        self.context = ctypes.c_void_p()
        desc = ContextDesc(threads=threads, memory_budget=1 << 31)
        if library.brink_context_create(ctypes.byref(desc), ctypes.byref(self.context)):
            raise MemoryError("brink_context_create")
        self.gpu = os.environ.get("BRINK_BACKEND") == "gpu"  # what has a kernel there, that is
        if self.gpu:
            os.environ.setdefault("BRINK_WEBGPU", str(ROOT / "build/libwgpu_native.so"))
            os.environ.setdefault("NODEVICE_SELECT", "1")  # Mesa's layer looks for a display
            task = ctypes.c_void_p()
            self.must(library.brink_gpu_begin(self.context, None, ctypes.byref(task)))
            self.wait(task)
            library.brink_task_destroy(task)

    def wait(self, task):
        while True:
            status = self.library.brink_task_advance(task, ctypes.c_uint64(1 << 40))
            if status != PENDING:
                break
        self.must(status)

    def must(self, status):
        if status:
            raise Refused(self.library.brink_error(self.context).decode(errors="replace"), status)

    def load(self, data):
        library, task = self.library, ctypes.c_void_p()
        desc = ModelDesc(graph_only=True, exact=True, gpu=self.gpu)
        self.must(library.brink_model_load_begin(self.context, ctypes.byref(desc),
                                                 ctypes.byref(task)))
        try:
            place = library.brink_alloc(self.context, ctypes.c_uint64(max(len(data), 1)))
            ctypes.memmove(place, data, len(data))
            library.brink_task_advance(task, ctypes.c_uint64(0))
            self.must(library.brink_task_supply(task, ctypes.c_void_p(place),
                                                ctypes.c_uint64(len(data)), None, None))
            self.wait(task)
            model = ctypes.c_void_p()
            self.must(library.brink_model_take(task, ctypes.byref(model)))
            return model
        finally:
            library.brink_task_destroy(task)

    def run(self, data, feeds):
        """The outputs of a serialized model on arrays by input name."""
        library, model = self.library, self.load(data)
        try:
            held = [packed(array) for array in feeds.values()]
            tensors = (Tensor * max(len(feeds), 1))()
            for tensor, (name, array), own in zip(tensors, feeds.items(), held):
                tensor.name, tensor.rank = name.encode(), array.ndim
                tensor.type = CODES[array.dtype]
                tensor.shape[:array.ndim] = array.shape
                tensor.data, tensor.bytes = own.ctypes.data, own.nbytes
            task = ctypes.c_void_p()
            desc = RunDesc(tensors, len(feeds), False)
            self.must(library.brink_run_begin(model, ctypes.byref(desc), ctypes.byref(task)))
            try:
                self.wait(task)
                count = library.brink_model_output_count(model)
                return [self.output(task, i) for i in range(count)]
            finally:
                library.brink_task_destroy(task)
        finally:
            library.brink_model_destroy(model)

    def output(self, task, index):
        tensor = Tensor()
        self.must(self.library.brink_run_output(task, index, ctypes.byref(tensor)))
        data = ctypes.string_at(tensor.data, tensor.bytes) if tensor.bytes else b""
        return unpacked(data, DTYPES[tensor.type], tuple(tensor.shape[:tensor.rank]))


# ── onnxruntime and the reference evaluator ────────────────────────────────────────────────────

def options():
    o = onnxruntime.SessionOptions()
    o.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    o.log_severity_level = 4
    o.intra_op_num_threads = o.inter_op_num_threads = 1
    return o


ODD = (np.dtype(ml_dtypes.bfloat16), *NIBBLES)  # types that numpy lacks go by their bytes


def ort_value(array):
    if array.dtype == np.dtype(ml_dtypes.bfloat16):
        return onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(
            np.asarray(array, order="C").view(np.uint16), CODES[array.dtype])
    return onnxruntime.OrtValue.ortvalue_from_numpy(np.asarray(array, order="C"))


ORT_TYPES = {"tensor(bfloat16)": np.dtype(ml_dtypes.bfloat16),
             "tensor(int4)": np.dtype(ml_dtypes.int4), "tensor(uint4)": np.dtype(ml_dtypes.uint4)}


def ort_array(value):
    dtype = ORT_TYPES.get(value.data_type())
    if dtype is None:
        return np.asarray(value.numpy())
    shape = tuple(value.shape())
    count = int(np.prod(shape, dtype=np.int64))
    size = (count + 1) // 2 if dtype in NIBBLES else count * dtype.itemsize
    return unpacked(ctypes.string_at(value.data_ptr(), size) if size else b"", dtype, shape)


def run_ort(data, feeds):
    try:
        session = onnxruntime.InferenceSession(data, options(),
                                               providers=["CPUExecutionProvider"])
        odd = any(a.dtype in ODD for a in feeds.values()) or \
            any(o.type in ORT_TYPES for o in session.get_outputs())
        if any(a.dtype in NIBBLES for a in feeds.values()):
            raise Refused("onnxruntime takes no 4-bit inputs from Python")
        if not odd:
            return [np.asarray(y) for y in session.run(None, feeds)]
        values = session.run_with_ort_values(None, {k: ort_value(v) for k, v in feeds.items()})
        return [ort_array(v) for v in values]
    except Refused:
        raise
    except Exception as e:      # onnxruntime's exceptions share no base class
        raise Refused(" ".join(str(e).split())[:300]) from None


TYPED = {"Cast", "CastLike", "BitCast", "EyeLike", "QuantizeLinear", "DequantizeLinear", "Range",
         "ConstantOfShape", "Constant", "Clip"}   # what they do depends on the type
OTHERS = tuple(np.dtype(d) for d in (np.float16, ml_dtypes.bfloat16, np.float64))


def in_float(model, feeds, run):
    """`run` on the same operator in f32, its results rounded once to their own type: for the types
    that an engine has no kernel for, or rounds at every step in. None where there is no such twin."""
    given = {a.dtype for a in feeds.values()}
    given |= {DTYPES.get(t.data_type) for t in model.graph.initializer}
    others = [d for d in OTHERS if d in given]
    if not others or len(model.graph.node) != 1 or model.graph.node[0].op_type in TYPED:
        return None
    kinds = declared(model)
    codes, code = [CODES[d] for d in others], CODES[np.dtype(np.float32)]
    twin = onnx.ModelProto.FromString(model.SerializeToString())
    with np.errstate(all="ignore"):
        for value in twin.graph.input:
            if value.type.tensor_type.elem_type in codes:
                value.type.tensor_type.elem_type = code
        for value in twin.graph.output:
            value.ClearField("type")
        for tensor in twin.graph.initializer:
            if tensor.data_type in codes:
                array = numpy_helper.to_array(tensor).astype(np.float32)
                tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
        feeds = {k: v.astype(np.float32) if v.dtype in others else v for k, v in feeds.items()}
        ys = run(twin, feeds)
        if np.dtype(np.float32) not in given:   # then a result in f32 is the other type's
            kinds = [kind or (codes[0] if y.dtype == np.float32 else 0)
                     for y, kind in zip(ys, kinds)]
        if 0 in kinds:
            raise Refused("the twin's types are not known")
        return [y.astype(DTYPES[kind]) if kind in codes else y for y, kind in zip(ys, kinds)]


def run_ort_model(model, feeds, values=None):
    return run_ort(model.SerializeToString(), feeds)


def run_ort_in_float(model, feeds, values=None):
    ys = in_float(model, feeds, run_ort_model)
    if ys is None:
        raise Refused("no twin in float")
    return ys


def run_reference(model, feeds, values=None):
    """Half precision in f32, as numpy would round at every step."""
    double = CODES[np.dtype(np.float64)]
    if not any(CODES[a.dtype] == double for a in feeds.values()) and \
            not any(t.data_type == double for t in model.graph.initializer):
        ys = in_float(model, feeds, evaluate)
        if ys is not None:
            return ys
    return evaluate(model, feeds)


def evaluate(model, feeds):
    if any(n.op_type in ("GRU", "LSTM", "RNN") and a.name == "activations"
           for n in model.graph.node for a in n.attribute):
        raise Refused("the reference evaluator does not look at a recurrence's activations")
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ys = [np.asarray(y) for y in ReferenceEvaluator(model).run(None, feeds)]
        except Exception as e:  # whatever Python raises in an operator's class
            raise Refused(f"{type(e).__name__}: " + " ".join(str(e).split())[:300]) from None
    kinds = declared(model)
    for y, kind in zip(ys, kinds):
        if y.dtype not in CODES or kind not in (0, CODES[y.dtype]):
            raise Refused(f"the reference answers {y.dtype}, which is not the operator's type")
    return ys


def declared(model):
    """The outputs' types as ONNX's inference has them, 0 where it does not say."""
    try:
        outputs = onnx.shape_inference.infer_shapes(model).graph.output
    except Exception:   # of several kinds
        return [0] * len(model.graph.output)
    return [o.type.tensor_type.elem_type for o in outputs]
