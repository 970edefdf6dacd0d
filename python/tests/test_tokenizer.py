"""tokenizer.json made from GGUF metadata encodes as its source does."""

import heapq
import json
import sys
from pathlib import Path

import pytest
from tokenizers import (Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors,
                        trainers)

from brinktools import tokenizer
from brinktools.errors import BrinkError

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests/text"))
import charsmap as charsmaps  # noqa: E402

TEXTS = ["The capital of France is", "  two  spaces\n\n\ttab\n", "It's 3.14159; don't WE'RE",
         "日本語 émoji 🙂🇫🇷 naïve — “quotes”…\r\nnext", "def f(x):\n    return x+1\n\n\n",
         "Ünïcödé Ελληνικά русский עברית العربية हिन्दी 한국어", "a\u0000b", "", " ", "<|end|> x <|end|>"]
CORPUS = TEXTS * 3 + ["the quick brown fox jumps over the lazy dog 0123456789 " * 5]
KNOWN = Path(__file__).with_name("known_tokens.json")
QWEN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+")


UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
CASED = (rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+END|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*END|"
         r"\p{N}DIGITS| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def trained(pre):
    """A byte-level BPE trained here with the splitting rule that `pre` names."""
    made = Tokenizer(models.BPE())
    rules = {
        "smollm": [pre_tokenizers.Digits(individual_digits=True),
                   pre_tokenizers.ByteLevel(add_prefix_space=False)],
        "gpt-2": [pre_tokenizers.ByteLevel(add_prefix_space=False)],
    }
    for name, digits in (("qwen2", r"\p{N}|"), ("llama-bpe", r"\p{N}{1,3}|")):
        rules[name] = [pre_tokenizers.Split(Regex(QWEN.replace(r"\p{N}|", digits, 1)), "isolated"),
                       pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    for name, end, digits in (("gpt-4o", "(?i:'s|'t|'re|'ve|'m|'ll|'d)?", "{1,3}"), ("tekken", "", "")):
        rules[name] = [pre_tokenizers.Split(Regex(CASED.replace("END", end).replace("DIGITS", digits)), "isolated"),
                       pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    made.pre_tokenizer = pre_tokenizers.Sequence(rules[pre])
    if pre == "qwen2":
        made.normalizer = normalizers.NFC()
    made.decoder = decoders.ByteLevel()
    made.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=600, show_progress=False, special_tokens=["<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return made


@pytest.mark.parametrize("pre", ["smollm", "qwen2", "llama-bpe", "gpt-2", "gpt-4o", "tekken"])
def test_byte_level(pre):
    source = trained(pre)
    value = json.loads(source.to_str())
    tokens = sorted(value["model"]["vocab"], key=value["model"]["vocab"].get)
    merges = [" ".join(merge) for merge in value["model"]["merges"]]
    assert len(merges) > 50
    metadata = {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": pre,
                "tokenizer.ggml.tokens": tokens, "tokenizer.ggml.merges": merges,
                "tokenizer.ggml.token_type": [3] + [1] * (len(tokens) - 1),
                "tokenizer.ggml.add_bos_token": False, "tokenizer.ggml.eos_token_id": 0}
    made, config = tokenizer.tokenizer_from_gguf(metadata, "m.gguf")
    ours = Tokenizer.from_str(json.dumps(made))
    assert config["eos_token"] == "<|end|>"
    for text in TEXTS:
        got = ours.encode(text).ids
        if pre in ("llama-bpe", "tekken"):  # takes a whole word that is a token before any merge
            assert ours.decode(got, skip_special_tokens=False) == text
        else:
            assert got == source.encode(text).ids
            assert ours.decode(got) == source.decode(got)


def test_begin_token_is_added():
    metadata = {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "llama-bpe",
                "tokenizer.ggml.tokens": ["<b>", "a"], "tokenizer.ggml.merges": [],
                "tokenizer.ggml.token_type": [3, 1], "tokenizer.ggml.bos_token_id": 0}
    made, _ = tokenizer.tokenizer_from_gguf(metadata, "m.gguf")
    ours = Tokenizer.from_str(json.dumps(made))
    assert ours.encode("a").ids == [0, 1]
    assert ours.encode("a", add_special_tokens=False).ids == [1]


def wordpiece(lowercase):
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    made.train_from_iterator(CORPUS, trainers.WordPieceTrainer(
        vocab_size=300, show_progress=False, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return made


def spellings(source):
    vocabulary = source.get_vocab()
    return sorted(vocabulary, key=vocabulary.get)


def same(ours, source):
    for text in TEXTS:
        expected, got = source.encode(text), ours.encode(text)
        assert got.ids == expected.ids, text
        assert got.offsets == expected.offsets
        assert ours.decode(got.ids) == source.decode(expected.ids)
    assert ours.encode("a", "the").ids == source.encode("a", "the").ids
    assert ours.encode("a", "the").type_ids == source.encode("a", "the").type_ids


@pytest.mark.parametrize("lowercase", [True, False])
def test_words(lowercase):
    source = wordpiece(lowercase)
    tokens = spellings(source)
    stored = [t if i < 5 else t[2:] if t.startswith("##") else "\u2581" + t for i, t in enumerate(tokens)]
    metadata = {"tokenizer.ggml.model": "bert", "tokenizer.ggml.tokens": stored,
                "tokenizer.ggml.token_type": [3, 3, 3, 3, 3] + [1] * (len(tokens) - 5),
                "tokenizer.ggml.cls_token_id": 2, "tokenizer.ggml.seperator_token_id": 3,
                "tokenizer.ggml.unknown_token_id": 1, "tokenizer.ggml.mask_token_id": 4}
    made, config = tokenizer.tokenizer_from_gguf(metadata, "m.gguf")
    assert (config["cls_token"], config["sep_token"], config["mask_token"]) == ("[CLS]", "[SEP]", "[MASK]")
    same(Tokenizer.from_str(json.dumps(made)), source)


@pytest.mark.parametrize("prefix", [True, False])
def test_unigram(prefix):
    """As SentencePiece normalises: blanks at the ends are dropped, and runs are one."""
    source = Tokenizer(models.Unigram())
    charsmap = {"\u00a0": " ", "\u3000": " ", "\t": " ", "\n": " ", "…": "...", "ﬁ": "fi"}
    source.normalizer = normalizers.Sequence([
        normalizers.Precompiled(charsmaps.build(charsmap)), normalizers.Replace(Regex(r"\A +| +\z"), ""),
        normalizers.Replace(Regex(" {2,}"), " ")])
    scheme = "always" if prefix else "never"
    source.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    source.decoder = decoders.Metaspace(prepend_scheme=scheme)
    source.train_from_iterator(CORPUS, trainers.UnigramTrainer(
        vocab_size=300, show_progress=False, unk_token="<unk>", special_tokens=["<pad>", "</s>", "<unk>"]))
    source.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)])
    pairs = json.loads(source.to_str())["model"]["vocab"]
    metadata = {"tokenizer.ggml.model": "t5", "tokenizer.ggml.tokens": [token for token, _ in pairs],
                "tokenizer.ggml.token_type": [3, 3, 2] + [1] * (len(pairs) - 3),
                "tokenizer.ggml.scores": [float(score) for _, score in pairs],
                "tokenizer.ggml.eos_token_id": 1, "tokenizer.ggml.unknown_token_id": 2,
                "tokenizer.ggml.add_space_prefix": prefix, "tokenizer.ggml.remove_extra_whitespaces": True,
                "tokenizer.ggml.precompiled_charsmap": list(charsmaps.build(charsmap))}
    made, _ = tokenizer.tokenizer_from_gguf(metadata, "m.gguf")
    same(Tokenizer.from_str(json.dumps(made)), source)


@pytest.mark.parametrize("prefix, removes, text, expected", [
    (True, False, " a", ["\u2581", "\u2581a"]), (True, False, "a ", ["\u2581a", "\u2581"]), (True, True, "  a  a ", ["\u2581a", "\u2581a"]),
    (False, False, " a", ["\u2581a"]), (False, True, " a", ["a"]), (True, False, "", []), (True, True, "  ", [])])
def test_unigram_spaces(prefix, removes, text, expected):
    """What SentencePiece 0.2.3 makes of blanks under these settings."""
    pieces = ["<unk>", "a", "\u2581", "\u2581a"]
    metadata = {"tokenizer.ggml.model": "t5", "tokenizer.ggml.tokens": pieces,
                "tokenizer.ggml.token_type": [2, 1, 1, 1], "tokenizer.ggml.scores": [0.0, -1.0, -2.0, -2.5],
                "tokenizer.ggml.unknown_token_id": 0, "tokenizer.ggml.add_space_prefix": prefix,
                "tokenizer.ggml.remove_extra_whitespaces": removes}
    made, _ = tokenizer.tokenizer_from_gguf(metadata, "m.gguf")
    ours = Tokenizer.from_str(json.dumps(made))
    assert ours.encode(text).tokens == expected
    assert ours.decode(ours.encode("a a").ids) == "a a"


def test_templates_by_name():
    metadata = {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "smollm", "tokenizer.ggml.tokens": ["a"],
                "tokenizer.ggml.merges": [], "tokenizer.chat_template": "x"}
    assert tokenizer.tokenizer_from_gguf(metadata, "m.gguf")[1]["chat_template"] == "x"
    metadata |= {"tokenizer.chat_templates": ["tool_use", "rag", 7], "tokenizer.chat_template.tool_use": "y"}
    assert tokenizer.tokenizer_from_gguf(metadata, "m.gguf")[1]["chat_template"] == [
        {"name": "default", "template": "x"}, {"name": "tool_use", "template": "y"}]


def sentencepiece_bpe(text, scores):
    """SentencePiece's rule, written plainly: join the best-scored adjacent pair, leftmost first."""
    parts = list(text)
    while True:
        pairs = [(-scores[a + b], i) for i, (a, b) in enumerate(zip(parts, parts[1:]))
                 if a + b in scores]
        if not pairs:
            return parts
        _, i = heapq.nsmallest(1, pairs)[0]
        parts[i:i + 2] = [parts[i] + parts[i + 1]]


def test_pieces():
    pieces = ["▁", "t", "h", "e", "c", "a", "th", "he", "▁t", "the", "▁the", "▁c", "at", "▁ca",
              "▁cat", "eat", "ea", "▁▁"]
    tokens = ["<pad>", "</s>", "<s>", "<unk>", "[x]"] + [f"<0x{i:02X}>" for i in range(256)]
    kinds = [3, 3, 3, 2, 4] + [6] * 256
    scores = [-1000.0] * len(tokens)
    for i, piece in enumerate(pieces):
        tokens.append(piece)
        kinds.append(1)
        scores.append(-float(i))
    metadata = {"tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": tokens,
                "tokenizer.ggml.token_type": kinds, "tokenizer.ggml.scores": scores,
                "tokenizer.ggml.add_space_prefix": False, "tokenizer.ggml.add_bos_token": True,
                "tokenizer.ggml.bos_token_id": 2, "tokenizer.ggml.unknown_token_id": 3}
    made, _ = tokenizer.tokenizer_from_gguf(metadata, "m.gguf")
    ours = Tokenizer.from_str(json.dumps(made))
    by_piece = dict(zip(pieces, (-float(i) for i in range(len(pieces)))))
    for text in ["the cat", "theat", "that heat ate", " the  cat", "tea"]:
        encoded = ours.encode(text)
        assert encoded.tokens[0] == "<s>"
        want = [p for word in split_words(text) for p in sentencepiece_bpe(word, by_piece)]
        assert encoded.tokens[1:] == want, text
        assert ours.decode(encoded.ids) == text
    assert ours.encode("é").tokens[1:] == ["<0xC3>", "<0xA9>"]
    assert ours.encode("[x]a").tokens[1:] == ["[x]", "a"]


def split_words(text):
    """No piece here spans a space that follows a letter, so words end before each space run."""
    words, word = [], ""
    for char in text.replace(" ", "▁"):
        if char == "▁" and word and word[-1] != "▁":
            words.append(word)
            word = ""
        word += char
    return words + [word]


def test_installed_models_encode_as_llama_cpp_does():
    """Ids recorded from llama.cpp on the same GGUF files; needs `get smollm2` and `get gemma3`."""
    from brinktools.models import REPOSITORY
    import os
    root = Path(os.environ.get("BRINK_MODELS") or REPOSITORY / "build/models")
    known = json.loads(KNOWN.read_text(encoding="utf-8"))
    there = [name for name in known["ids"] if (root / name / "tokenizer.json").exists()]
    if not there:
        pytest.skip(f"no language model in {root}")
    for name in there:
        ours = Tokenizer.from_file(str(root / name / "tokenizer.json"))
        for text, ids in zip(known["texts"], known["ids"][name]):
            assert ours.encode(text).ids == ids, (name, text)


@pytest.mark.parametrize("change, message", [
    ({"tokenizer.ggml.model": "rwkv"}, "not supported"),
    ({"tokenizer.ggml.token_type": 7}, "do not match"),
    ({"tokenizer.ggml.model": "bert"}, "no token for unknown words"),
    ({"tokenizer.ggml.model": "t5"}, "scores is missing"),
    ({"tokenizer.ggml.model": "t5", "tokenizer.ggml.scores": [0.0]}, "do not match"),
    ({"tokenizer.ggml.model": "llama", "tokenizer.ggml.scores": [0.0, float("nan"), 0.0]}, "do not match"),
    ({"tokenizer.ggml.model": "t5", "tokenizer.ggml.scores": [0.0] * 3,
      "tokenizer.ggml.precompiled_charsmap": [7, 999]}, "charsmap is malformed"),
    ({"tokenizer.ggml.pre": "unheard-of"}, "not supported"),
    ({"tokenizer.ggml.pre": ["x"]}, "not supported"),
    ({"tokenizer.ggml.tokens": None}, "missing"),
    ({"tokenizer.ggml.merges": ["a q"]}, "does not make a token"),
    ({"tokenizer.ggml.merges": [7]}, "does not make a token"),
    ({"tokenizer.ggml.token_type": [1]}, "do not match"),
    ({"tokenizer.ggml.eos_token_id": 9}, "not one of"),
])
def test_wrong_metadata(change, message):
    metadata = {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "smollm",
                "tokenizer.ggml.tokens": ["a", "b", "ab"], "tokenizer.ggml.merges": ["a b"]}
    tokenizer.tokenizer_from_gguf(metadata, "m.gguf")
    with pytest.raises(BrinkError, match=message):
        tokenizer.tokenizer_from_gguf(metadata | change, "m.gguf")
