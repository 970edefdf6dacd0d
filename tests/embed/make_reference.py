#!/usr/bin/env python3
"""Writes reference.npy: the vectors of texts.py by all-MiniLM-L6-v2, [1100, 384] float16.

    make_reference.py [FOLDER]        the model's, build/models/minilm by default

This is what SentenceTransformer(FOLDER).encode(text) does with that graph, step by step, on numpy,
onnxruntime and `tokenizers`, one text at a time, so that nothing depends on batches or padding:
Transformer (tokenize: strip, cut to max_seq_length with the special tokens kept), Pooling (mean over
the attention mask), Normalize. The model's int8 weights are computed with in float32.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from texts import ROOT, texts

HERE = Path(__file__).resolve().parent


def session(graph):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])


def read(folder, name, otherwise):
    path = Path(folder) / name
    return json.loads(path.read_text()) if path.exists() else otherwise


def pool(tokens, mask, pooling):
    """Of [1, n, width] and [1, n]."""
    if pooling.get("pooling_mode_cls_token"):
        return tokens[0, 0]
    if pooling.get("pooling_mode_lasttoken"):
        return tokens[0, mask[0].sum() - 1]
    weights = mask[0, :, None].astype(np.float32)
    return (tokens[0] * weights).sum(0) / max(weights.sum(), 1e-9)


class Reference:
    """The model in a folder as sentence-transformers drives it."""

    def __init__(self, folder, graph=None):
        self.session = session(graph or Path(folder) / "model.onnx")
        self.types = {i.name: np.int32 if i.type == "tensor(int32)" else np.int64
                      for i in self.session.get_inputs()}
        self.output = next(o.name for o in self.session.get_outputs() if o.name != "pooler_output")
        self.tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.sentence = read(folder, "sentence_bert_config.json", {})
        self.tokenizer.enable_truncation(self.sentence.get("max_seq_length") or 512)
        self.pooling = read(folder, "1_Pooling/config.json", {})
        modules = read(folder, "modules.json", None)
        self.normalize = modules is None or any(m["type"].endswith("Normalize") for m in modules)

    def encode(self, text, prefix="", dimensions=None):
        text = (prefix + text).strip()
        ids = np.array([self.tokenizer.encode(text.lower() if self.sentence.get("do_lower_case")
                                              else text).ids], np.int64)
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids),
                  "token_type_ids": np.zeros_like(ids),
                  "position_ids": np.arange(ids.shape[1])[None]}
        out = self.session.run([self.output], {n: inputs[n].astype(t) for n, t in self.types.items()})[0]
        vector = out[0] if out.ndim == 2 else pool(out, inputs["attention_mask"], self.pooling)
        vector = vector[:dimensions].astype(np.float64)
        return vector / max(np.linalg.norm(vector), 1e-12) if self.normalize else vector


if __name__ == "__main__":
    reference = Reference(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/models/minilm")
    np.save(HERE / "reference.npy", np.array([reference.encode(t) for t in texts()], np.float16))
