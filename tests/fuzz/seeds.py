#!/usr/bin/env python3
"""Seeds for the fuzz targets, beyond what tests/fuzz/corpus holds: writes every small model at hand
to build/fuzz/seeds/NAME. `make fuzz` with such a folder starts from all of them; what is kept in
tests/fuzz/corpus is what libFuzzer's -merge=1 found to be enough.

Sources: the graphs of tests/control, one model for each operator and form of tests/ops/cases.py,
ONNX's own node cases (build/onnx-cases, where they were made), tokenizers and templates of the
fixtures, schemas of the JSON-Schema-Test-Suite.
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests/control"), str(ROOT / "tests/ops")]
LARGEST = 1500


def put(target, name, data):
    if 0 < len(data) <= LARGEST:
        folder = ROOT / "build/fuzz/seeds" / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def graphs():
    import onnx
    import onnx.parser
    from graphs import GRAPHS
    for name, (text, _) in GRAPHS.items():
        yield name, onnx.parser.parse_model(text).SerializeToString()
    import importlib.machinery
    import importlib.util
    loader = importlib.machinery.SourceFileLoader("ops_run", str(ROOT / "tests/ops/run"))
    run = importlib.util.module_from_spec(importlib.util.spec_from_loader("ops_run", loader))
    loader.exec_module(run)
    seen = {}
    for case in run.CASES:
        key = (case["op"], tuple(sorted(case["attributes"])), len(case["inputs"]))
        data = run.model_of(case)[0].SerializeToString()
        if key not in seen or len(data) < len(seen[key]):
            seen[key] = data
    for i, ((op, _, _), data) in enumerate(seen.items()):
        yield f"op_{op}_{i}", data
    for file in sorted((ROOT / "build/onnx-cases/node").glob("*/model.onnx")):
        yield "node_" + file.parent.name, file.read_bytes()


def templates():
    sys.path.insert(0, str(ROOT / "tests/text"))
    import templates
    for name in dir(templates):
        value = getattr(templates, name)
        if isinstance(value, str) and "{" in value:
            yield name, value
        for case in value if isinstance(value, list) else ():
            if isinstance(case, tuple) and len(case) == 3:
                yield case[0], case[1] + "\0" + json.dumps(case[2])


def schemas():
    """A schema, a NUL, and the moves."""
    files = sorted((ROOT / "build/deps/json_schema_tests").glob("*.json"))
    for file in files + [ROOT / "tests/schema/schemas.json"]:
        for i, group in enumerate(json.loads(file.read_text(encoding="utf-8"))):
            yield f"{file.stem}_{i}", json.dumps(group["schema"])
    yield "notation", '#root ::= "[" (value ("," value)*)? "]"\nvalue ::= [a-z_]{1,3} | [^"] | root'


def main():
    for name, text in schemas():
        put("schema", name, text.encode() + b"\0" + bytes(i * 37 % 251 for i in range(40)))
    for name, data in graphs():
        put("graph", name, data)
        put("pb", name, data)
    for name, template in templates():
        put("template", name, template.encode())
    for file in sorted((ROOT / "tests/fixtures").rglob("*.json")):
        data = file.read_bytes()
        name = "_".join(file.relative_to(ROOT / "tests/fixtures").parts)
        put("json", name, data)
        if "tokenizer" in name:
            put("tokenizer", name, data)
            continue
        try:
            template = json.loads(data).get("chat_template")
        except (ValueError, AttributeError):
            continue
        if isinstance(template, str):
            put("template", name, template.encode())
    for file in sorted((ROOT / "tests/fixtures").rglob("*.jinja")):
        put("template", file.name, file.read_bytes())


if __name__ == "__main__":
    main()
