"""The parts of tokenizer.json that hang on the kind of vocabulary in a GGUF file: model, normalizer,
pre-tokenizer and decoder.

How llama.cpp names and reads the kinds: https://github.com/ggml-org/llama.cpp/blob/master/src/llama-vocab.cpp
"""

import base64
from math import isfinite

from .errors import BrinkError

NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
SPACE = "\u2581"  # SentencePiece's visible space
LONGEST = 1024  # characters of a piece; published ones have 256 at most

_CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_SPLIT = (_CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")


def _split(pattern):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated",
            "invert": False}


def _bytes(regex):
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
            "use_regex": regex}


_DIGITS = {"type": "Digits", "individual_digits": True}
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CASED = (r"[^\r\n\p{L}\p{N}]?" + f"{_UPPER}*{_LOWER}+%s|" + r"[^\r\n\p{L}\p{N}]?" + f"{_UPPER}+{_LOWER}*%s|"
          + r"\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
_GPT2 = ([_bytes(True)], None)
_GPT2_DIGITS = ([_DIGITS, _bytes(True)], None)
_QWEN2 = ([_split(_SPLIT % ""), _bytes(False)], {"type": "NFC"})
_LLAMA3 = ([_split(_SPLIT % "{1,3}"), _bytes(False)], None)
_GPT4O = ([_split(_CASED % (f"{_CONTRACTIONS}?", f"{_CONTRACTIONS}?", "{1,3}")), _bytes(False)], None)
_TEKKEN = ([_split(_CASED % ("", "", "")), _bytes(False)], None)
PRE_TOKENIZERS = {  # by tokenizer.ggml.pre: (pre-tokenizers, normalizer)
    **dict.fromkeys(("gpt-2", "default", "phi-2", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de", "jina-v1-en",
                     "jina-v2-code", "roberta-bpe", "modern-bert", "mpt", "olmo", "jais", "exaone4"), _GPT2),
    **dict.fromkeys(("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"), _GPT2_DIGITS),
    **dict.fromkeys(("qwen2", "deepseek-r1-qwen", "megrez", "stablelm2", "hunyuan"), _QWEN2),
    **dict.fromkeys(("llama-bpe", "llama3", "llama-v3", "falcon3", "dbrx", "smaug-bpe", "glm4",
                     "chatglm-bpe"), _LLAMA3),
    **dict.fromkeys(("gpt-4o", "llama4"), _GPT4O),
    "tekken": _TEKKEN,
}
# These take a whole word that is a token before any merge, and begin with bos where nothing is said.
WHOLE_WORDS = ("llama-bpe", "llama3", "llama-v3", "falcon3", "tekken")


def _document(model, normalizer, pre_tokenizer, decoder):
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
            "normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "post_processor": None,
            "decoder": decoder, "model": model}


def _check_scores(tokens, scores, where):
    if len(scores) != len(tokens) or not all(isinstance(s, float) and isfinite(s) for s in scores):
        raise BrinkError(f"{where}: tokenizer.ggml.scores and tokens do not match")
    for i, token in enumerate(tokens):
        if len(token) > LONGEST:
            raise BrinkError(f"{where}: token {i} is {len(token)} characters long")


def _vocabulary(tokens):
    """Token to id; a repeated token gets a name of its own, so that ids stay positions."""
    vocabulary = {}
    for i, token in enumerate(tokens):
        vocabulary[token if token not in vocabulary else f"<repeated {i}>"] = i
    return vocabulary


def byte_level(tokens, merges, pre, where):
    if not isinstance(pre, str) or pre not in PRE_TOKENIZERS:
        raise BrinkError(f"{where}: tokenizer.ggml.pre {pre!r} is not supported "
                         f"({', '.join(PRE_TOKENIZERS)} are)")
    steps, normalizer = PRE_TOKENIZERS[pre]
    pairs = [merge.split(" ") if isinstance(merge, str) else [] for merge in merges]
    vocabulary = _vocabulary(tokens)
    for pair in pairs:
        if len(pair) != 2 or pair[0] + pair[1] not in vocabulary:
            raise BrinkError(f"{where}: merge {' '.join(pair)!r} does not make a token")
    return _document(
        {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
         "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
         "ignore_merges": pre in WHOLE_WORDS, "vocab": vocabulary, "merges": pairs},
        normalizer, {"type": "Sequence", "pretokenizers": steps},
        {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True})


