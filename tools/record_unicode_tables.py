#!/usr/bin/env python3
"""Writes src/LlmFusion.Transformers/Tokenizers/UnicodeTables.txt.

What the Python package `tokenizers` knows about characters is asked of the package itself, code point by code point:
its normalizers carry their own (older) Unicode tables, and an encoding is only equal if the tables are. Run it where
`tokenizers` is installed (0.23.1 when this was recorded), and give the file to write:

    python3 tools/record_unicode_tables.py src/LlmFusion.Transformers/Tokenizers/UnicodeTables.txt

The same package gives the same file. It takes about a minute.
"""

import sys
import unicodedata

import tokenizers
from tokenizers import normalizers, pre_tokenizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
HANGUL = range(0xAC00, 0xD7A4)  # decomposed and composed by arithmetic


def ranges(points):
    found = []
    for c in points:
        if found and found[-1][1] == c - 1:
            found[-1][1] = c
        else:
            found.append([c, c])
    return found


def text(points):
    return " ".join(f"{ord(c):04X}" for c in points)


def main(path):
    lines = [
        f"# Characters as the package tokenizers {tokenizers.__version__} sees them; made by tools/record_unicode_tables.py.",
        "# D c a b: canonical decomposition   K c a b: compatibility decomposition, where another   C a b c: a + b is c",
        "# O first last class: combining class   L c a b: lower case   sets, first last: M mark (StripAccents), N nonspacing mark",
        "# (BertNormalizer), R removed by BertNormalizer's clean_text, P punctuation, W word character (Whitespace), I number (Digits)",
    ]
    nfc, nfd, nfkd = normalizers.NFC(), normalizers.NFD(), normalizers.NFKD()
    canonical = {}
    for c in CODE_POINTS:
        if c in HANGUL:
            continue
        apart = nfd.normalize_str(chr(c))
        if apart != chr(c):
            canonical[c] = apart
            lines.append(f"D {c:04X} {text(apart)}")
    for c in CODE_POINTS:
        if c in HANGUL:
            continue
        apart = nfkd.normalize_str(chr(c))
        if apart != canonical.get(c, chr(c)):
            lines.append(f"K {c:04X} {text(apart)}")
    for c, apart in canonical.items():
        if nfc.normalize_str(chr(c)) == chr(c):
            first = nfc.normalize_str(apart[:-1])
            assert len(first) == 1 and nfc.normalize_str(first + apart[-1]) == chr(c)
            lines.append(f"C {text(first)} {text(apart[-1])} {c:04X}")

    # A mark that the package does not know (its class is then 0) is not moved before U+0345, whose class is the highest.
    classes = {}
    for c in CODE_POINTS:
        order = unicodedata.combining(chr(c))
        if order and (c == 0x345 or nfd.normalize_str("a\u0345" + chr(c)) != "a\u0345" + nfd.normalize_str(chr(c))):
            classes[c] = order
    for order in sorted(set(classes.values())):
        lines += [f"O {a:04X} {b:04X} {order}" for a, b in ranges(c for c in classes if classes[c] == order)]

    lowercase = normalizers.Lowercase()
    lines += [f"L {c:04X} {text(lower)}" for c in CODE_POINTS if (lower := lowercase.normalize_str(chr(c))) != chr(c)]

    def bert(**on):
        off = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
        return normalizers.BertNormalizer(**{**off, **on})

    def removed_by(normalizer):
        return [c for c in CODE_POINTS if normalizer.normalize_str(chr(c)) == ""]

    def pieces(pre_tokenizer, c):
        return len(pre_tokenizer.pre_tokenize_str("a" + chr(c) + "a"))

    sets = {
        "M": removed_by(normalizers.StripAccents()),
        "N": removed_by(bert(strip_accents=True)),
        "R": removed_by(bert(clean_text=True)),
        "P": [c for c in CODE_POINTS if pieces(pre_tokenizers.BertPreTokenizer(), c) == 3],
        "W": [c for c in CODE_POINTS if pieces(pre_tokenizers.Whitespace(), c) == 1],
        "I": [c for c in CODE_POINTS if pieces(pre_tokenizers.Digits(), c) == 3],
    }
    for name, points in sets.items():
        lines += [f"{name} {a:04X} {b:04X}" for a, b in ranges(points)]
    with open(path, "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
