"""The onnxruntime side of embed.mjs: the lines of embed_brink.c.

    python embed_ort.py MODEL THREADS BATCH

What SentenceTransformer.encode() does: texts sorted by length, batches of BATCH (32 is its default),
padded to the longest of each, mean over the attention mask, length 1. Tokens come from `tokenizers`
with as many threads; onnxruntime's optimisations are its default, all of them.
"""

import json
import os
import sys
import time


def main(folder: str, threads: str, batch: str) -> None:
    os.environ["RAYON_NUM_THREADS"] = threads
    ort = np = session = tokenizer = names = None
    texts: list = []

    def load():
        nonlocal ort, np, session, tokenizer, names
        import numpy as np
        import onnxruntime as ort
        from tokenizers import Tokenizer

        start = time.perf_counter()
        options = ort.SessionOptions()
        options.intra_op_num_threads = int(threads)
        options.log_severity_level = 3
        session = ort.InferenceSession(f"{folder}/model.onnx", options,
                                       providers=["CPUExecutionProvider"])
        names = [i.name for i in session.get_inputs()]
        tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
        with open(f"{folder}/sentence_bert_config.json") as file:
            tokenizer.enable_truncation(json.load(file)["max_seq_length"])
        tokenizer.enable_padding()
        return {"load_ms": (time.perf_counter() - start) * 1e3, "version": ort.__version__}

    def read_texts(path):
        with open(path, encoding="utf-8", newline="\n") as file:
            texts[:] = file.read().split("\n")[:-1]
        return {"texts": len(texts)}

    def run(path):
        start = time.perf_counter()
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        out, tokens, step = None, 0, int(batch)
        for at in range(0, len(order), step):
            rows = order[at:at + step]
            encoded = tokenizer.encode_batch([texts[i] for i in rows])
            ids = np.array([e.ids for e in encoded], np.int64)
            mask = np.array([e.attention_mask for e in encoded], np.int64)
            feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            states = session.run(None, {n: feed[n] for n in names})[0]
            weights = mask[:, :, None].astype(np.float32)
            vectors = (states * weights).sum(1) / np.maximum(weights.sum(1), 1e-9)
            vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
            if out is None:
                out = np.empty((len(texts), vectors.shape[1]), np.float32)
            out[rows] = vectors
            tokens += int(mask.sum())
        ms = (time.perf_counter() - start) * 1e3
        out.tofile(path)
        return {"ms": ms, "tokens": tokens}

    operations = {"load": load, "texts": read_texts, "run": run}
    print("{}", flush=True)
    for line in sys.stdin:
        name, *arguments = line.split()
        print(json.dumps(operations[name](*arguments)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
