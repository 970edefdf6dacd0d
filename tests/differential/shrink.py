"""A differing case made smaller while it still differs, and written for `brink check`.

Every trial runs in a process of its own, so that a crash is a difference like any other. Smaller
means, in this order: fewer nodes and outputs, fewer attributes, fewer inputs, no constants, shorter
dimensions, plainer values.
"""

import multiprocessing

import numpy as np
from onnx import numpy_helper

import engines
from cases import is_float
from judge import DIFFERS, answers, judge

TRIALS = 250
LIMIT_S = 20


def attempt(case, pipe):
    try:
        verdict, text = judge(case, engines.Brink(1))
    except Exception as e:      # an invalid case is not a smaller one
        verdict, text = "invalid", str(e)
    pipe.send((verdict, text))


def differs(case):
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(False)
    process = context.Process(target=attempt, args=(case, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        verdict = ours.recv()[0] if ours.poll(LIMIT_S) else DIFFERS
    except EOFError:
        verdict = DIFFERS
    process.kill()
    process.join()
    ours.close()
    return verdict == DIFFERS


def fewer_nodes(case):
    for i in reversed(range(len(case.nodes))):
        if len(case.nodes) > 1:
            # up to here, or from here on with what was computed as an input
            yield used(case.but(nodes=case.nodes[:i + 1], outputs=case.nodes[i].outputs))
    if len(case.nodes) > 1:
        for output in case.outputs:
            yield used(case.but(outputs=[output]))
        try:
            names = [o for n in case.nodes for o in n.outputs if o]
            known = dict(zip(names, engines.run_ort(
                case.but(outputs=names).model().SerializeToString(), case.feeds())))
        except engines.Refused:
            return
        for i, node in enumerate(case.nodes):
            kept = [n for j, n in enumerate(case.nodes) if j != i]
            given = {o: known[o] for o in node.outputs if o and o not in case.outputs}
            if given:
                yield used(case.but(nodes=kept, values=case.values | given))


def used(case):
    """Without the nodes and values that no output needs."""
    wanted, kept = set(case.outputs), []
    for node in reversed(case.nodes):
        if wanted & set(node.outputs):
            kept.append(node)
            wanted |= set(node.inputs)
    made = {o for n in kept for o in n.outputs}
    return case.but(nodes=kept[::-1],
                    values={k: v for k, v in case.values.items() if k in wanted and k not in made})


def plainer(case):
    if case.constants:
        yield case.but(constants=set())
    for name in sorted(case.constants):
        yield case.but(constants=case.constants - {name})
    if case.free:
        yield case.but(free=set())
    for i, node in enumerate(case.nodes):
        for key in node.attributes:
            rest = {k: v for k, v in node.attributes.items() if k != key}
            yield with_node(case, i, attributes=rest)
        if node.inputs and len(case.nodes) == 1 and len(node.inputs) > 1:
            yield used(with_node(case, i, inputs=node.inputs[:-1]))


def with_node(case, i, **changes):
    from dataclasses import replace
    nodes = list(case.nodes)
    nodes[i] = replace(nodes[i], **changes)
    return case.but(nodes=nodes)


def shorter(case):
    """The same cut along equal dimensions of all inputs, then of single ones."""
    sizes = sorted({d for a in case.values.values() for d in a.shape if d > 1}, reverse=True)
    for size in sizes:
        for small in {1, size // 2, size - 1}:
            values = {k: cut(a, [d for d in range(a.ndim) if a.shape[d] == size], small)
                      for k, a in case.values.items()}
            yield case.but(values=values)
    for name, array in case.values.items():
        for axis, size in enumerate(array.shape):
            for small in {1, size // 2, size - 1}:
                if 0 < small < size:
                    yield case.but(values=case.values | {name: cut(array, [axis], small)})


def cut(array, axes, size):
    for axis in axes:
        array = np.take(array, range(size), axis)
    return array


def simpler(case):
    for name, array in case.values.items():
        if is_float(array.dtype) and array.size:
            with np.errstate(all="ignore"):
                for values in (np.ones_like(array), np.round(array.astype(np.float64), 1)):
                    values = values.astype(array.dtype)
                    if not np.array_equal(values, array, equal_nan=False):
                        yield case.but(values=case.values | {name: values})


def shrink(case):
    trials = 0
    going = True
    while going and trials < TRIALS:
        going = False
        for make in (fewer_nodes, plainer, shorter, simpler):
            for smaller in make(case):
                trials += 1
                if trials > TRIALS:
                    break
                if weight(smaller) < weight(case) and differs(smaller):
                    case, going = smaller, True
                    break
    return case


def weight(case):
    values = [v for v in case.values.values()]
    plain = sum(len({float(x) for x in np.asarray(v, np.float64).reshape(-1)[:200]})
                for v in values if is_float(v.dtype))
    return (len(case.nodes), len(case.outputs), sum(len(n.inputs) for n in case.nodes),
            sum(len(n.attributes) for n in case.nodes), len(case.constants) + len(case.free),
            sum(v.size for v in values), plain)


def write(case, folder):
    """DIR/NAME/model.onnx and its data set, the outputs as the reference gives them."""
    name, _, theirs = next(answers(case))
    theirs = theirs if name else None
    data = folder / "test_data_set_0"
    data.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(case.model(theirs).SerializeToString())
    for kind, named in (("input", case.feeds()), ("output", dict(zip(case.outputs, theirs or [])))):
        for i, (name, array) in enumerate(named.items()):
            (data / f"{kind}_{i}.pb").write_bytes(
                numpy_helper.from_array(array, name).SerializeToString())
    return folder
