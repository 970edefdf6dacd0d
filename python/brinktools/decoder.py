"""The graph of a decoder-only language model, in the layout of onnxruntime-genai's exports.

One path serves llama, qwen2, qwen3 and gemma3; they differ in biases, in norms on q and k, in
norms after attention and feed-forward, and in the activation:

    x = embedding[ids] * embed_scale
    for each layer: x += post?(attention(norm(x)));  x += post?(down(act(gate(h)) * up(h)))
    logits = head(norm(x))

The sum and the norm after it are one SkipSimplifiedLayerNormalization. With f16 activations,
Gemma's residual stream and norms stay f32: f16 overflows there.
"""

import numpy as np
from onnx import TensorProto

from .blocks import Packed, quantize
from .errors import BrinkError
from .onnx_writer import TYPES, GraphWriter
from .rope import rope_tables

PRECISIONS = {  # activations, bits of a layer's matrices (None: not quantised), bits of embeddings
    "f32": (np.float32, None, None), "f16": (np.float16, None, None), "q8": (np.float32, 8, 8),
    "q4": (np.float32, 4, 8), "q4f16": (np.float16, 4, 8),
}
BLOCK = 32
MS = "com.microsoft"


class DecoderWriter:
    def __init__(self, decoder, checkpoint, precision, folder, adapter=None):
        self.d, self.source, self.adapter = decoder, checkpoint, adapter
        self.dtype, self.bits, self.embed_bits = PRECISIONS[precision]
        self.wide = decoder.gemma and self.dtype == np.float16  # f32 residual, f16 products
        self.norm_dtype = np.float32 if self.wide else self.dtype
        self.g = GraphWriter(folder)
        self.modules = {}  # hub module name -> the node and the tensors that hold it

    # -- weights

    def check(self, name, shape):
        found = self.source.shape(name)
        if tuple(found) != tuple(shape):
            raise BrinkError(f"{self.source.where}: {name} is {list(found)} but the "
                             f"configuration asks for {list(shape)}")

    def tensor(self, name, shape):
        self.check(name, shape)
        values = self.source.tensor(name)
        module = name.removesuffix(".weight")
        if self.adapter and self.adapter.touches(module):
            values = values.dequantize() if isinstance(values, Packed) else values
            values = self.adapter.merge(module, values)
        return values

    def matrix(self, name, shape, bits):
        """A matrix [n, k] as float32, or as Packed when `bits` asks for it."""
        values = self.tensor(name, shape)
        if bits is None:
            return values.dequantize() if isinstance(values, Packed) else values
        if not isinstance(values, Packed):
            values = quantize(values, bits, BLOCK)
        return values.for_f16() if self.dtype == np.float16 else values

    def packed_weights(self, base, packed):
        """Stores a Packed matrix; returns the names of weight, scales and zero points if any."""
        names = [self.g.weight(f"{base}.weight_Q{packed.bits}", packed.stored_q()),
                 self.g.weight(f"{base}.weight_scales", packed.scale.astype(self.dtype))]
        zero = packed.stored_zero(self.dtype)
        if zero is not None:
            names.append(self.g.weight(f"{base}.weight_zero_points", zero))
        return names

    def product(self, node, x, stored, shape, packed, output=None):
        """x times a stored matrix's transpose, as MatMulNBits or MatMul."""
        outputs = [output] if output else None
        if packed is None:
            return self.g.node("MatMul", f"{node}/MatMul", [x, stored[0]], outputs)
        n, k = shape
        return self.g.node("MatMulNBits", f"{node}/MatMulNBits", [x, *stored], outputs, domain=MS,
                           K=k, N=n, bits=packed.bits, block_size=packed.block, accuracy_level=4)

    def linear(self, module, node, x, shape):
        """A projection with its bias if the source has one; recorded in the module map."""
        weight = self.matrix(f"{module}.weight", shape, self.bits)
        base = node[1:].replace("/", ".") + ".MatMul"
        packed = weight if isinstance(weight, Packed) else None
        if packed is None:
            stored = [self.g.weight(f"{base}.weight", weight.astype(self.dtype).T)]
        else:
            stored = self.packed_weights(base, packed)
        y = self.product(node, x, stored, shape, packed)
        self.modules[module] = {"node": self.g.nodes[-1].name, "weights": stored}
        if self.source.has(f"{module}.bias"):
            bias = self.g.weight(f"{node[1:].replace('/', '.')}.Add.bias",
                                 self.tensor(f"{module}.bias", (shape[0],)).astype(self.dtype))
            y = self.g.node("Add", f"{node}/Add", [y, bias])
        return y

    # -- norms, with casts around them where the residual stream is wider than the products

    def cast(self, x, name, dtype):
        return self.g.node("Cast", f"{name}/Cast", [x], to=TYPES[np.dtype(dtype)])

    def norm_weight(self, name, size):
        return self.g.weight(name, self.tensor(name, (size,)).astype(self.norm_dtype))

    def norm(self, name, node, x, size, narrow=True):
        """RMS norm; the result is narrow (ready for a product) unless it joins the residual."""
        y = self.g.node("SimplifiedLayerNormalization", f"{node}/LayerNorm",
                        [x, self.norm_weight(name, size)], axis=-1, epsilon=self.d.eps,
                        stash_type=1)
        return self.cast(y, f"{node}/LayerNorm", self.dtype) if self.wide and narrow else y

    def add_norm(self, name, node, residual, x, last=False):
        """(norm of residual + x, residual + x); the sum is not asked for after the last layer."""
        total = f"{node}/output_3"
        outputs = [f"{node}/SkipLayerNorm/output_0"] + ([] if last else ["", "", total])
        y = self.g.node("SkipSimplifiedLayerNormalization", f"{node}/SkipLayerNorm",
                        [residual, x, self.norm_weight(name, self.d.hidden)], outputs, domain=MS,
                        epsilon=self.d.eps)
        return (self.cast(y, f"{node}/SkipLayerNorm", self.dtype) if self.wide else y), total

    def head_norm(self, name, node, x, heads):
        """RMS norm of each head of x [batch, sequence, heads * head_dim]."""
        size = self.d.head_dim
        x = self.g.node("Reshape", f"{node}/Reshape_1", [x, self.g.constant([0, -1, size])])
        if self.wide:
            x = self.cast(x, f"{node}/Reshape_1", np.float32)
        x = self.norm(name, node, x, size)
        return self.g.node("Reshape", f"{node}/Reshape_2",
                           [x, self.g.constant([0, -1, heads * size])])

    # -- the graph

    def write(self):
        d = self.d  # a wrong configuration is refused before anything large is made from it
        self.check("model.embed_tokens.weight", (d.vocab, d.hidden))
        self.check("model.layers.0.self_attn.q_proj.weight", (d.heads * d.head_dim, d.hidden))
        self.signature()
        self.lengths()
        self.caches()
        x, head = self.embedding()
        last = f"/model/layers.{d.layers}/final_norm_layernorm"
        h = self.norm("model.layers.0.input_layernorm.weight", "/model/layers.0/input_layernorm",
                      x, d.hidden)
        for i in range(d.layers):
            layer, node = f"model.layers.{i}", f"/model/layers.{i}"
            y = self.attention(i, h)
            if d.gemma:
                y = self.post_norm(layer, node, "post_attention_layernorm", y)
                before = "pre_feedforward_layernorm"
            else:
                before = "post_attention_layernorm"
            h, x = self.add_norm(f"{layer}.{before}.weight", f"{node}/{before}", x, y)
            y = self.feed_forward(i, h)
            if d.gemma:
                y = self.post_norm(layer, node, "post_feedforward_layernorm", y)
            if i + 1 < d.layers:
                h, x = self.add_norm(f"model.layers.{i + 1}.input_layernorm.weight",
                                     f"/model/layers.{i + 1}/input_layernorm", x, y)
            else:
                h, _ = self.add_norm("model.norm.weight", last, x, y, last=True)
        self.logits(h, head)
        self.g.finish()
        return self.modules

    def post_norm(self, layer, node, name, y):
        if self.wide:
            y = self.cast(y, f"{node}/{name}/root", np.float32)
        return self.norm(f"{layer}.{name}.weight", f"{node}/{name}", y, self.d.hidden, narrow=False)

    def signature(self):
        d, g = self.d, self.g
        g.input("input_ids", np.int64, ["batch_size", "sequence_length"])
        g.input("attention_mask", np.int64, ["batch_size", "total_sequence_length"])
        g.output("logits", self.dtype, ["batch_size", "sequence_length", d.vocab])
        for kind in ("key", "value"):
            for i in range(d.layers):
                for add, name, length in ((g.input, "past_key_values", "past"),
                                          (g.output, "present", "total")):
                    add(f"{name}.{i}.{kind}", self.dtype,
                        ["batch_size", d.kv_heads, f"{length}_sequence_length", d.head_dim])

    def lengths(self):
        """seqlens_k = sum of the mask - 1 and total length, as GroupQueryAttention takes them."""
        g, node = self.g, "/model/attn_mask_reformat/attn_mask_subgraph"
        total = g.node("ReduceSum", f"{node}/ReduceSum", ["attention_mask", g.constant([1])],
                       keepdims=0)
        last = g.node("Sub", f"{node}/Sub", [total, g.constant([1])])
        shape = g.node("Shape", f"{node}/Shape", ["attention_mask"])
        length = g.node("Gather", f"{node}/Gather", [shape, g.constant(1)], axis=0)
        self.seqlens = g.node("Cast", f"{node}/Sub/Cast", [last], to=TensorProto.INT32)
        self.total = g.node("Cast", f"{node}/Gather/Cast", [length], to=TensorProto.INT32)

    def caches(self):
        """One pair of rotary tables, or two where sliding layers turn at another rate."""
        d, factors, where = self.d, None, self.source.where
        if self.source.has("rope_freqs.weight"):
            factors = self.tensor("rope_freqs.weight", (d.head_dim // 2,))
        two = d.gemma and any(w > 0 for w in d.windows) and d.rope != d.local_rope

        def pair(suffix, rope, factors):
            tables = rope_tables(rope, d.head_dim, d.context, where, factors)
            return [self.g.weight(name + suffix, table.astype(self.dtype))
                    for name, table in zip(("cos_cache", "sin_cache"), tables)]

        full = pair("_global" if two else "", d.rope, factors)
        local = pair("_local", d.local_rope, None) if two else full
        self.rotary = [local if window > 0 else full for window in d.windows]

    def embedding(self):
        """(the first residual, what the head shares with the embedding or None)."""
        d, g, node = self.d, self.g, "/model/embed_tokens"
        shape = (d.vocab, d.hidden)
        tied = d.tied or not self.source.has("lm_head.weight")
        base = "lm_head.MatMul" if tied else "model.embed_tokens"
        weight = self.matrix("model.embed_tokens.weight", shape, self.embed_bits)
        packed = weight if isinstance(weight, Packed) else None
        gathers = packed and packed.shape == shape and (
            packed.zero is None or packed.zero.dtype == np.uint8)
        if gathers:
            stored = self.packed_weights(base, packed)
            width = d.hidden * packed.bits // 8
            flat = g.node("Reshape", f"{node}/Reshape", [stored[0], g.constant([d.vocab, width])])
            x = g.node("GatherBlockQuantized", f"{node}/GatherBlockQuantized",
                       [flat, "input_ids", *stored[1:]], domain=MS, bits=packed.bits,
                       block_size=packed.block, gather_axis=0, quantize_axis=1)
        elif packed:  # float zero points: the gather has none, so the embedding is a float table
            stored = self.packed_weights(base, packed) if tied else None
            values = packed.dequantize()[:, :d.hidden].astype(self.dtype)
            table = g.weight("model.embed_tokens.weight", values)
            x = g.node("Gather", f"{node}/Gather", [table, "input_ids"])
        elif tied:  # stored once, as the head's product reads it
            stored = [g.weight(f"{base}.weight", weight.astype(self.dtype).T)]
            table = g.node("Transpose", f"{node}/Transpose", stored, perm=[1, 0])
            x = g.node("Gather", f"{node}/Gather", [table, "input_ids"])
        else:
            stored = [g.weight(f"{base}.weight", weight.astype(self.dtype))]
            x = g.node("Gather", f"{node}/Gather", [stored[0], "input_ids"])
        if d.embed_scale != 1:
            x = g.node("Mul", f"{node}/Mul", [x, g.constant(d.embed_scale, self.dtype)])
        if self.wide:
            x = self.cast(x, node, np.float32)
        self.modules["model.embed_tokens"] = {"node": f"{node}/Gather" + (
            "BlockQuantized" if gathers else ""), "weights": stored or [table]}
        return x, (stored, packed) if tied else None

    def attention(self, i, h):
        d, g = self.d, self.g
        module, node = f"model.layers.{i}.self_attn", f"/model/layers.{i}/attn"
        width, kv_width = d.heads * d.head_dim, d.kv_heads * d.head_dim
        q = self.linear(f"{module}.q_proj", f"{node}/q_proj", h, (width, d.hidden))
        k = self.linear(f"{module}.k_proj", f"{node}/k_proj", h, (kv_width, d.hidden))
        v = self.linear(f"{module}.v_proj", f"{node}/v_proj", h, (kv_width, d.hidden))
        if d.family in ("qwen3", "gemma3_text"):
            q = self.head_norm(f"{module}.q_norm.weight", f"{node}/q_norm", q, d.heads)
            k = self.head_norm(f"{module}.k_norm.weight", f"{node}/k_norm", k, d.kv_heads)
        past = [f"past_key_values.{i}.{kind}" for kind in ("key", "value")]
        y = g.node("GroupQueryAttention", f"{node}/GroupQueryAttention",
                   [q, k, v, *past, self.seqlens, self.total, *self.rotary[i]],
                   [f"{node}/GroupQueryAttention/output_0", f"present.{i}.key",
                    f"present.{i}.value"], domain=MS, num_heads=d.heads, kv_num_heads=d.kv_heads,
                   scale=d.attention_scale, local_window_size=d.windows[i],
                   softcap=d.attention_cap, do_rotary=1, rotary_interleaved=0)
        return self.linear(f"{module}.o_proj", f"{node}/o_proj", y, (d.hidden, width))

    def feed_forward(self, i, h):
        d, g = self.d, self.g
        module, node = f"model.layers.{i}.mlp", f"/model/layers.{i}/mlp"
        gate = self.linear(f"{module}.gate_proj", f"{node}/gate_proj", h, (d.ffn, d.hidden))
        up = self.linear(f"{module}.up_proj", f"{node}/up_proj", h, (d.ffn, d.hidden))
        if d.activation == "silu":
            sigmoid = g.node("Sigmoid", f"{node}/act_fn/Sigmoid", [gate])
            gate = g.node("Mul", f"{node}/act_fn/Mul", [gate, sigmoid])
        else:
            gate = g.node("Gelu", f"{node}/act_fn/Gelu", [gate], approximate="tanh")
        y = g.node("Mul", f"{node}/Mul", [gate, up])
        return self.linear(f"{module}.down_proj", f"{node}/down_proj", y, (d.hidden, d.ffn))

    def logits(self, h, shared):
        d, g, shape = self.d, self.g, (self.d.vocab, self.d.hidden)
        output = "/lm_head/output_0" if d.logit_cap else "logits"
        if shared:
            stored, packed = shared
        else:
            weight = self.matrix("lm_head.weight", shape, self.embed_bits)
            packed = weight if isinstance(weight, Packed) else None
            stored = (self.packed_weights("lm_head.MatMul", packed) if packed else
                      [g.weight("lm_head.MatMul.weight", weight.astype(self.dtype).T)])
        y = self.product("/lm_head", h, stored, shape, packed, output)
        self.modules["lm_head"] = {"node": g.nodes[-1].name, "weights": stored}
        if d.logit_cap:
            cap = g.constant(d.logit_cap, self.dtype)
            y = g.node("Div", "/lm_head/softcap/Div", [y, cap])
            y = g.node("Tanh", "/lm_head/softcap/Tanh", [y])
            g.node("Mul", "/lm_head/softcap/Mul", [y, cap], ["logits"])
