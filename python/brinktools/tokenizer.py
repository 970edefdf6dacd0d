"""tokenizer.json and tokenizer_config.json from a GGUF file's metadata.

Four kinds of vocabulary, by tokenizer.ggml.model: "gpt2" (byte-level BPE with its merges; the splitting
rule is named by tokenizer.ggml.pre), "llama" (SentencePiece pieces with scores), "bert" (WordPiece) and
"t5" (SentencePiece's unigram model). What hangs on the kind is in tokenizer_models.py.
"""

from .errors import BrinkError
from .tokenizer_models import (CONTROL, NORMAL, SPACE, UNKNOWN, USER, WHOLE_WORDS, byte_level,
                               pieces, unigram, words)

IDS = {"bos": "bos_token", "eos": "eos_token", "unknown": "unk_token", "padding": "pad_token",
       "seperator": "sep_token", "cls": "cls_token", "mask": "mask_token"}  # so GGUF spells it


def tokenizer_from_gguf(metadata, where):
    """(tokenizer.json, tokenizer_config.json) as objects."""
    def need(key, kind):
        value = metadata.get(f"tokenizer.ggml.{key}")
        if not isinstance(value, kind):
            raise BrinkError(f"{where}: tokenizer.ggml.{key} is missing or malformed")
        return value

    model, tokens = need("model", str), need("tokens", list)
    kinds = metadata.get("tokenizer.ggml.token_type") or [NORMAL] * len(tokens)
    if (not all(isinstance(token, str) for token in tokens) or not isinstance(kinds, list)
            or len(kinds) != len(tokens)):
        raise BrinkError(f"{where}: tokenizer.ggml.tokens and token_type do not match")
    ids = {name: _token_id(metadata, name, len(tokens), where) for name in IDS}
    if model == "gpt2":
        made = byte_level(tokens, need("merges", list), metadata.get("tokenizer.ggml.pre"), where)
    elif model == "llama":
        made = pieces(tokens, kinds, need("scores", list), ids["unknown"], metadata, where)
    elif model == "bert":
        made = words(tokens, kinds, ids["unknown"], where)
    elif model == "t5":
        made = unigram(tokens, kinds, need("scores", list), ids["unknown"], metadata, where)
    else:
        raise BrinkError(f"{where}: tokenizer model {model!r} is not supported (gpt2, llama, bert "
                         "and t5 are)")
    vocabulary = made["model"]["vocab"]
    tokens = [entry[0] if model == "t5" else entry for entry in vocabulary]
    runs = {SPACE * n for n in range(1, 64)} if model == "llama" else set()
    made["added_tokens"] = [
        {"id": i, "content": token, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": kind in (CONTROL, UNKNOWN)}
        for i, (token, kind) in enumerate(zip(tokens, kinds))
        if kind in (CONTROL, USER, UNKNOWN) and token not in runs]
    _add_ends(made, metadata, tokens, ids, model)
    return made, _tokenizer_config(metadata, tokens, ids)


def _token_id(metadata, name, count, where):
    value = metadata.get(f"tokenizer.ggml.{name}_token_id")
    if value is not None and (not isinstance(value, int) or not 0 <= value < count):
        raise BrinkError(f"{where}: {name} token {value!r} is not one of {count} tokens")
    return value


def _ends(metadata, tokens, ids, model):
    """The token that texts begin with and the one that they end with, each None if there is none."""
    def wanted(name, otherwise):  # what llama.cpp takes where nothing is said
        value = metadata.get(f"tokenizer.ggml.add_{name}_token")
        return otherwise if value is None else bool(value)

    def known(spelling):
        return tokens.index(spelling) if spelling in tokens else None

    if model == "bert":
        begin = ids["cls"] if ids["cls"] is not None else ids["bos"]
        begin = begin if begin is not None else known("[CLS]")
        end = ids["seperator"] if ids["seperator"] is not None else known("[SEP]")
        return (begin if wanted("bos", True) else None, end if wanted("sep", True) else None)
    whole = metadata.get("tokenizer.ggml.pre") in WHOLE_WORDS
    return (ids["bos"] if wanted("bos", model == "llama" or (model == "gpt2" and whole)) else None,
            ids["eos"] if wanted("eos", model == "t5") else None)


def _add_ends(made, metadata, tokens, ids, model):
    """A post-processor for the tokens that every text begins or ends with."""
    begin, end = _ends(metadata, tokens, ids, model)

    def special(number, kind):
        return [] if number is None else [{"SpecialToken": {"id": tokens[number], "type_id": kind}}]

    def part(name, kind):
        return [{"Sequence": {"id": name, "type_id": kind}}]

    if begin is None and end is None:
        return
    second = part("B", 1) if model == "bert" else special(begin, 0) + part("B", 0)
    single = special(begin, 0) + part("A", 0) + special(end, 0)
    made["post_processor"] = {
        "type": "TemplateProcessing", "single": single,
        "pair": single + second + special(end, 1 if model == "bert" else 0),
        "special_tokens": {tokens[i]: {"id": tokens[i], "ids": [i], "tokens": [tokens[i]]}
                           for i in (begin, end) if i is not None}}


def _tokenizer_config(metadata, tokens, ids):
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False,
              "add_bos_token": bool(metadata.get("tokenizer.ggml.add_bos_token", False)),
              "add_eos_token": bool(metadata.get("tokenizer.ggml.add_eos_token", False))}
    config |= {IDS[name]: tokens[number] for name, number in ids.items() if number is not None}
    template = metadata.get("tokenizer.chat_template")
    names = metadata.get("tokenizer.chat_templates")
    if isinstance(template, str):
        config["chat_template"] = template
    if isinstance(template, str) and isinstance(names, list):  # others beside it, by name
        others = {name: metadata.get(f"tokenizer.chat_template.{name}") for name in names
                  if isinstance(name, str) and name != "default"}
        config["chat_template"] = [{"name": name, "template": text}
                                   for name, text in ({"default": template} | others).items()
                                   if isinstance(text, str)]
    return config
