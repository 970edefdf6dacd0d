#!/usr/bin/env python3
"""Random operator cases and small graphs, in onnxruntime and in brink.

    differential.py [--count N] [--seed S] [--ops NAME...] [--jobs 2] [--keep DIR] [--case NAME-S-I]

Case I of operator NAME under seed S is always the same, so that what is printed can be run again
with --case. What differs is shrunk and, with --keep, written as DIR/NAME/model.onnx beside its
test_data_set_0, which `brink check` runs. Ends with a table by operator, and with status 1 if a
difference is neither agreed nor explained (explained.py), or an operator of ops.def has no generator.
"""

import argparse
import collections
import json
import multiprocessing
import re
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))

import engines  # noqa: E402
from cases import COVERED, GENERATORS, MS, draw  # noqa: E402
from judge import AGREES, ALONE, DIFFERS, EXPLAINED, judge  # noqa: E402
from shrink import shrink, write  # noqa: E402
import generators  # noqa: E402, F401

LIMIT_S = 60            # the longest one case may take
SHRINK_EACH = 3         # differing cases of one operator that are shrunk
PHASES = ["drawing", "reference", "brink", "comparison"]
OUTSIDE = {"If", "Loop", "Scan", "SequenceMap",     # control flow: tests/control
           "Constant",                              # read as an initialiser
           # random numbers are no two engines' own, and optionals wrap what is tested: tests/ops
           "Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform",
           "RandomUniformLike", "Optional", "OptionalGetElement", "OptionalHasElement"}


def table():
    """(domain, operator) of ops.def."""
    rows = re.findall(r"^OP\((?!brink)(\w+), (\w+),", (ROOT / "src/onnx/ops.def").read_text(), re.M)
    return sorted({(MS if d == "ms" else "", op) for d, op in rows})


def one(name, seed, index, brinks, place):
    def mark(phase):
        place[1] = PHASES.index(phase)
    mark("drawing")
    case = draw(name, seed, index)
    return judge(case, brinks[index % 8 == 7], mark)


def work(todo, seed, pipe, place):
    """A worker: sends (position, verdict, text) for each of `todo`; `place` says where it is."""
    brinks = [engines.Brink(1), engines.Brink(3)]
    for position, name, index in todo:
        place[0] = position
        try:
            verdict, text = one(name, seed, index, brinks, place)
        except Exception as e:      # a fault of a generator, to be seen as one
            import traceback
            line = traceback.extract_tb(e.__traceback__)[-1]
            verdict = DIFFERS
            place_of = f"{Path(line.filename).name}:{line.lineno}"
            text = f"the test itself: {type(e).__name__}: {e} ({place_of})"
        pipe.send((position, verdict, text))
    pipe.send(None)


def batch(todo, seed):
    """Yields (name, index, verdict, text) of every case, whatever becomes of the workers."""
    context, start = multiprocessing.get_context("fork"), 0
    while start < len(todo):
        ours, theirs = context.Pipe(False)
        place = context.Array("q", [start, 0], lock=False)
        numbered = [(i, *todo[i]) for i in range(start, len(todo))]
        process = context.Process(target=work, args=(numbered, seed, theirs, place), daemon=True)
        process.start()
        theirs.close()
        ended = None
        while True:
            try:
                message = ours.recv() if ours.poll(LIMIT_S) else "late"
            except EOFError:
                message = "gone"
            if not isinstance(message, tuple):
                ended = message
                break
            position, verdict, text = message
            start = position + 1
            yield (*todo[position], verdict, text)
        if ended == "late":
            process.kill()
        process.join()
        ours.close()
        if ended is None:
            return
        how = f"no answer in {LIMIT_S} s" if ended == "late" else f"ended with {process.exitcode}"
        phase = PHASES[place[1]]
        yield (*todo[place[0]], ALONE if phase == "reference" else DIFFERS, f"{phase}: {how}")
        start = place[0] + 1


def chunk(arguments):
    todo, seed = arguments
    return list(batch(todo, seed))


