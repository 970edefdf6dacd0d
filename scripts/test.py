#!/usr/bin/env python3
"""make test: runs every suite of tests, says what failed, and closes with one line of totals.

Suites, in order (name some as arguments to run only those; `list` prints them):

  build     the release build, warnings are errors
  unit      the C tests (ctest)
  asan      the C tests again under address and undefined-behaviour sanitizers
  NAME      tests/NAME/run, for every such program: it exits 0 when all is well, and may end with
            a line "N passed, N failed[, N skipped]" to be counted; else it counts as one test
  python    pytest in python/tests
  wasm-build  make wasm
  web       npm test in web/: the engine in browsers
"""

import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
PLAIN = re.compile(r"^(?:\w+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.M)
JOBS = os.environ.get("JOBS", str(os.cpu_count() or 2))


class Broken(Exception):
    """A suite that could not be run at all."""


def run(*command, cwd=ROOT, capture=False):
    """Exit status and, with capture, the output, which is shown as it comes too."""
    sys.stdout.flush()
    if not capture:
        return subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL).returncode, ""
    process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
    lines = []
    for line in process.stdout:
        lines.append(line)
        print("  " + line, end="", flush=True)
    return process.wait(), "".join(lines)


def counted(path):
    """passed, failed, skipped of a JUnit file."""
    passed = failed = skipped = 0
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def build(preset, *options):
    if run("cmake", "--preset", preset, "--log-level=WARNING", "-DBRINK_WERROR=ON", *options)[0]:
        raise Broken(f"cmake --preset {preset} failed")
    if run("cmake", "--build", "--preset", preset, "--", "--quiet")[0]:
        raise Broken(f"the {preset} build failed")


def ctest(preset):
    build(preset)
    report = BUILD / preset / "junit.xml"
    report.unlink(missing_ok=True)
    status, output = run("ctest", "--preset", preset, "-j", JOBS, "--output-junit", str(report),
                         capture=True)
    if "No tests were found" in output:
        return 0, 0, 0
    if not report.exists():
        raise Broken("ctest left no report")
    passed, failed, skipped = counted(report)
    return passed, failed + (1 if status and not failed else 0), skipped


def suite_build():
    build("release")
    return 1, 0, 0


def suite_program(folder):
    status, output = run(str(folder / "run"), capture=True)
    totals = PLAIN.findall(output)
    if not totals:
        return (1, 0, 0) if status == 0 else (0, 1, 0)
    passed, failed, skipped = (int(n or 0) for n in totals[-1])
    return passed, failed + (1 if status and not failed else 0), skipped


def suite_python():
    report = BUILD / "pytest.xml"
    report.unlink(missing_ok=True)
    status, _ = run(str(ROOT / ".venv/bin/python"), "-m", "pytest", "-q", "python/tests",
                    f"--junitxml={report}", capture=True)
    if status == 5:     # pytest's word for no tests
        return 0, 0, 0
    if not report.exists():
        raise Broken("pytest left no report")
    passed, failed, skipped = counted(report)
    return passed, failed + (1 if status and not failed else 0), skipped


def suite_wasm():
    return (1, 0, 0) if run("make", "--no-print-directory", "wasm")[0] == 0 else (0, 1, 0)


def suite_web():
    status, output = run("npm", "test", cwd=ROOT / "web", capture=True)
    plain = PLAIN.findall(output)
    if plain:
        passed, failed, skipped = (int(n or 0) for n in plain[-1])
    else:       # node's test runner, else Playwright's
        def total(*patterns):
            for pattern in patterns:
                found = re.findall(pattern, output, re.M)
                if found:
                    return int(found[-1])
            return 0
        passed = total(r"^\S* ?pass (\d+)$", r"^\s*(\d+) passed\b")
        failed = total(r"^\S* ?fail (\d+)$", r"^\s*(\d+) failed\b")
        skipped = total(r"^\S* ?skipped (\d+)$", r"^\s*(\d+) skipped\b")
    return passed, failed + (1 if status and not failed else 0), skipped


def suites():
    found = {"build": suite_build}
    found["unit"] = lambda: ctest("release")
    early = {"layers"}      # what needs no build of the engine comes first
    programs = sorted(path.parent for path in (ROOT / "tests").glob("*/run"))
    for folder in programs:
        if folder.name in early:
            found = {folder.name: lambda f=folder: suite_program(f), **found}
    found["asan"] = lambda: ctest("asan")
    if (ROOT / "python/tests").is_dir():
        found["python"] = suite_python
    found["wasm-build"] = suite_wasm
    for folder in programs:
        if folder.name not in early:
            found[folder.name] = lambda f=folder: suite_program(f)
    if (ROOT / "web/package.json").exists():
        found["web"] = suite_web
    return found


def main():
    found = suites()
    chosen = sys.argv[1:] or list(found)
    if chosen == ["list"]:
        print(" ".join(found))
        return 0
    unknown = [name for name in chosen if name not in found]
    if unknown:
        print(f"no suite is named {' '.join(unknown)}; there are: {' '.join(found)}",
              file=sys.stderr)
        return 2
    if not (BUILD / "deps").is_dir():
        print("run make setup first", file=sys.stderr)
        return 2
    results = []
    for name in chosen:
        print(f"── {name} ".ljust(79, "─"), flush=True)
        start = time.monotonic()
        note = ""
        try:
            passed, failed, skipped = found[name]()
        except (Broken, OSError, ElementTree.ParseError) as error:
            passed, failed, skipped, note = 0, 1, 0, str(error)
        results.append((name, passed, failed, skipped, time.monotonic() - start, note))
        if name == "build" and failed:
            print("the release build failed: the other suites are not run")
            break
    print("─" * 79)
    for name, passed, failed, skipped, seconds, note in results:
        print(f"{name:14} {passed:6} passed {failed:4} failed {skipped:4} skipped "
              f"{seconds:7.1f} s  {note}".rstrip())
    passed, failed, skipped = (sum(row[i] for row in results) for i in (1, 2, 3))
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
