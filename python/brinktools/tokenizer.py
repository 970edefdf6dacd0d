"""tokenizer.json and tokenizer_config.json from a GGUF file's metadata.

Two kinds of vocabulary: "gpt2" (byte-level BPE with its merges; the splitting rule is named by
tokenizer.ggml.pre) and "llama" (SentencePiece pieces with scores). The second becomes a BPE too:
joining two pieces ranks by the score of the piece they make, which is SentencePiece's own rule
(arXiv:1808.06226, section 3), so merges follow from vocabulary and scores.
"""

from .errors import BrinkError

NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
SPACE = "\u2581"  # SentencePiece's visible space

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
PRE_TOKENIZERS = {  # by tokenizer.ggml.pre: (pre-tokenizers, normalizer)
    "gpt-2": ([_bytes(True)], None),
    "default": ([_bytes(True)], None),
    "smollm": ([_DIGITS, _bytes(True)], None),
    "qwen2": ([_split(_SPLIT % ""), _bytes(False)], {"type": "NFC"}),
    "llama-bpe": ([_split(_SPLIT % "{1,3}"), _bytes(False)], None),
}


def tokenizer_from_gguf(metadata, where):
    """(tokenizer.json, tokenizer_config.json) as objects."""
    def need(key, kind):
        value = metadata.get(f"tokenizer.ggml.{key}")
        if not isinstance(value, kind):
            raise BrinkError(f"{where}: tokenizer.ggml.{key} is missing or malformed")
        return value

    model, tokens = need("model", str), need("tokens", list)
    kinds = metadata.get("tokenizer.ggml.token_type") or [NORMAL] * len(tokens)
    if not all(isinstance(token, str) for token in tokens) or len(kinds) != len(tokens):
        raise BrinkError(f"{where}: tokenizer.ggml.tokens and token_type do not match")
    ids = {name: _token_id(metadata, name, len(tokens), where)
           for name in ("bos", "eos", "unknown", "padding")}
    if model == "gpt2":
        made = _byte_level(tokens, need("merges", list), metadata.get("tokenizer.ggml.pre"), where)
    elif model == "llama":
        made = _pieces(tokens, kinds, need("scores", list), ids["unknown"], metadata, where)
    else:
        raise BrinkError(f"{where}: tokenizer model {model!r} is not supported (gpt2, llama are)")
    tokens = list(made["model"]["vocab"])
    runs = {SPACE * n for n in range(1, 64)} if model == "llama" else set()
    made["added_tokens"] = [
        {"id": i, "content": token, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": kind in (CONTROL, UNKNOWN)}
        for i, (token, kind) in enumerate(zip(tokens, kinds))
        if kind in (CONTROL, USER, UNKNOWN) and token not in runs]
    _add_ends(made, metadata, tokens, ids)
    return made, _tokenizer_config(metadata, tokens, ids)


def _token_id(metadata, name, count, where):
    value = metadata.get(f"tokenizer.ggml.{name}_token_id")
    if value is not None and (not isinstance(value, int) or not 0 <= value < count):
        raise BrinkError(f"{where}: {name} token {value!r} is not one of {count} tokens")
    return value


def _vocabulary(tokens):
    """Token to id; a repeated token gets a name of its own, so that ids stay positions."""
    vocabulary = {}
    for i, token in enumerate(tokens):
        vocabulary[token if token not in vocabulary else f"<repeated {i}>"] = i
    return vocabulary


def _byte_level(tokens, merges, pre, where):
    if not isinstance(pre, str) or pre not in PRE_TOKENIZERS:
        raise BrinkError(f"{where}: tokenizer.ggml.pre {pre!r} is not supported "
                         f"({', '.join(PRE_TOKENIZERS)} are)")
    steps, normalizer = PRE_TOKENIZERS[pre]
    pairs = [merge.split(" ") if isinstance(merge, str) else [] for merge in merges]
    vocabulary = _vocabulary(tokens)
    for pair in pairs:
        if len(pair) != 2 or pair[0] + pair[1] not in vocabulary:
            raise BrinkError(f"{where}: merge {' '.join(pair)!r} does not make a token")
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
        "normalizer": normalizer,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps}, "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True,
                    "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None,
                  "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": False, "byte_fallback": False,
                  "ignore_merges": pre == "llama-bpe", "vocab": vocabulary, "merges": pairs},
    }


def _pieces(tokens, kinds, scores, unknown, metadata, where):
    if len(scores) != len(tokens) or not all(isinstance(s, float) for s in scores):
        raise BrinkError(f"{where}: tokenizer.ggml.scores and tokens do not match")
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
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
        "normalizer": {"type": "Sequence", "normalizers": steps} if strip else steps[0],
        "pre_tokenizer": {"type": "Split", "pattern": {"String": " "},
                          "behavior": "MergedWithPrevious", "invert": False},
        "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"}, *strip]},
        "model": {"type": "BPE", "dropout": None,
                  "unk_token": None if unknown is None else tokens[unknown],
                  "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": True, "byte_fallback": BYTE in kinds, "ignore_merges": False,
                  "vocab": vocabulary, "merges": [[left, right] for *_, left, right in ranked]},
    }


def _add_ends(made, metadata, tokens, ids):
    """A post-processor for the tokens that every text begins or ends with."""
    def ends(name):
        wanted = metadata.get(f"tokenizer.ggml.add_{name}_token")
        if wanted is None and name == "bos":  # what llama.cpp takes where nothing is said
            wanted = (metadata["tokenizer.ggml.model"] == "llama"
                      or metadata.get("tokenizer.ggml.pre") == "llama-bpe")
        return [tokens[ids[name]]] if wanted and ids[name] is not None else []

    def parts(token):
        return [{"SpecialToken": {"id": t, "type_id": 0}} for t in token]

    bos, eos = ends("bos"), ends("eos")
    if bos or eos:
        single = parts(bos) + [{"Sequence": {"id": "A", "type_id": 0}}] + parts(eos)
        pair = single + parts(bos) + [{"Sequence": {"id": "B", "type_id": 0}}] + parts(eos)
        special = {t: {"id": t, "ids": [made["model"]["vocab"][t]], "tokens": [t]}
                   for t in bos + eos}
        made["post_processor"] = {"type": "TemplateProcessing", "single": single, "pair": pair,
                                  "special_tokens": special}


def _tokenizer_config(metadata, tokens, ids):
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False,
              "add_bos_token": bool(metadata.get("tokenizer.ggml.add_bos_token", False)),
              "add_eos_token": bool(metadata.get("tokenizer.ggml.add_eos_token", False))}
    for name, key in (("bos", "bos_token"), ("eos", "eos_token"), ("unknown", "unk_token"),
                      ("padding", "pad_token")):
        if ids[name] is not None:
            config[key] = tokens[ids[name]]
    template = metadata.get("tokenizer.chat_template")
    if isinstance(template, str):
        config["chat_template"] = template
    return config
