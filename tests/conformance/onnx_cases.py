#!/usr/bin/env python3
"""The ONNX package's own backend test cases, through `brink check`.

    onnx_cases.py [--kind KIND...] [--only PART...] [--write-page]

Node cases on plain tensors of the default domain, and the simple, light, pytorch-converted and
pytorch-operator cases, are written below build/onnx-cases in the ONNX backend-test layout and run
with the tolerances they are judged by, rtol 1e-3 and atol 1e-5. Prints what passed and every failure
with its reason; --write-page rewrites docs/conformance.md. Exit status 1 when fewer node cases pass
than conformance.json's "node_cases_passed" says.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BRINK = os.environ.get("BRINK", str(ROOT / "build" / "brink"))
PLACE = Path(os.environ.get("BRINK_ONNX_CASES", ROOT / "build" / "onnx-cases"))
EXPECTED = json.loads((HERE / "conformance.json").read_text())
PLAIN = {1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13}     # float … uint64 of TensorProto.DataType


def plain(values):
    return all(v.type.WhichOneof("value") == "tensor_type" and v.type.tensor_type.elem_type in PLAIN
               for v in values)


def node_cases():
    from onnx.backend.test.case.node import collect_testcases
    for c in collect_testcases(None):
        graph = c.model.graph if c.model is not None else None
        if graph is not None and plain(graph.input) and plain(graph.output) and \
                all(o.domain in ("", "ai.onnx") for o in c.model.opset_import):
            yield c.name, c.model, c.data_sets


def write_nodes():
    import numpy as np
    import onnx
    from onnx import numpy_helper
    place = PLACE / "node"
    shutil.rmtree(place, ignore_errors=True)
    count = 0
    for name, model, sets in node_cases():
        folder = place / name
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(model.SerializeToString())
        for i, (inputs, outputs) in enumerate(sets):
            data = folder / f"test_data_set_{i}"
            data.mkdir()
            for kind, values, infos in (("input", inputs, model.graph.input),
                                        ("output", outputs, model.graph.output)):
                for k, (value, info) in enumerate(zip(values, infos)):
                    if isinstance(value, onnx.TensorProto):
                        value.name = info.name
                        proto = value
                    else:
                        proto = numpy_helper.from_array(np.asarray(value), info.name)
                    (data / f"{kind}_{k}.pb").write_bytes(proto.SerializeToString())
        count += 1
    (place / "complete").write_text(f"{count}\n")


def write_packaged(kind):
    """The cases that lie in the package as files; those of sequences and maps are left out."""
    import onnx
    place = PLACE / kind
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for folder in sorted((Path(onnx.__file__).parent / "backend/test/data" / kind).iterdir()):
        if not (folder / "model.onnx").is_file():
            continue
        graph = onnx.load(folder / "model.onnx", load_external_data=False).graph
        if plain(graph.input) and plain(graph.output):
            shutil.copytree(folder, place / folder.name)
    (place / "complete").write_text("")


def write_light():
    """Well-known image networks without their weights; the inputs are those of onnx's own runner."""
    import onnx
    from onnx import numpy_helper
    from onnx.backend.test.runner import Runner
    place = PLACE / "light"
    shutil.rmtree(place, ignore_errors=True)
    for path in sorted((Path(onnx.__file__).parent / "backend/test/data/light").glob("*.onnx")):
        folder = place / path.stem.removeprefix("light_")
        data = folder / "test_data_set_0"
        data.mkdir(parents=True)
        shutil.copy(path, folder / "model.onnx")
        graph = onnx.load(path).graph
        held = {i.name for i in graph.initializer}
        for i, value in enumerate(v for v in graph.input if v.name not in held):
            array = Runner.generate_dummy_data(value, seed=0, name=folder.name, random=False)
            (data / f"input_{i}.pb").write_bytes(
                numpy_helper.from_array(array, value.name).SerializeToString())
        shutil.copy(path.with_name(path.stem + "_output_0.pb"), data / "output_0.pb")
    (place / "complete").write_text("")


def check(kind, only):
    if not (PLACE / kind / "complete").exists():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            {"node": write_nodes, "light": write_light}.get(kind, lambda: write_packaged(kind))()
    names = [p.name for p in sorted((PLACE / kind).iterdir()) if p.is_dir()]
    if only:
        names = [n for n in names if any(o in n for o in only)]
    if not names:
        return 0, []
    tree = PLACE / kind
    if only:
        tree = PLACE / f"some-{kind}-{os.getpid()}"
        tree.mkdir()
        for name in names:
            (tree / name).symlink_to(PLACE / kind / name)
    try:
        done = subprocess.run([BRINK, "check", "--tree", str(tree), "--quiet", "--json"],
                              capture_output=True, text=True)
    finally:
        if only:
            shutil.rmtree(tree)
    if done.returncode not in (0, 1):
        sys.exit(f"{kind}: brink check ended with {done.returncode}: {done.stderr.strip()}")
    result = json.loads(done.stdout)
    return result["passed"], [(row["name"].removesuffix("/model.onnx"), row["reason"])
                              for row in result["failures"]]


def write_page(results):
    lines = ["# Conformance", "",
             "The ONNX package's own cases (onnx 1.23.2) on plain tensors, by `brink check` on the",
             "CPU at rtol 1e-3, atol 1e-5. Written by `make conformance`.", ""]
    for kind, (passed, failures) in results.items():
        lines += [f"## {kind}: {passed} of {passed + len(failures)}", ""]
        if failures:
            lines += ["| case | why it fails |", "|---|---|"]
            lines += [f"| {name} | {reason.replace('|', chr(92) + '|')} |"
                      for name, reason in failures]
            lines.append("")
    (ROOT / "docs" / "conformance.md").write_text("\n".join(lines).rstrip() + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", help="cases whose name holds one of these")
    parser.add_argument("--kind", nargs="+", default=list(EXPECTED))
    parser.add_argument("--quiet", action="store_true", help="counts only")
    parser.add_argument("--write-page", action="store_true")
    arguments = parser.parse_args()
    results, short = {}, False
    for kind in arguments.kind:
        passed, failures = results[kind] = check(kind, arguments.only)
        if not arguments.quiet:
            for name, reason in failures:
                print(f"{name}: {reason}")
        print(f"{kind}: {passed} of {passed + len(failures)} pass, at least {EXPECTED[kind]} should")
        short |= passed < EXPECTED[kind] and not arguments.only
    if arguments.write_page:
        write_page(results)
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
