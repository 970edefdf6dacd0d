"""Converts a GGUF file or a hub folder to a folder in onnxruntime-genai's layout.

The result appears whole or not at all: it is made in a folder beside the target and renamed.
"""

import json
import shutil
from pathlib import Path

from .adapter import Adapter
from .checkpoint import open_checkpoint, read_json
from .config import decoder_from_config
from .decoder import PRECISIONS, DecoderWriter
from .errors import BrinkError, UsageError
from .folders import staged
from .tokenizer import tokenizer_from_gguf

DEFAULT_CONTEXT = 8192  # positions in the rotary tables; a longer table costs memory for nothing
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
                   "generation_config.json", "chat_template.jinja")


def convert(source, out, precision, adapter=None, context=DEFAULT_CONTEXT):
    """Writes the folder `out`, which must not exist or must be empty."""
    out = Path(out)
    if precision not in PRECISIONS:
        raise UsageError(f"--precision {precision} is not one of {', '.join(PRECISIONS)}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BrinkError(f"{out}: already there; remove it first")
    with staged(out) as folder:
        convert_into(source, folder, precision, adapter, context)


def convert_into(source, folder, precision, adapter=None, context=DEFAULT_CONTEXT):
    checkpoint = open_checkpoint(source)
    decoder = decoder_from_config(checkpoint.config, checkpoint.where, context)
    lora = Adapter(adapter) if adapter else None
    writer = DecoderWriter(decoder, checkpoint, precision, folder, lora)
    modules = writer.write()
    if lora:
        lora.check_all_used()
    write_json(folder / "brink_modules.json", {"modules": modules})
    config = {**checkpoint.config, "max_position_embeddings": decoder.context}
    generation = write_tokenizer(checkpoint, folder)
    write_json(folder / "config.json", config)
    write_json(folder / "genai_config.json", genai_config(decoder, config, generation))


def write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def write_tokenizer(checkpoint, folder):
    """Copies the hub's tokenizer files, or makes them from GGUF metadata."""
    generation = {key: checkpoint.config[key] for key in
                  ("bos_token_id", "eos_token_id", "pad_token_id") if key in checkpoint.config}
    if checkpoint.folder is None:
        tokenizer, config = tokenizer_from_gguf(checkpoint.metadata, checkpoint.where)
        (folder / "tokenizer.json").write_text(
            json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
        write_json(folder / "tokenizer_config.json", config)
        write_json(folder / "generation_config.json", generation)
        return generation
    for name in TOKENIZER_FILES:
        if (checkpoint.folder / name).exists():
            shutil.copyfile(checkpoint.folder / name, folder / name)
    if (folder / "generation_config.json").exists():
        generation |= read_json(folder / "generation_config.json")
    else:
        write_json(folder / "generation_config.json", generation)
    return generation


def genai_config(decoder, config, generation):
    ids = {}
    for key in ("bos_token_id", "eos_token_id", "pad_token_id"):
        value = generation.get(key, config.get(key))
        if value is not None:
            ids[key] = value
    if "pad_token_id" not in ids and "eos_token_id" in ids:
        eos = ids["eos_token_id"]
        ids["pad_token_id"] = eos[0] if isinstance(eos, list) else eos
    return {
        "model": {
            **ids, "context_length": decoder.context,
            "decoder": {
                "session_options": {"log_id": "onnxruntime-genai", "provider_options": []},
                "filename": "model.onnx", "head_size": decoder.head_dim,
                "hidden_size": decoder.hidden,
                "inputs": {"input_ids": "input_ids", "attention_mask": "attention_mask",
                           "past_key_names": "past_key_values.%d.key",
                           "past_value_names": "past_key_values.%d.value"},
                "outputs": {"logits": "logits", "present_key_names": "present.%d.key",
                            "present_value_names": "present.%d.value"},
                "num_attention_heads": decoder.heads, "num_hidden_layers": decoder.layers,
                "num_key_value_heads": decoder.kv_heads,
            },
            "type": decoder.family, "vocab_size": decoder.vocab,
        },
        "search": {
            "diversity_penalty": 0.0, "do_sample": bool(generation.get("do_sample", False)),
            "early_stopping": True, "length_penalty": 1.0, "max_length": decoder.context,
            "min_length": 0, "no_repeat_ngram_size": 0, "num_beams": 1,
            "num_return_sequences": 1, "past_present_share_buffer": True,
            "repetition_penalty": generation.get("repetition_penalty", 1.0),
            "temperature": generation.get("temperature", 1.0),
            "top_k": generation.get("top_k", 50), "top_p": generation.get("top_p", 1.0),
        },
    }
