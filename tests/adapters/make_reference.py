"""python make_reference.py OUT: a small model of transformers with two adapters of PEFT, saved as these save
them, and the logits they give. Needs torch, transformers and peft; what it wrote is tests/fixtures/adapters."""

import sys
from pathlib import Path

import numpy as np
import peft
import torch
from transformers import LlamaConfig, LlamaForCausalLM

IDS, STEPS = [3, 17, 5, 5, 42, 8, 61, 2, 30, 11], 4
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
ADAPTERS = {
    "plain": {"r": 8, "lora_alpha": 16, "target_modules": TARGETS},
    "patterns": {"r": 4, "lora_alpha": 6, "target_modules": ["q_proj", "v_proj", "o_proj", "up_proj", "down_proj"],
                 "use_rslora": True, "rank_pattern": {"q_proj": 8, r"layers.1.mlp.down_proj": 6},
                 "alpha_pattern": {"o_proj": 1, r"model\.layers\.[01]\.self_attn\.v_proj": 12}},
}


@torch.no_grad()
def steps(model):
    """Logits [STEPS, vocabulary] of greedy steps."""
    ids, rows = list(IDS), []
    for _ in range(STEPS):
        rows.append(model(torch.tensor([ids])).logits[0, -1].float().numpy())
        ids.append(int(rows[-1].argmax()))
    return np.array(rows)


def main():
    out = Path(sys.argv[1])
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(
        hidden_size=64, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
        head_dim=32, vocab_size=80, max_position_embeddings=64, tie_word_embeddings=True, bos_token_id=1,
        eos_token_id=2, initializer_range=0.12)).eval()
    model.save_pretrained(out / "base")
    logits = {"base": steps(model)}
    for seed, (name, settings) in enumerate(ADAPTERS.items()):
        torch.manual_seed(seed + 1)
        base = LlamaForCausalLM.from_pretrained(out / "base").eval()
        tuned = peft.get_peft_model(base, peft.LoraConfig(task_type="CAUSAL_LM", init_lora_weights=False, **settings))
        for parameter in tuned.parameters():
            if parameter.requires_grad:
                parameter.data *= 0.3
        tuned.eval().save_pretrained(out / name)
    loaded = peft.PeftModel.from_pretrained(LlamaForCausalLM.from_pretrained(out / "base"), out / "plain", "plain").eval()
    loaded.load_adapter(out / "patterns", "patterns")
    for name in ADAPTERS:
        loaded.set_adapter(name)
        logits[name] = steps(loaded)
    loaded.base_model.set_adapter(list(ADAPTERS))  # both at once
    logits["both"] = steps(loaded)
    np.savez(out / "logits.npz", **logits)
    for name, value in logits.items():
        print(name, np.abs(value - logits["base"]).max(), np.abs(value).max())


if __name__ == "__main__":
    main()
