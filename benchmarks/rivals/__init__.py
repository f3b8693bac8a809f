"""RIVALS: the same networks in PyTorch, written the way its community writes them.

A rival's module has `make(num_outputs, **options)`, which gives a `torch.nn.Module`,
and `names(**options)`, the rules by which its numbers are carried over to segjax. None
imports PyTorch before it makes something.
"""

import importlib
from typing import Any

RIVALS = {
    "convlstm_unet": "benchmarks.rivals.convlstm_unet",
    "deeplab_v3": "benchmarks.rivals.deeplab_v3",
    "deeplab_v3plus": "benchmarks.rivals.deeplab_v3plus",
    "segnet": "benchmarks.rivals.segnet",
    "unet": "benchmarks.rivals.unet",
}
"""Name in `MODELS` -> module with `make(num_outputs, **options)` and `names`."""


def make(model: str, num_outputs: int, options: dict[str, Any]):
    """The `torch.nn.Module`; it gives logits, or `(logits, auxiliary logits)`."""
    return importlib.import_module(RIVALS[model]).make(num_outputs, **options)


def names(model: str, options: dict[str, Any]):
    """The rules that carry its numbers over to segjax."""
    return importlib.import_module(RIVALS[model]).names(**options)