def run(names, count, seed, jobs, start=0):
    todo = [(names[i % len(names)], (start + i) // len(names)) for i in range(count)]
    size = max(50, min(2000, count // (jobs * 4)))
    chunks = [(todo[i:i + size], seed) for i in range(0, count, size)]
    if jobs == 1:
        for c in chunks:
            yield from batch(*c)
        return
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(jobs) as pool:
        for results in pool.map(chunk, chunks):
            yield from results


def report(rows, differences, seconds, out=sys.stdout):
    kinds = (AGREES, EXPLAINED, DIFFERS, ALONE)
    print(f"{'operator':32}" + "".join(f"{k.split()[0]:>11}" for k in kinds), file=out)
    for name in sorted(rows):
        print(f"{name:32}" + "".join(f"{rows[name][k]:11}" for k in kinds), file=out)
    total = sum(rows.values(), collections.Counter())
    print(f"{'all':32}" + "".join(f"{total[k]:11}" for k in kinds) +
          f"   {sum(total.values()) / max(seconds, 1e-9):.0f} cases/s", file=out)


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ops", nargs="+", help="only these (com.microsoft's as ms.NAME)")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="where differing cases are written")
    parser.add_argument("--case", nargs="+", help="run these cases only, and print them")
    parser.add_argument("--summary", type=Path, help="write the table as JSON there")
    parser.add_argument("--quiet", action="store_true", help="no table")
    return parser.parse_args(arguments)


def show(names):
    brink, bad = engines.Brink(1), 0
    for whole in names:
        name, seed, index = whole.rsplit("-", 2)
        case = draw(name, int(seed), int(index))
        for node in case.nodes:
            print(whole, node, f"opset {case.opset}")
        for key, array in case.values.items():
            print(f"  {key} {array.dtype}{list(array.shape)} "
                  f"{'constant' if key in case.constants else ''} {str(array.reshape(-1)[:12])}")
        verdict, text = judge(case, brink)
        print(f"  {verdict}: {text}", flush=True)
        bad += verdict == DIFFERS
    return 1 if bad else 0


def main(arguments=None):
    o = parse(arguments)
    engines.link()
    if o.case:
        return show(o.case)
    here = table()
    missing = [op for op in here if op not in COVERED and op[1] not in OUTSIDE]
    names = [name for key, name in COVERED.items() if key in here or key[1].startswith("Graph")]
    if o.ops:
        names = [n for n in GENERATORS if n in o.ops or n.removeprefix("ms.") in o.ops]
        if not names:
            print(f"no generator for {' '.join(o.ops)}")
            return 2
    names = sorted(set(names))
    rows = collections.defaultdict(collections.Counter)
    reasons, differences, start = collections.Counter(), [], time.monotonic()
    for name, index, verdict, text in run(names, o.count, o.seed, o.jobs):
        rows[name][verdict] += 1
        if verdict == EXPLAINED:
            reasons[name, text] += 1
        if verdict == DIFFERS:
            differences.append((f"{name}-{o.seed}-{index}", text))
            print(f"{name}-{o.seed}-{index}: {text}", flush=True)
    seconds = time.monotonic() - start
    if o.keep:
        each = collections.Counter()
        for whole, text in differences:
            name = whole.rsplit("-", 2)[0]
            each[name] += 1
            if each[name] <= SHRINK_EACH and not text.startswith("the test itself"):
                smaller = shrink(draw(name, *map(int, whole.rsplit("-", 2)[1:])))
                print(f"kept {write(smaller, o.keep / whole)}")
    if not o.quiet:
        report(rows, differences, seconds)
        for (name, text), count in sorted(reasons.items()):
            print(f"explained {name} {count}: {text}")
    for domain, op in missing:
        print(f"{domain}{'.' if domain else ''}{op}: in ops.def, without a generator")
    if o.summary:
        o.summary.write_text(json.dumps(
            {"seed": o.seed, "count": o.count, "seconds": round(seconds, 1), "operators": rows,
             "explained": [[*k, v] for k, v in sorted(reasons.items())]}, indent=1) + "\n")
    total = sum(rows.values(), collections.Counter())
    print(f"differential: {total[AGREES] + total[EXPLAINED]} passed, "
          f"{total[DIFFERS] + (0 if o.ops else len(missing))} failed, {total[ALONE]} skipped")
    return 1 if total[DIFFERS] or (missing and not o.ops) else 0


if __name__ == "__main__":
    sys.exit(main())
