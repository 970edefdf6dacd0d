"""Writes docs/benchmarks/ from build/bench/*.json: figures as JSON, plots, and the page.

Every suite's file holds {"suite", "machine", "groups": [{"title", "figures"}]}; growth holds
"curves". The page says what each suite was measured on and when, since suites may be run apart. The
copies leave out the single measurements of the rounds, which stay in build/bench.
"""

import importlib.metadata
import json
import sys
from pathlib import Path

from plot import bar_plot, line_plot

ROOT = Path(__file__).resolve().parent.parent
IN, OUT = ROOT / "build/bench", ROOT / "docs/benchmarks"
SUITES = {
    "language": "SmolLM2-135M natively, beside llama.cpp",
    "language-gemma3": "Gemma 3 270M natively, beside llama.cpp",
    "graphs": "Graphs natively, beside onnxruntime",
    "embed": "Texts to vectors, beside onnxruntime",
    "masks": "Masks of a vocabulary under JSON Schemas, beside llguidance",
    "browser": "In Chromium, beside wllama and onnxruntime-web",
    "browser-gemma3": "Gemma 3 270M in Chromium, beside wllama",
    "tokenizers": "Text to ids, beside transformers.js and tokenizers",
    "startup": "Start-up in a fresh browser profile",
    "size": "What a page downloads",
    "webgpu": "WebGPU over wasm in one tab",
    "accuracy": "Perplexity",
    "accuracy-gemma3": "Perplexity of Gemma 3 270M",
    "sequences": "Several sequences together, over one alone",
    "growth": "How cost grows",
}
PEERS = ("@node-llama-cpp/linux-x64", "@wllama/wllama", "onnxruntime-web",
         "@huggingface/transformers")


def digits(x: float) -> str:
    if x >= 100:
        return f"{x:.0f}"
    return f"{x:.1f}" if x >= 10 else f"{x:.2f}" if x >= 0.1 else f"{x:.2g}"


def spread(figure: dict) -> tuple[float, float, float]:
    ratio = figure["ratio"]
    return (ratio, ratio, ratio) if isinstance(ratio, int | float) else (
        ratio["median"], ratio["min"], ratio["max"])


def verdict(figure: dict) -> str:
    middle, own = spread(figure)[0], figure["medians"]["brink"]
    if "limit" in figure:
        ok = own <= figure["limit"]
        return f"at most {figure['limit']} {figure['unit']} | {digits(own)} {figure['unit']}: " + (
            "reached" if ok else "**missed**")
    if "target" not in figure:
        return " | "
    ok = middle >= figure["target"] if figure["better"] == "higher" else middle <= figure["target"]
    sign = "at least" if figure["better"] == "higher" else "at most"
    return f"{sign} {figure['target']} | {'reached' if ok else '**missed**'}"


def describe(machine: dict) -> str:
    return (f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
            f"{machine['system']}; {', '.join(machine['features'])}")


def section(name: str, report: dict, usual: dict) -> list[str]:
    lines = [f"## {SUITES[name]}", ""]
    machine = report.get("machine", usual)
    if describe(machine) != describe(usual):
        lines += [f"Another machine: {describe(machine)}.", ""]
    if machine.get("load", 0) > 0.5:
        lines += [f"The machine had other work (load {machine['load']:.1f}): times of several threads "
                  "above all are not to be trusted.", ""]
    for group in report.get("groups", []):
        lines += [f"{group['title']}:", "", "| | ratio | range | better | asked | | beside |",
                  "|---|---|---|---|---|---|---|"]
        for figure in group["figures"]:
            middle, least, most = spread(figure)
            extent = "" if least == most else f"{digits(least)} – {digits(most)}"
            lines.append(f"| {figure['what'].strip()} | {digits(middle)} | {extent} | "
                         f"{figure['better']} | {verdict(figure)} | {figure.get('peer', '')} |")
        lines.append("")
    for curve in report.get("curves", []):
        sides = list(curve["sides"])
        lines += [f"![{curve['title']}](growth-{curve['id']}.svg)", "",
                  f"| {curve['label']} | {' | '.join(f'{s}, ' + curve['unit'] for s in sides)} |",
                  "|---" * (1 + len(sides)) + "|"]
        for i, x in enumerate(curve["x"]):
            lines.append(f"| {x:,} | {' | '.join(digits(curve['sides'][s][i]) for s in sides)} |")
        lines.append("")
    return lines


