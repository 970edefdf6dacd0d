"""Gets package files with the ordinary clients, so that a user's own settings hold: pip and npm.

A package file is used only after its sha256 is that of the manifest.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile

from .errors import BrinkError
from .folders import sha256


def fetch_package(package, folder):
    """Downloads one package file of the manifest into `folder`; returns its path."""
    title = f"{package['name']} {package['version']}"
    if package["registry"] == "pypi":
        _pip(package, title, folder)
    elif package["registry"] == "npm":
        _npm(package, title, folder)
    else:
        raise BrinkError(f"{title}: registry {package['registry']!r} is not known")
    path = folder / package["file"]
    if not path.is_file():
        raise BrinkError(f"{title}: the download has no file {package['file']}")
    check_sum(path, package["sha256"], package["file"])
    return path


def check_sum(path, wanted, title):
    found = sha256(path)
    if found != wanted:
        raise BrinkError(f"{title}: sha256 is {found} but should be {wanted}; nothing was installed")


def _run(command, title, client):
    try:
        return subprocess.run(command, capture_output=True, text=True, errors="replace",
                              stdin=subprocess.DEVNULL, check=False)
    except OSError:
        raise BrinkError(f"{title}: {client} is not installed") from None


def _pip(package, title, folder):
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{package['name']}=={package['version']} "
                      f"--hash=sha256:{package['sha256']}\n", encoding="utf-8")
    done = _run([sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps",
                 "--no-cache-dir", "--retries", "2", "--disable-pip-version-check",
                 "--only-binary=:all:", "--require-hashes", "--dest", str(folder),
                 "--requirement", str(wanted)], title, "pip")
    wanted.unlink()
    if done.returncode:
        raise BrinkError(f"{title}: {_reason(done.stderr, folder)}")


def _npm(package, title, folder):
    done = _run(["npm", "pack", "--silent", "--pack-destination", str(folder),
                 f"{package['name']}@{package['version']}"], title, "npm")
    if done.returncode:
        raise BrinkError(f"{title}: {_reason(done.stderr, folder)}")


def _reason(text, folder):
    """One line for what pip or npm said."""
    if "DO NOT MATCH THE HASHES" in text:
        return "the package's sha256 is not that of the manifest; nothing was installed"
    if "No space left" in text or shutil.disk_usage(folder).free < 1 << 20:
        return "no space left on device"
    if re.search(r"ConnectionError|NewConnectionError|Network is unreachable|ENOTFOUND|"
                 r"ECONNREFUSED|Name or service not known|name resolution|ProxyError|timed out|"
                 r"Connection refused|EAI_AGAIN", text):
        return "cannot be fetched: no network, or the package registry does not answer"
    if "No matching distribution" in text or "Could not find a version" in text:
        return "cannot be fetched: no network, or the registry does not have it"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    wrong = [line for line in lines if line.lower().startswith(("error", "npm err"))]
    return "cannot be fetched: " + (wrong or lines or ["the client gave no reason"])[-1]


class Archive:
    """The files inside a wheel, a zip or an npm tarball."""

    def __init__(self, path):
        self.path = path
        try:
            self.tar = tarfile.open(path) if path.name.endswith((".tgz", ".tar.gz")) else None
            self.zip = None if self.tar else zipfile.ZipFile(path)
        except (OSError, tarfile.TarError, zipfile.BadZipFile) as error:
            raise BrinkError(f"{path.name}: cannot be opened ({error})") from None

    def extract(self, inside, target, append=False):
        """Writes one file of the archive to `target`."""
        try:
            source = self.tar.extractfile(inside) if self.tar else self.zip.open(inside)
        except KeyError:
            source = None
        if source is None:
            raise BrinkError(f"{self.path.name}: there is no file {inside}")
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with source, open(target, "ab" if append else "wb") as out:
                shutil.copyfileobj(source, out, 1 << 20)
        except zipfile.BadZipFile as error:
            raise BrinkError(f"{self.path.name}: {inside} is damaged ({error})") from None
        except OSError as error:
            raise BrinkError(f"{target.name}: {error.strerror} ({os.path.dirname(target)})"
                             ) from None
