#!/usr/bin/env python3
"""Writes src/onnx/signatures.def: how many inputs and outputs each operator of ops.def has, and
which types they may be, from the schemas of the onnx and onnxruntime packages. To be run (in .venv)
after an operator was added; tests/hostile says when one is missing.
"""

import re
import sys
from pathlib import Path

import onnx.defs
from onnxruntime.capi import onnxruntime_pybind11_state as ort

ROOT = Path(__file__).resolve().parent.parent
TYPES = {"float": 1, "uint8": 2, "int8": 3, "uint16": 4, "int16": 5, "int32": 6, "int64": 7,
         "string": 8, "bool": 9, "float16": 10, "double": 11, "uint32": 12, "uint64": 13,
         "bfloat16": 16, "float8e4m3fn": 17, "float8e4m3fnuz": 18, "float8e5m2": 19,
         "float8e5m2fnuz": 20, "uint4": 21, "int4": 22}
# What the engine takes beyond the schema: operator to types of its first parameter.
MORE = {"CumProd": ["uint8", "int8", "uint16", "int16"]}
HEAD = """/* signatures.def — made by scripts/signatures.py: what operators take and give, by opset.

       SIGNATURE(domain, name, since, "inputs>outputs", type set of A, of B, ...)

   A letter is a parameter; those of the same letter have the same type, one of its set. A small
   letter may be left out. * repeats the last parameter, + does so with a type for each. A set of 0
   is not looked at. Sorted by name, so that one can be searched for. */

"""


def mask(strings):
    bits = 0
    for text in strings:
        found = re.fullmatch(r"tensor\((.*)\)", text)
        if found is None:
            return 0        # sequences, maps, optionals: not looked at
        if found[1] in TYPES:
            bits |= 1 << TYPES[found[1]]
    return bits


def schema_of(s):
    """The form, and the set of each letter."""
    letters, sets = {}, []
    constraints = {c.type_param_str: list(c.allowed_type_strs) for c in s.type_constraints}

    def side(parameters):
        out = ""
        for p in parameters:
            text = getattr(p, "type_str", None) or p.typeStr
            if text not in letters:
                letters[text] = chr(ord("A") + len(letters))
                sets.append(mask(constraints.get(text, [text])))
            letter = letters[text]
            kind = str(p.option).rsplit(".", 1)[-1]
            if kind == "Variadic":
                homogeneous = getattr(p, "is_homogeneous", None)
                homogeneous = p.isHomogeneous if homogeneous is None else homogeneous
                least = getattr(p, "min_arity", 1)
                out += (letter if least else letter.lower()) + ("*" if homogeneous else "+")
            else:
                out += letter.lower() if kind == "Optional" else letter
        return out
    return side(s.inputs) + ">" + side(s.outputs), sets


def main():
    rows = set(re.findall(r"^OP\((?!brink)(\w+), (\w+),", (ROOT / "src/onnx/ops.def").read_text(), re.M))
    schemas = {}
    for s in onnx.defs.get_all_schemas_with_history():
        if s.domain == "":
            schemas.setdefault(("onnx", s.name), {})[s.since_version] = s
    for s in ort.get_all_operator_schema():
        if s.domain == "com.microsoft":
            schemas.setdefault(("ms", s.name), {})[s.since_version] = s
    lines, missing = [], []
    for row in sorted(rows, key=lambda row: row[::-1]):
        if row not in schemas:
            missing.append("::".join(row))
            continue
        forms = []      # [since, form, sets], equal neighbours joined
        for since, s in sorted(schemas[row].items()):
            form, sets = schema_of(s)
            if forms and forms[-1][1] == form:
                forms[-1][2] = [a | b if a and b else 0 for a, b in zip(forms[-1][2], sets)]
            else:
                forms.append([since, form, sets])
        for since, form, sets in forms:
            sets[0] |= mask(f"tensor({name})" for name in MORE.get(row[1], []))
            text = ", ".join([*row, str(since), f'"{form}"', *(f"{x:#x}" for x in sets)])
            lines.append(f"SIGNATURE({text})\n")
    (ROOT / "src/onnx/signatures.def").write_text(HEAD + "".join(lines))
    print(f"{len(lines)} signatures" + (f"; no schema for {', '.join(missing)}" if missing else ""))


if __name__ == "__main__":
    sys.exit(main())
