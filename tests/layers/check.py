#!/usr/bin/env python3
"""The layer order: a folder may include from itself and from those above it, never from below.

    src/core onnx graph plan cpu gpu text audio image splat pipelines   each sees those before it
    include/brink.h                                                     seen by all
    cli/ and web/native/                                                see brink.h and themselves

An include of ours is written from src/ ("core/arena.h") or, for a file of the same folder, by
its name alone. A new folder of src/ has to be given its place in ORDER, else this check fails.

Usage: check.py [ROOT]        lists what breaks the order, one line each; exit status 1 if any
"""

import re
import sys
from pathlib import Path

ORDER = ["core", "onnx", "graph", "plan", "cpu", "gpu", "text", "audio", "image", "splat",
         "pipelines"]
PUBLIC = "brink.h"
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
C_FILES = ("*.c", "*.h", "*.def", "*.inc")


def c_files(folder):
    return sorted(path for pattern in C_FILES for path in folder.rglob(pattern))


def includes(path):
    """(line, name, quoted) of each include, comments left out."""
    text = path.read_text(encoding="utf-8", errors="replace")
    text = re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.S)
    text = re.sub(r"//[^\n]*", "", text)
    for match in INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match.group(2), match.group(1) == '"'


def layer_of(path, root):
    """The folder of src/ that an existing file belongs to, or None."""
    parts = path.resolve().relative_to(root).parts
    return parts[1] if len(parts) > 2 and parts[0] == "src" else None


def target(name, path, root):
    """The file of this tree that an include names: beside the file, in src/ or include/."""
    for base in (path.parent, root / "src", root / "include"):
        candidate = base / name
        if candidate.is_file() and candidate.resolve().is_relative_to(root):
            return candidate.resolve()
    return None


def check(root):
    root = Path(root).resolve()
    faults = []

    def fault(path, line, text):
        faults.append(f"{path.relative_to(root)}:{line}: {text}")

    for path in c_files(root / "src"):
        layer = layer_of(path, root)
        if layer is None:
            fault(path, 1, "lies in src/ itself; every file belongs to a folder of it")
            continue
        if layer not in ORDER:
            fault(path, 1, f"folder src/{layer} has no place in the order ({' < '.join(ORDER)})")
            continue
        for line, name, quoted in includes(path):
            found = target(name, path, root)
            if found is None:
                first = name.split("/")[0]
                if "/" in name and first in ORDER:      # not written yet, the order still holds
                    if ORDER.index(first) > ORDER.index(layer):
                        fault(path, line, f"{layer} includes {name}, which is below it")
                continue
            other = layer_of(found, root)
            if other is None:
                if found.relative_to(root).parts[0] != "include":
                    fault(path, line, f"{layer} includes {name}, which is outside src/")
            elif other not in ORDER or ORDER.index(other) > ORDER.index(layer):
                fault(path, line, f"{layer} includes {name}, which is below it")

    for folder in ("cli", "web/native"):
        own = root / folder
        for path in c_files(own) if own.is_dir() else []:
            for line, name, quoted in includes(path):
                found = target(name, path, root)
                if found is None:
                    if quoted and "/" in name and name.split("/")[0] in ORDER:
                        fault(path, line, f"{folder} includes {name}; it has {PUBLIC} alone")
                elif not (found.is_relative_to(own) or found == root / "include" / PUBLIC):
                    fault(path, line, f"{folder} includes {name}; it has {PUBLIC} alone")

    for path in c_files(root / "include"):
        for line, name, quoted in includes(path):
            found = target(name, path, root)
            if quoted and (found is None or not found.is_relative_to(root / "include")):
                fault(path, line, f"the public header includes {name}")
    return faults


if __name__ == "__main__":
    found = check(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parents[2])
    print("\n".join(found) if found else "the layer order holds")
    sys.exit(1 if found else 0)
