"""Builds sentencepiece's `precompiled_charsmap` from a table of replacements, for tests.

A double-array trie over UTF-8: a node's children lie at base ^ label, its value at base; no two nodes
share a base. See src/text/precompiled.c for the units.
"""

import struct
import unicodedata


def build(table):
    """{text: replacement} as the blob that Precompiled reads."""
    root, values, blob = {}, {}, bytearray()
    for text, new in sorted(table.items()):
        node = root
        for byte in text.encode():
            node = node.setdefault(byte, {})
        if new not in values:
            values[new] = len(blob)
            blob += new.encode() + b"\0"
        node[None] = values[new]
    units, taken, bases = [0] * 256, {0}, set()
    queue, start = [(0, root)], 1
    while queue:
        at, node = queue.pop()
        labels = [0 if k is None else k for k in node]
        base = start
        while base in bases or any(base ^ label in taken for label in labels):
            base += 1
        if len(labels) == 1 and base - start > 64:
            start = base
        bases.add(base)
        taken |= {base ^ label for label in labels}
        units += [0] * (((base | 255) + 1) - len(units))
        units[at] |= (at ^ base) << 10 | (1 << 8 if None in node else 0)
        for key, child in node.items():
            if key is None:
                units[base] = 1 << 31 | child
            else:
                units[base ^ key] = key
                queue.append((base ^ key, child))
    return struct.pack(f"<I{len(units)}I", 4 * len(units), *units) + bytes(blob)


def table():
    """NFKC of the characters it changes and of some sequences, and sentencepiece's own rules for blanks."""
    out = {}
    for code in [*range(0xA0, 0x3400), *range(0xF900, 0x10000)]:
        if unicodedata.category(chr(code)) not in ("Cn", "Cs") and unicodedata.normalize("NFKC", chr(code)) != chr(code):
            out[chr(code)] = unicodedata.normalize("NFKC", chr(code))
    for base in "aeiouAEIOUnN":
        for mark in "\u0300\u0301\u0302\u0303\u0308":
            out[base + mark] = unicodedata.normalize("NFC", base + mark)
    out.update({chr(c): "" for c in [*range(1, 9), *range(0xE, 0x20), 0x7F, 0xAD, 0x200D]})
    out.update({c: " " for c in "\t\n\r\u2028\u200b\ufeff"})
    out["\r\n"] = " "
    return out
