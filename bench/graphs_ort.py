"""The onnxruntime side of the suites that run graphs: the lines of graphs_brink.c.

    python graphs_ort.py MODEL.onnx THREADS

The library is imported by "load", so that what Python itself takes can be subtracted. Inputs and
outputs are bound (run_with_iobinding): neither conversions nor allocations of Python are timed.
Optimisations are onnxruntime's default, all of them; threads spin as they do by default.
"""

import json
import sys
import time


def main(path: str, threads: str) -> None:
    ort = np = session = None
    inputs: dict = {}  # name → [OrtValue of run i]
    carries: list = []

    def load():
        nonlocal ort, np, session
        start = time.perf_counter()
        import numpy as np
        import onnxruntime as ort

        imported = time.perf_counter()
        options = ort.SessionOptions()
        options.intra_op_num_threads = int(threads)
        options.log_severity_level = 3
        session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return {"load_ms": (time.perf_counter() - imported) * 1e3,
                "import_ms": (imported - start) * 1e3, "version": ort.__version__}

    def add_input(name, kind, file, *dims):
        dtype = {1: "f4", 6: "i4", 7: "i8", 9: "?", 10: "f2"}[int(kind)]
        shape = [int(d) for d in dims]
        data = np.fromfile(file, dtype).reshape([-1, *shape])
        inputs[name] = [ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(t)) for t in data]
        return {}

    def run(count, file=None):
        names = [o.name for o in session.get_outputs()]
        state = {to: inputs[to][0] for _, to in carries}
        times, binding = [], None
        for n in range(int(count)):
            start = time.perf_counter()
            binding = session.io_binding()
            for name, values in inputs.items():
                binding.bind_ortvalue_input(name, state.get(name, values[n % len(values)]))
            for name in names:
                binding.bind_output(name)
            session.run_with_iobinding(binding)
            if carries:
                outputs = dict(zip(names, binding.get_outputs()))
                for output, to in carries:
                    state[to] = outputs[output]
            times.append((time.perf_counter() - start) * 1e3)
        if file:
            with open(file, "wb") as out:
                for value in binding.get_outputs():
                    out.write(value.numpy().tobytes())
        return {"ms": times}

    def clear():
        inputs.clear()
        carries.clear()
        return {}

    def add_carry(output, to):
        carries.append((output, to))
        return {}

    operations = {"load": load, "input": add_input, "carry": add_carry, "run": run, "clear": clear}
    print("{}", flush=True)
    for line in sys.stdin:
        name, *arguments = line.split()
        print(json.dumps(operations[name](*arguments)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
