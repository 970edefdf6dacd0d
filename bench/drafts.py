#!/usr/bin/env python3
"""What prompt lookup decoding gains, and what it costs where a text repeats nothing: bench/drafts.py [MODEL…].

Each task is answered with `--draft-tokens 7` and without, by turns, on one thread. Compared are decoded tokens a
second and, since the clock of a busy machine measures that too, processor time: of a whole reply less that of its
first token. Printed are medians of the rounds and ranges. Greedy replies have to be the same token for token, and sampled ones
too, or it ends with status 1. Writes build/bench/drafts.json.

Environment: BRINK (the command), BRINK_MODELS, BENCH_REPEAT (5 rounds).
"""

import json
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BRINK = os.environ.get("BRINK", str(ROOT / "build/brink"))
MODELS = Path(os.environ.get("BRINK_MODELS", ROOT / "build/models"))
REPEAT = int(os.environ.get("BENCH_REPEAT", 5))
TEXT = (ROOT / "docs/sampling.md").read_text(encoding="utf-8")[:1400]
CODE = (ROOT / "src/pipelines/session_prefix.c").read_text(encoding="utf-8")[:1400]
NOTES = (ROOT / "docs/models.md").read_text(encoding="utf-8")[:1400]

# name, prompt, options: what is copied, what is changed a little, what is told anew
TASKS = [
    ("copy a text", f"{TEXT}\n\nThe same text once more:\n\n{TEXT[:80]}", []),
    ("copy code", f"```c\n{CODE}```\n\nThe same file once more:\n\n```c\n{CODE[:80]}", []),
    ("edit", f"Rewrite the text with every spelling mistake corrected, and change nothing else.\n\n{TEXT}", ["--chat"]),
    ("summarise", f"Summarise the text in a few sentences.\n\n{NOTES}", ["--chat"]),
    ("question", f"{NOTES}\n\nWhich models does this text name?", ["--chat"]),
    ("story, greedy", "Once upon a time, in a village by the sea,", []),
    ("story, sampled", "Once upon a time, in a village by the sea,", ["--temperature", "1", "--seed", "1"]),
    ("essay, sampled", "A letter to a friend about the weather.", ["--chat", "--temperature", "1", "--seed", "2"]),
]


def generate(model, prompt, options, most=200):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([BRINK, "generate", str(MODELS / model), "--prompt", prompt, "--max-tokens", str(most), "--threads", "1", "--json", *options],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"bench: {done.stderr.strip()}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {**json.loads(done.stdout), "cpu_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}


def measure(model, name, prompt, options):
    speeds, ratios, cpu = ([], []), [], []
    first = statistics.median(generate(model, prompt, options, 1)["cpu_s"] for _ in range(3))
    for turn in range(REPEAT):
        sides = [options, [*options, "--draft-tokens", "7"]]
        replies = [None, None]
        for side in (0, 1) if turn % 2 == 0 else (1, 0):
            replies[side] = generate(model, prompt, sides[side])
            speeds[side].append(replies[side]["decode_tokens_per_s"] or 0)
        cpu.append((replies[0]["cpu_s"] - first) / (replies[1]["cpu_s"] - first))
        ratios.append(speeds[1][-1] / speeds[0][-1] if speeds[0][-1] else 0)
    plain, drafted = replies
    same = plain["tokens"] == drafted["tokens"]
    return {"model": model, "task": name, "same": same, "tokens": len(plain["tokens"]), "draft_tokens": drafted["draft_tokens"],
            "accepted_tokens": drafted["accepted_tokens"], "plain": speeds[0], "drafted": speeds[1], "ratios": ratios,
            "ratio": statistics.median(ratios), "cpu_ratios": cpu, "cpu_ratio": statistics.median(cpu)}


def main():
    results = []
    print(f"{'model':9} {'task':16} {'tokens':>6} {'guessed':>7} {'right':>5} {'plain/s':>8} {'drafts/s':>8}  clock (range)         processor (range)")
    for model in sys.argv[1:] or [name for name in ("smollm2", "gemma3") if (MODELS / name).is_dir()]:
        for task in TASKS:
            r = measure(model, *task)
            results.append(r)
            print(f"{model:9} {r['task']:16} {r['tokens']:6} {r['draft_tokens']:7} {r['accepted_tokens']:5} "
                  f"{statistics.median(r['plain']):8.1f} {statistics.median(r['drafted']):8.1f}  "
                  f"{r['ratio']:.2f} ({min(r['ratios']):.2f} to {max(r['ratios']):.2f})  {r['cpu_ratio']:.2f} ({min(r['cpu_ratios']):.2f} to {max(r['cpu_ratios']):.2f})" + ("" if r["same"] else "  REPLIES DIFFER"), flush=True)
    (ROOT / "build/bench").mkdir(parents=True, exist_ok=True)
    (ROOT / "build/bench/drafts.json").write_text(json.dumps(results, indent=1) + "\n")
    return 0 if results and all(r["same"] for r in results) else 1


sys.exit(main())
