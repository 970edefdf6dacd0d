#!/usr/bin/env python3
"""Fetches the third-party C sources that scripts/deps.json pins, into build/deps/NAME.

Archives come from the registries through their own clients (pip; apt with a private
configuration that adds source packages, so neither root nor a change to the system is needed),
are checked against their sha256, and only the listed files are unpacked. An archive already in
build/deps/archives with the right hash is used as it is, which is also the way to set up
a machine without these clients.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEPS = ROOT / "build" / "deps"
ARCHIVES = DEPS / "archives"


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}".rstrip())
    return done.stdout


def fetch_pypi(dep, folder):
    """A source distribution, by pip. Pip prepares its metadata, so a build backend comes along."""
    requirement = folder / "requirements.txt"
    requirement.write_text(f"{dep['package']} --hash=sha256:{dep['sha256']}\n")
    name = dep["package"].split("==")[0]
    run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes",
         "--no-binary", name, "--dest", folder, "-r", requirement])
    requirement.unlink()


def fetch_wheel(dep, folder):
    """A wheel for `platform`, whatever this machine is: the files that are C are for all."""
    run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:",
         "--platform", dep["platform"], "--dest", folder, dep["package"]])


def debian_mirrors(suite):
    """(uri, keyring) of the Debian mirrors that apt already uses, those with `suite` first."""
    lines = run(["apt-get", "indextargets", "--format",
                 "$(CREATED_BY) $(REPO_URI) $(CODENAME) $(SIGNED_BY)"]).splitlines()
    found = []
    for line in lines:
        words = line.split()
        if len(words) < 3 or words[0] != "Packages" or "debian" not in words[1]:
            continue
        if "security" in words[1]:
            continue
        key = words[3] if len(words) > 3 and words[3].startswith("/") else ""
        entry = (words[1], key or "/usr/share/keyrings/debian-archive-keyring.gpg")
        if entry not in found:
            found.insert(0 if words[2] == suite else len(found), entry)
    if not found:
        raise RuntimeError("apt knows no Debian mirror; run apt-get update first")
    return found


def fetch_debian(dep, folder):
    """The upstream archive of a Debian source package, by apt-get source."""
    apt = folder / "apt"
    for part in ("lists/partial", "cache/archives/partial", "sources"):
        (apt / part).mkdir(parents=True)
    uri, keyring = debian_mirrors(dep["suite"])[0]
    (apt / "sources" / "source.sources").write_text(
        f"Types: deb-src\nURIs: {uri}\nSuites: {dep['suite']}\nComponents: main\n"
        f"Signed-By: {keyring}\n")
    options = [f"-oDir::Etc::sourcelist=/dev/null", f"-oDir::Etc::sourceparts={apt}/sources",
               f"-oDir::State::lists={apt}/lists", f"-oDir::Cache={apt}/cache",
               "-oAcquire::Languages=none", "-oDebug::NoLocking=1", "-qq"]
    if os.geteuid() == 0:
        options.append("-oAPT::Sandbox::User=root")
    run(["apt-get", *options, "update"])
    run(["apt-get", *options, "source", "--download-only", dep["package"]], cwd=folder)


def unpack(dep, archive):
    """Only the listed files, flat, in build/deps/NAME; complete or not there at all."""
    target, fresh = DEPS / dep["name"], DEPS / (dep["name"] + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    if dep["from"] == "wheel":
        with zipfile.ZipFile(archive) as wheel:
            for name in dep["files"]:
                (fresh / Path(name).name).write_bytes(wheel.read(name))
    else:
        with tarfile.open(archive) as tar:
            top = tar.getnames()[0].split("/")[0]
            for name in dep["files"]:
                source = tar.extractfile(f"{top}/{name}")
                (fresh / Path(name).name).write_bytes(source.read())
    (fresh / ".sha256").write_text(dep["sha256"] + "\n")
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)


def get(dep):
    stamp = DEPS / dep["name"] / ".sha256"
    if stamp.exists() and stamp.read_text().strip() == dep["sha256"]:
        return
    archive = ARCHIVES / dep["archive"]
    if not archive.exists() or sha256(archive) != dep["sha256"]:
        print(f"  {dep['name']} {dep['version']}: fetching {dep['archive']}", flush=True)
        folder = DEPS / "fetch"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            {"pypi": fetch_pypi, "wheel": fetch_wheel, "debian": fetch_debian}[dep["from"]](
                dep, folder)
            got = folder / dep["archive"]
            if not got.exists():
                have = sorted(p.name for p in folder.glob("*.*"))
                raise RuntimeError(f"the package holds {have}, not {dep['archive']}")
            if sha256(got) != dep["sha256"]:
                raise RuntimeError(f"sha256 is {sha256(got)}, expected {dep['sha256']}")
            ARCHIVES.mkdir(parents=True, exist_ok=True)
            got.replace(archive)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    unpack(dep, archive)
    print(f"  {dep['name']} {dep['version']} in {(DEPS / dep['name']).relative_to(ROOT)}")


def main():
    for dep in json.loads((ROOT / "scripts" / "deps.json").read_text())["deps"]:
        try:
            get(dep)
        except (RuntimeError, OSError, KeyError, tarfile.TarError, zipfile.BadZipFile) as error:
            print(f"{dep['name']}: {error}\nTo go on without the registry, put {dep['archive']} "
                  f"(sha256 {dep['sha256']}) into {ARCHIVES} and run make setup again.",
                  file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
