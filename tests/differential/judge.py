"""One case through the engines, to a verdict."""

import engines
from compare import compare
from explained import explanation

AGREES, EXPLAINED, DIFFERS, ALONE = "agrees", "explained", "differs", "without a reference"


def ort_runner(model, feeds):
    return engines.run_ort(model.SerializeToString(), feeds)


RUNNERS = {"onnxruntime": ort_runner, "onnx": engines.run_reference}


def references(case):
    order = {"any": ("onnxruntime", "onnx"), "ort": ("onnxruntime",), "onnx": ("onnx",)}
    names = order[case.reference]
    if any(n.domain for n in case.nodes):
        names = [n for n in names if n == "onnxruntime"]
    return names


def judge(case, brink, mark=lambda phase: None):
    """(verdict, text). `mark` is told which engine is at work, in case it does not come back."""
    model = case.model()
    data, feeds = model.SerializeToString(), case.feeds()
    reasons, theirs = [], None
    mark("reference")
    for name in references(case):
        runner = RUNNERS[name]
        try:
            theirs = runner(model, feeds)
            break
        except engines.Refused as e:
            reasons.append(f"{name}: {e}")
    if theirs is None:
        return ALONE, "; ".join(reasons)
    mark("brink")
    try:
        typed = case.model(theirs).SerializeToString()
        ours = brink.run(typed, feeds)
        difference = None
    except engines.Refused as e:
        ours, difference = None, f"refused: {e}"
    mark("comparison")
    if difference is None:
        difference = compare(case, ours, theirs, runner)
    if difference is None:
        return AGREES, ""
    reason = explanation(case, ours, theirs, name, lambda other: second(case, ours, other))
    if reason:
        return EXPLAINED, reason
    return DIFFERS, f"{difference} [{name}]"


def second(case, ours, name):
    """Whether another reference agrees with ours."""
    if ours is None:
        return False
    try:
        other = RUNNERS[name](case.model(), case.feeds())
    except engines.Refused:
        return False
    return len(other) == len(ours) and compare(case, ours, other, RUNNERS[name]) is None
