"""Token ids that the suites use, from the dialogues in data/, tokenised by brink itself.

    python prompts.py OUT.json

writes {"speed": [512 ids], "agreement": [20 lists of 64 ids], "accuracy": [6 lists of 512 ids]}: the
beginning of the first long visit, the beginnings of the first ten dialogues of each corpus that are
long enough, and the beginnings of the first six long visits.
"""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SPEED_TOKENS, PROMPTS, PROMPT_TOKENS, ACCURACY_WINDOWS = 512, 20, 64, 6


def dialogues(corpus: str):
    if corpus == "aci-bench":
        for visit in json.loads((ROOT / "data/aci-bench/test1.json").read_text())["data"]:
            yield visit["src"]
    else:
        with (ROOT / "data/mts-dialog/test1.csv").open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                yield row["dialogue"]


def tokenize(text: str) -> list[int]:
    brink, model = os.environ["BRINK"], os.environ["BRINK_MODELS"] + "/smollm2"
    command = [brink, "tokenize", model, text, "--no-special", "--json", "--quiet"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["ids"]


def beginnings(corpus: str, count: int, tokens: int) -> list[list[int]]:
    found = []
    for text in dialogues(corpus):
        if len(text) < 2 * tokens:  # too short: spares a call
            continue
        ids = tokenize(text[: 8 * tokens])
        if len(ids) > tokens:
            found.append(ids[:tokens])
        if len(found) == count:
            return found
    raise SystemExit(f"prompts: {corpus} has only {len(found)} dialogues of {tokens} tokens")


def main(out: str) -> None:
    half = PROMPTS // 2
    long = beginnings("aci-bench", ACCURACY_WINDOWS, SPEED_TOKENS)
    prompts = {
        "speed": long[0],
        "accuracy": long,
        "agreement": [
            ids
            for corpus in ("mts-dialog", "aci-bench")
            for ids in beginnings(corpus, half, PROMPT_TOKENS)
        ],
    }
    Path(out).write_text(json.dumps(prompts) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
