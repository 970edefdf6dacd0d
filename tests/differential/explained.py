"""Differences that are not brink's fault, each with the reason and where it can be read.

A row is (operators, reason, test). `test(case, ours, theirs, engine, agrees)` says whether it is that
difference: `ours` is None where brink refuses, `engine` is who gave `theirs`, and agrees("onnx") asks
whether onnx's reference evaluator gives what brink gives.
"""

ROWS = []


def explained(*ops):
    def register(function):
        ROWS.append((ops, " ".join(function.__doc__.split()), function))
        return function
    return register


def explanation(case, ours, theirs, engine, agrees):
    for ops, reason, test in ROWS:
        if (case.op in ops or not ops) and test(case, ours, theirs, engine, agrees):
            return reason
    return None
