"""A tokenizer of each kind for tokenizers.mjs, and the ids that `tokenizers` gives.

    python tokenizer_files.py TEXTS.json OUT MODELS

TEXTS.json holds lists of texts by language. OUT gets a folder for each kind, with tokenizer.json and a
graph that copies its input, so that it opens as a model does; and ids.json, {kind: {language: [ids]}}.
SmolLM2's and MiniLM's tokenizers are the published ones. No package carries one of the other kinds:
they are trained here, on the texts and on notes and dialogues in data/, and kept until the texts change.
"""

import hashlib
import json
import sys
from pathlib import Path

import onnx
from onnx import TensorProto, helper
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers import trainers

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/text"))
import charsmap  # noqa: E402

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
          r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
ENDS = ["<unk>", "<s>", "</s>"]
QUIET = {"show_progress": False}


def byte_level(texts):
    """As Llama 3 has it: a pattern, then bytes."""
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=24000, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), **QUIET))
    return t


def byte_fallback(texts):
    """As Gemma has it: no words, so that a whole text is merged at once."""
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    names = ENDS + [f"<0x{byte:02X}>" for byte in range(256)]
    t.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=16000, special_tokens=names, limit_alphabet=2000, **QUIET))
    value = json.loads(t.to_str())
    value["added_tokens"] = value["added_tokens"][:len(ENDS)]
    t = Tokenizer.from_str(json.dumps(value))
    t.normalizer = normalizers.Replace(" ", "▁")
    t.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(),
                                   decoders.Fuse()])
    return t


def unigram(texts):
    """As XLM-RoBERTa has it: a map of characters, then the likeliest pieces."""
    t = Tokenizer(models.Unigram())
    t.normalizer = normalizers.Sequence([
        normalizers.Precompiled(charsmap.build(charsmap.table())),
        normalizers.Replace(Regex(" {2,}"), " ")])
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    t.train_from_iterator(texts, trainers.UnigramTrainer(
        vocab_size=16000, special_tokens=ENDS, unk_token="<unk>", **QUIET))
    t.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 1), ("</s>", 2)])
    t.decoder = decoders.Metaspace()
    return t


TRAINED = {"llama3": byte_level, "gemma": byte_fallback, "xlm-roberta": unigram}
PUBLISHED = ["smollm2", "minilm"]


def graph():
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    node = helper.make_node("Identity", ["x"], ["y"])
    return helper.make_model(helper.make_graph([node], "copy", value[:1], value[1:]), ir_version=8,
                             opset_imports=[helper.make_opsetid("", 17)])


def corpus(texts):
    notes = json.loads((ROOT / "data/aci-bench/train.json").read_text())["data"]
    lines = [line for text in texts for line in text.split("\n")]
    return lines + [line for note in notes for line in (note["src"] + note["tgt"]).split("\n")]


def main(texts_file: str, out_folder: str, models_folder: str) -> None:
    languages = json.loads(Path(texts_file).read_text())
    state = hashlib.sha256(Path(texts_file).read_bytes() + Path(__file__).read_bytes()).hexdigest()
    ids = {}
    for kind in (*PUBLISHED, *TRAINED):
        folder = Path(out_folder) / kind
        folder.mkdir(parents=True, exist_ok=True)
        file, mark = folder / "tokenizer.json", folder / "made-from"
        if kind in PUBLISHED:
            value = json.loads((Path(models_folder) / kind / "tokenizer.json").read_text())
            value["truncation"] = value["padding"] = None
            file.write_text(json.dumps(value))
        elif not mark.exists() or mark.read_text() != state:
            lines = corpus([text for texts in languages.values() for text in texts])
            TRAINED[kind](lines).save(str(file))
            mark.write_text(state)
        onnx.save(graph(), str(folder / "model.onnx"))
        library = Tokenizer.from_file(str(file))
        ids[kind] = {language: [library.encode(text).ids for text in texts]
                     for language, texts in languages.items()}
    (Path(out_folder) / "ids.json").write_text(json.dumps(ids))


if __name__ == "__main__":
    main(*sys.argv[1:])
