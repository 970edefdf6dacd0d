"""Many lines of many kinds, the same for the same seed: source code and prose that lie in the repository, and
Devanagari, CJK, Arabic, emoji with joiners, controls and random bytes that are made here.

Characters younger than Unicode 14 stay out: what they are depends on the tables of either side.
"""

import random
import unicodedata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OLD = {c for c in map(chr, range(0x110000)) if unicodedata.category(c) != "Cn"}


def known(text):
    return all(c in OLD for c in text)


def source():
    for folder, pattern in (("src", "*.[ch]"), ("tests", "*.py"), ("web", "*.ts"), ("include", "*.h"), ("docs", "*.md")):
        for file in sorted((ROOT / folder).rglob(pattern)):
            if "node_modules" not in file.parts:
                yield from file.read_text(errors="replace").split("\n")


def prose():
    for file in sorted((ROOT / "data").glob("*/*")):
        if file.suffix in (".json", ".csv", ".txt", ".jsonl") and file.stat().st_size < 16 << 20:
            yield from file.read_text(errors="replace").split("\n")


def words(rng, letters, marks="", digits="", spaces=" "):
    out = []
    for _ in range(rng.randrange(1, 14)):
        for _ in range(rng.randrange(1, 9)):
            out.append(rng.choice(letters))
            if marks and rng.random() < 0.4:
                out.append(rng.choice(marks))
            if marks and rng.random() < 0.05:
                out.append(rng.choice(marks))
        if digits and rng.random() < 0.2:
            out += rng.choices(digits, k=rng.randrange(1, 5))
        out.append(rng.choice(spaces))
    return "".join(out)


def chars(*ranges):
    return [chr(c) for first, last in ranges for c in range(first, last + 1) if chr(c) in OLD]


DEVANAGARI = chars((0x904, 0x939), (0x958, 0x961)), chars((0x900, 0x903), (0x93A, 0x94F)) + ["\u200d", "\u200c"], chars((0x966, 0x96F))
HAN = chars((0x4E00, 0x4FFF), (0x3041, 0x3096), (0x30A1, 0x30FE), (0xAC00, 0xAD00), (0x3400, 0x3410), (0x20000, 0x20010), (0xFF01, 0xFF5E), (0xF900, 0xF910))
ARABIC = chars((0x620, 0x64A), (0x671, 0x6B0), (0xFE70, 0xFEFC)), chars((0x64B, 0x65F), (0x6D6, 0x6DC)), chars((0x660, 0x669), (0x6F0, 0x6F9))
LATIN = chars((0x41, 0x5A), (0x61, 0x7A), (0xC0, 0x24F), (0x1E00, 0x1EF9)), chars((0x300, 0x36F)), chars((0x30, 0x39), (0xB2, 0xB3), (0xBC, 0xBE), (0x2150, 0x2189))
EMOJI = chars((0x1F300, 0x1F64F), (0x1F680, 0x1F6C0), (0x1F900, 0x1F9FF), (0x2600, 0x27BF)), ["\u200d", "\ufe0f", "\U0001f3fd", "\U0001f3fb", "\u20e3", "\U000e0067"], chars((0x1F1E6, 0x1F1FF))
MARKS = ["<s>", "</s>", "<unk>", "[MASK]", "[CLS]", "<mask>", "<|im_start|>", "▁", "Ġ", "<0x41>", "\u2581\u2581", "tok1"]


def make(rng, kind):
    if kind == 0:
        return words(rng, *DEVANAGARI, spaces=" \u0964 ")
    if kind == 1:
        return "".join(rng.choices(HAN + list("。、，！？「」 "), k=rng.randrange(1, 60)))
    if kind == 2:
        return words(rng, *ARABIC, spaces=" \u060c\u061f ")
    if kind == 3:
        return words(rng, *EMOJI, spaces="   \ufe0f")
    if kind == 4:
        return "".join(chr(rng.choice([rng.randrange(0x20), rng.randrange(0x7F, 0xA1), rng.randrange(0x2000, 0x2070), rng.randrange(0x20, 0x7F)])) for _ in range(rng.randrange(1, 40)))
    if kind == 5:
        return words(rng, *LATIN, spaces=[" ", "  ", "\u00a0", "\t", "-", ", ", "\u3000"])
    if kind == 6:
        return "".join(rng.choice([rng.choice(MARKS), " ", "  ", rng.choice(LATIN[0]), rng.choice(HAN)]) for _ in range(rng.randrange(1, 25)))
    return None


def lines(count, seed=7):
    """`count` lines as bytes: a quarter each of source and prose where there are enough, the rest made."""
    rng = random.Random(seed)
    out = []
    for have in (list(source()), list(prose())):
        have = [line[:2000] for line in have if known(line)]
        out += rng.sample(have, min(len(have), count // 4))
    while len(out) < count:
        kind = rng.randrange(8)
        text = make(rng, kind)
        if text is None:
            raw = rng.randbytes(rng.randrange(1, 60))
            if known(raw.decode("utf-8", errors="replace")):
                out.append(raw)
        elif known(text):
            out.append(text)
    rng.shuffle(out)
    return [line if isinstance(line, bytes) else line.encode("utf-8", errors="replace") for line in out]
