"""Folders that appear whole or not at all, and the sums of what is in them."""

import glob
import hashlib
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

from .errors import BrinkError


@contextmanager
def staged(target):
    """A folder beside `target` that takes its place on success and is removed on any failure.

    Its name holds the process's id: what a killed process left is removed by the next one."""
    target = Path(os.path.abspath(target))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(target)
        stage = Path(tempfile.mkdtemp(prefix=f".{target.name}.{os.getpid()}.", dir=target.parent))
    except OSError as error:
        raise BrinkError(f"{target}: cannot be made ({error.strerror})") from None
    try:
        yield stage
        stage.chmod(0o755)
        if target.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{target.name}.{os.getpid()}.", dir=target.parent))
            os.rename(target, old / "old")
            os.rename(stage, target)
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.rename(stage, target)
    except OSError as error:
        where = error.filename or target
        raise BrinkError(f"{where}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(stage, ignore_errors=True)


@contextmanager
def scratch(target):
    """A folder beside `target`, on the same disk, that is removed afterwards."""
    prefix = f".{target.name}.{os.getpid()}."
    with tempfile.TemporaryDirectory(prefix=prefix, dir=target.parent,
                                     ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def remove_leftovers(target):
    for path in target.parent.glob(f".{glob.escape(target.name)}.*.*"):
        process = path.name.removeprefix(f".{target.name}.").split(".")[0]
        if process.isdigit() and not _runs(int(process)):
            shutil.rmtree(path, ignore_errors=True)


def _runs(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def sha256(path):
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BrinkError(f"{path}: {error.strerror}") from None