def plots(name: str, report: dict) -> dict[str, str]:
    made = {}
    for curve in report.get("curves", []):
        made[f"growth-{curve['id']}.svg"] = line_plot(
            curve["title"], curve["label"], curve["unit"], curve["x"], curve["sides"])
    asked = [(group["title"], f) for group in report.get("groups", []) for f in group["figures"]
             if "target" in f and name not in ("accuracy", "accuracy-gemma3")]
    rows = []
    for title, f in asked:
        threads = "1 thread" if "1 thread" in title else "processor time" if "processor" in title else (
            "" if " threads" not in title else title.split(" threads")[0].split()[-1] + " threads")
        what = f["what"].replace(", tokens/s", "").replace(", runs/s", "")
        rows.append((f"{what}, {threads}", *spread(f), f["target"], f["better"]))
    if name == "webgpu": # nothing is asked: the line is where both are equal
        rows = [(f"{f['what'].replace(', tokens/s', '')}, over {f['peer']}", *spread(f), 1, f["better"])
                for group in report["groups"] for f in group["figures"]]
    if rows:
        made[f"{name}.svg"] = bar_plot(f"{SUITES[name]}: {report.get('adapter', 'brink over its peer')}", rows)
    return made


def short(report: dict) -> dict:
    return {key: value for key, value in report.items() if key not in ("results", "rounds")}


def main() -> int:
    reports = {}
    for name in SUITES:
        file = IN / f"{name}.json"
        report = json.loads(file.read_text()) if file.exists() else {}
        if "groups" in report or "curves" in report:
            reports[name] = report
    if not reports:
        print("report: build/bench has no results", file=sys.stderr)
        return 1
    OUT.mkdir(parents=True, exist_ok=True)
    for old in [*OUT.glob("*.svg"), *OUT.glob("*.json")]:
        old.unlink()
    package = json.loads((ROOT / "bench/package.json").read_text())["devDependencies"]
    machine = next(r["machine"] for r in reports.values() if "machine" in r)
    dates = sorted(r["machine"]["date"][:10] for r in reports.values() if "machine" in r)
    lines = [
        "# Measured figures", "",
        "Written by `make bench`; do not edit. A figure is a ratio, brink over its peer, of one run in "
        "which both took turns: the median over the rounds and its range. Where a peer has several forms, "
        "the one that does best at the figure counts. How the comparison is kept fair: "
        "[bench/README.md](../../bench/README.md).", "",
        f"Machine: {describe(machine)}. Taken {dates[0]}"
        + (f" to {dates[-1]}" if dates[-1] != dates[0] else "") + ".", "",
        "Peers: " + ", ".join(f"{name} {package[name]}" for name in PEERS) + ", onnxruntime "
        + importlib.metadata.version("onnxruntime") + ".", "",
    ]
    for name, report in reports.items():
        made = plots(name, report)
        for file, text in made.items():
            (OUT / file).write_text(text)
        text = section(name, report, machine)
        if f"{name}.svg" in made:
            text[2:2] = [f"![{SUITES[name]}]({name}.svg)", ""]
        lines += text
        (OUT / f"{name}.json").write_text(json.dumps(short(report), indent=1) + "\n")
    (OUT / "README.md").write_text("\n".join(lines).rstrip() + "\n")
    print(f"bench: docs/benchmarks has {len(reports)} suites")
    return 0


if __name__ == "__main__":
    sys.exit(main())