def pieces(tokens, kinds, scores, unknown, metadata, where):
    """SentencePiece's BPE, as one with merges: joining two pieces ranks by the score of the piece they make,
    which is SentencePiece's own rule (arXiv:1808.06226, section 3)."""
    _check_scores(tokens, scores, where)
    # User-defined pieces may be stored with plain spaces; they join before any other piece.
    tokens = [t.replace(" ", SPACE) if k == USER else t for t, k in zip(tokens, kinds)]
    vocabulary = _vocabulary(tokens)
    ranked = []
    for i, (token, kind, score) in enumerate(zip(tokens, kinds, scores)):
        if kind not in (NORMAL, USER):
            continue
        rank = 0.0 if kind == USER else -score
        for cut in range(1, len(token)):
            left, right = token[:cut], token[cut:]
            if left in vocabulary and right in vocabulary:
                ranked.append((rank, i, vocabulary[left], vocabulary[right], left, right))
    ranked.sort()
    steps = [{"type": "Replace", "pattern": {"String": " "}, "content": SPACE}]
    strip = []
    if metadata.get("tokenizer.ggml.add_space_prefix", True):
        steps.insert(0, {"type": "Prepend", "prepend": SPACE})
        strip = [{"type": "Strip", "content": " ", "start": 1, "stop": 0}]
    return _document(
        {"type": "BPE", "dropout": None, "unk_token": None if unknown is None else tokens[unknown],
         "continuing_subword_prefix": None, "end_of_word_suffix": None,
         "fuse_unk": True, "byte_fallback": BYTE in kinds, "ignore_merges": False,
         "vocab": vocabulary, "merges": [[left, right] for *_, left, right in ranked]},
        {"type": "Sequence", "normalizers": steps} if strip else steps[0],
        {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious",
         "invert": False},
        {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"}, *strip]})


def words(tokens, kinds, unknown, where):
    """BERT's. The file has a visible space before what begins a word, and nothing where BERT has ##."""
    def spelling(token, kind):
        bracketed = token.startswith("[") and token.endswith("]")
        if kind in (CONTROL, UNKNOWN, USER) or bracketed:
            return token
        return token[1:] if token.startswith(SPACE) else "##" + token

    words = [spelling(token, kind) for token, kind in zip(tokens, kinds)]
    if unknown is None:
        unknown = words.index("[UNK]") if "[UNK]" in words else None
    if unknown is None:
        raise BrinkError(f"{where}: there is no token for unknown words")
    # Nothing says whether a vocabulary is cased, but one that is not has no capitals.
    cased = any(word != word.lower() for word, kind in zip(words, kinds) if kind == NORMAL)
    return _document(
        {"type": "WordPiece", "unk_token": words[unknown], "continuing_subword_prefix": "##",
         "max_input_chars_per_word": 100, "vocab": _vocabulary(words)},
        {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
         "strip_accents": not cased, "lowercase": not cased},
        {"type": "BertPreTokenizer"}, {"type": "WordPiece", "prefix": "##", "cleanup": True})


def _replace(pattern, content):
    return {"type": "Replace", "pattern": {"Regex": pattern}, "content": content}


def _metaspace(scheme):
    return {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": scheme, "split": True}


def unigram(tokens, kinds, scores, unknown, metadata, where):
    """SentencePiece's unigram model (T5, XLM-RoBERTa)."""
    _check_scores(tokens, scores, where)
    prefix = scheme = "always" if metadata.get("tokenizer.ggml.add_space_prefix") else "never"
    steps = []
    charsmap = metadata.get("tokenizer.ggml.precompiled_charsmap") or []
    if charsmap:
        # gguf-py writes the bytes as an array of u8, or of i8
        if not isinstance(charsmap, list) or not all(isinstance(b, int) and -128 <= b < 256 for b in charsmap):
            raise BrinkError(f"{where}: tokenizer.ggml.precompiled_charsmap is malformed")
        blob = bytes(b & 255 for b in charsmap)
        steps.append({"type": "Precompiled", "precompiled_charsmap": base64.b64encode(blob).decode("ascii")})
    if metadata.get("tokenizer.ggml.remove_extra_whitespaces"):
        steps += [_replace(r"\A +| +\z", ""), _replace(" {2,}", " ")]
    elif prefix == "always":  # before a blank as well, where Metaspace puts none
        steps.append({"type": "Prepend", "prepend": SPACE})
        scheme = "never"
    vocabulary = [[token, score] for token, score in zip(_vocabulary(tokens), scores)]
    return _document(
        {"type": "Unigram", "unk_id": unknown, "vocab": vocabulary, "byte_fallback": BYTE in kinds},
        {"type": "Sequence", "normalizers": steps} if steps else None, _metaspace(scheme),
        _metaspace(prefix))
