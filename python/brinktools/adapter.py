"""A LoRA adapter in PEFT's layout, merged into weights: W + scale * B A (arXiv:2106.09685).

Only plain LoRA on linear layers is merged exactly, so anything else is refused by name rather than
left out.
"""

import re
from pathlib import Path

import numpy as np

from .checkpoint import SafetensorsFile, read_json
from .errors import BrinkError


class Adapter:
    def __init__(self, folder):
        self.folder = Path(folder)
        self.where = self.folder / "adapter_config.json"
        config = read_json(self.where)
        if config.get("peft_type", "LORA") != "LORA":
            raise BrinkError(f"{self.where}: peft_type {config['peft_type']!r} is not LORA")
        for key, plain in (("use_dora", False), ("fan_in_fan_out", False), ("bias", "none"),
                           ("modules_to_save", None), ("lora_bias", False)):
            if config.get(key) not in (plain, None, [], False):
                raise BrinkError(f"{self.where}: {key} {config[key]!r} cannot be merged")
        self.config = config
        self.file = SafetensorsFile(self.folder / "adapter_model.safetensors")
        self.pairs = {}  # module -> {"A": name, "B": name}
        for name in self.file.entries:
            found = re.fullmatch(r"(?:base_model\.model\.)?(.+)\.lora_([AB])(?:\.default)?\.weight",
                                 name)
            if not found:
                raise BrinkError(f"{self.file.path}: {name} is not a LoRA matrix of a linear layer")
            self.pairs.setdefault(found[1], {})[found[2]] = name
        for module, pair in self.pairs.items():
            if len(pair) != 2:
                raise BrinkError(f"{self.file.path}: {module} has lora_{next(iter(pair))} alone")
        self.used = set()

    def touches(self, module):
        return module in self.pairs

    def _setting(self, module, patterns, key):
        given = self.config.get(patterns) or {}
        if not isinstance(given, dict):
            raise BrinkError(f"{self.where}: {patterns} is {given!r}")
        for pattern, value in given.items():
            if re.search(r"\)[*+?{]", pattern):  # a repeated group may take for ever
                raise BrinkError(f"{self.where}: {patterns}: {pattern!r} repeats a group")
            try:
                if re.search(rf"(^|\.){pattern}$", module):
                    return value
            except (re.error, OverflowError, RecursionError) as error:
                raise BrinkError(f"{self.where}: {patterns}: {pattern!r}: {error}") from None
        return self.config.get(key)

    def merge(self, module, weight):
        """weight float32 [n, k] plus the adapter's change to it."""
        down, up = (self.file.tensor(self.pairs[module][part]) for part in "AB")
        rank = down.shape[0] if down.ndim == 2 else 0
        if not rank or up.shape != (weight.shape[0], rank) or down.shape[1] != weight.shape[1]:
            raise BrinkError(f"{self.file.path}: {module} has matrices {list(down.shape)} and "
                             f"{list(up.shape)} for a weight of {list(weight.shape)}")
        alpha = self._setting(module, "alpha_pattern", "lora_alpha")
        if not isinstance(alpha, (int, float)):
            raise BrinkError(f"{self.where}: lora_alpha is {alpha!r}")
        scale = alpha / (rank ** 0.5 if self.config.get("use_rslora") else rank)
        self.used.add(module)
        return weight + np.float32(scale) * (up @ down)

    def check_all_used(self):
        left = sorted(set(self.pairs) - self.used)
        if left:
            raise BrinkError(f"{self.file.path}: {left[0]} is not a module of this model")
