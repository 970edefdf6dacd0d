"""Tiny embedders in the layouts in which models are published, made with onnx and `tokenizers`.

Each token's vector is its row of a table, plus the mean of the text's rows, plus the row of its
position where there are position_ids: so a vector shows which tokens were seen, in which order, and
whether padding was.
"""

import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers, processors

WORDS = ("[PAD] [UNK] [CLS] [SEP] query : passage represent this sentence for searching one two three "
         "four five six seven eight nine ten").split()
WIDTH = 12
rng = np.random.default_rng(5)
TABLE = rng.standard_normal((len(WORDS), WIDTH)).astype(np.float32)
PLACES = (rng.standard_normal((64, WIDTH)) * 0.3).astype(np.float32)

MEAN, CLS, LAST = "pooling_mode_mean_tokens", "pooling_mode_cls_token", "pooling_mode_lasttoken"
MODULES = "sentence_transformers.models."


def graph(inputs=("input_ids", "attention_mask", "token_type_ids"), outputs=("last_hidden_state",),
          ids=TensorProto.INT64, floats=TensorProto.FLOAT, shape=("batch", "sequence")):
    nodes, add = [], lambda op, ins, out, **k: nodes.append(helper.make_node(op, ins, [out], **k))
    constants = {"table": TABLE, "places": PLACES, "axis1": np.array([1]), "axis2": np.array([2])}
    add("Gather", ["table", "input_ids"], "rows")
    if "attention_mask" in inputs:
        add("Cast", ["attention_mask"], "mask", to=TensorProto.FLOAT)
        add("Unsqueeze", ["mask", "axis2"], "wide")
        add("Mul", ["rows", "wide"], "seen")
        add("ReduceSum", ["seen", "axis1"], "sum")
        add("ReduceSum", ["wide", "axis1"], "count")
        add("Div", ["sum", "count"], "mean")
    else:
        add("ReduceMean", ["rows", "axis1"], "mean")
    add("Add", ["rows", "mean"], "tokens0")
    if "position_ids" in inputs:
        add("Gather", ["places", "position_ids"], "place")
        add("Add", ["tokens0", "place"], "tokens1")
    else:
        add("Identity", ["tokens0"], "tokens1")
    if "token_type_ids" in inputs:      # zeros change nothing, and others would
        add("Cast", ["token_type_ids"], "types", to=TensorProto.FLOAT)
        add("Unsqueeze", ["types", "axis2"], "types3")
        add("Add", ["tokens1", "types3"], "tokens2")
    else:
        add("Identity", ["tokens1"], "tokens2")
    add("Squeeze", ["mean", "axis1"], "pooled")
    for name in outputs:
        of_text = name in ("sentence_embedding", "embedding", "pooler_output")
        add("Cast", ["pooled" if of_text else "tokens2"], name, to=floats)
    used = {i for n in nodes for i in n.input}
    return helper.make_model(helper.make_graph(
        nodes, "embedder", [helper.make_tensor_value_info(n, ids, shape) for n in inputs],
        [helper.make_tensor_value_info(
            n, floats, [shape[0], WIDTH] if n in ("sentence_embedding", "embedding", "pooler_output")
            else [*shape, WIDTH]) for n in outputs],
        [numpy_helper.from_array(v, k) for k, v in constants.items() if k in used]),
        opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def tokenizer(special=("[CLS]", "[SEP]")):
    t = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    before, behind = special
    template = " ".join(filter(None, [before, "$A", behind]))
    if before or behind:
        t.post_processor = processors.TemplateProcessing(
            single=template, special_tokens=[(s, WORDS.index(s)) for s in special if s])
    return t


def folder(path, pooling=None, modules=("Transformer", "Pooling", "Normalize"), sentence=None,
           prompts=None, config=None, tokens=None, **options):
    """Writes a model's folder; what is None is not written."""
    (path / "1_Pooling").mkdir(parents=True)
    onnx.save(graph(**options), path / "model.onnx")
    (tokens or tokenizer()).save(str(path / "tokenizer.json"))
    files = {"config.json": {"model_type": "bert", "max_position_embeddings": 64, **(config or {})},
             "sentence_bert_config.json": sentence, "config_sentence_transformers.json": prompts,
             "1_Pooling/config.json": pooling and {"word_embedding_dimension": WIDTH, **pooling},
             "modules.json": modules and [
                 {"idx": i, "name": str(i), "path": "" if i == 0 else f"{i}_{m}", "type": MODULES + m}
                 for i, m in enumerate(modules)]}
    for name, content in files.items():
        if content is not None:
            (path / name).write_text(json.dumps(content))
    return path
