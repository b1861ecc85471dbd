"""Spiking transformers, and the systems around them, by name.

Example:
    >>> import torch, spikeformers
    >>> model = spikeformers.create_model("spikformer_4_384", depth=1, num_classes=10)
    >>> logits = model(torch.rand(2, 3, 32, 32))
    >>> logits.shape, model.readout(logits).shape
    (torch.Size([4, 2, 10]), torch.Size([2, 10]))
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spikeformers.core.carry import carry
    from spikeformers.models.base import from_official
    from spikeformers.models.hub import create_model, list_models, load_weights

__version__ = "0.1.0"

__all__ = ["__version__", "carry", "create_model", "from_official", "list_models", "load_weights"]

_HOME = {
    "carry": "spikeformers.core.carry",
    "create_model": "spikeformers.models.hub",
    "from_official": "spikeformers.models.base",
    "list_models": "spikeformers.models.hub",
    "load_weights": "spikeformers.models.hub",
}


def __getattr__(name: str) -> Any:
    # The four names bring torch along, so they are imported when first asked for: `spikeformers --help` stays quick.
    if name in _HOME:
        import importlib

        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
