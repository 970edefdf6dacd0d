"""One case through the engines, to a verdict."""

import engines
import ml_dtypes
import numpy as np
from compare import compare
from explained import explanation

AGREES, EXPLAINED, DIFFERS, ALONE = "agrees", "explained", "differs", "without a reference"
RUNNERS = {"onnxruntime": engines.run_ort_model, "onnxruntime in float": engines.run_ort_in_float,
           "onnx": engines.run_reference}
ENGINES = list(RUNNERS)


def references(case):
    """In the order they are asked: the first that runs the case is the reference. Where that is not
    onnxruntime in the case's own types, another that agrees with brink is as good."""
    order = {"any": ENGINES, "ort": ENGINES[:2], "onnx": ["onnx"]}
    names = order[case.reference]
    if any(n.domain for n in case.nodes):
        names = [n for n in names if n != "onnx"]
    return names


def runner(case, name):
    if name == "formula":
        return lambda model, feeds, values: case.formula(values)
    return RUNNERS[name]


def answers(case):
    """Yields (name, case as it is to be judged by, results), at last perhaps (None, reasons)."""
    model, feeds, reasons, some = case.model(), case.feeds(), [], False
    for name in references(case):
        try:
            theirs = RUNNERS[name](model, feeds)
        except engines.Refused as e:
            reasons.append(f"{name}: {e}")
            continue
        some = True
        yield name, case.but(coarse=name == "onnxruntime in float"), theirs
    if not some and case.formula:
        some = True
        yield "formula", case.but(coarse=True), case.formula(case.values)
    if not some:
        yield None, case, "; ".join(reasons)


def flushed(case):
    """The case with subnormal f32 values as zeros: what a GPU may make of them."""
    def flush(array):
        if array.dtype not in (np.float32, np.dtype(ml_dtypes.bfloat16)):
            return array
        small = np.abs(array.astype(np.float32)) < np.finfo(np.float32).tiny
        return np.where(small, np.copysign(np.zeros_like(array), array), array)
    return case.but(values={k: flush(v) for k, v in case.values.items()})


def judge(case, brink, mark=lambda phase: None):
    """(verdict, text). `mark` is told which engine is at work, in case it does not come back."""
    mark("reference")
    asked = answers(case)
    name, held, theirs = next(asked)
    if name is None:
        return ALONE, theirs
    mark("brink")
    try:
        ours, difference = brink.run(case.model(theirs).SerializeToString(), case.feeds()), None
    except engines.Refused as e:
        ours, difference = None, f"refused: {e}"
    mark("comparison")
    if difference is None:
        difference = compare(held, ours, theirs, runner(case, name))
    if difference is None:
        return AGREES, ""
    others = []

    def agrees():
        """Whether another reference gives what brink gives."""
        if not others:
            others.append(any(n and ours is not None and
                              compare(h, ours, ys, runner(case, n)) is None for n, h, ys in asked))
        return others[0]
    if name != "onnxruntime" and agrees():
        return AGREES, ""
    if brink.gpu and ours is not None:
        zeros = flushed(case)
        name, held, theirs_of_zeros = next(answers(zeros))
        zero = "WGSL 15.7.2: subnormal numbers may be taken for zero"
        if name and compare(held, ours, theirs_of_zeros, runner(zeros, name)) is None:
            return EXPLAINED, zero
        reason = explanation(zeros, ours, theirs_of_zeros, agrees) if name else None
        if reason:
            return EXPLAINED, f"{zero}; {reason}"
    reason = explanation(case, ours, theirs, agrees)
    if reason:
        return EXPLAINED, reason
    return DIFFERS, f"{difference} [{name}]"
