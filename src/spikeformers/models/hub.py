"""Models by name, and weights into them."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spikeformers.core.errors import CheckpointError
from spikeformers.models.base import MODELS, SpikingModel, load_strictly
from spikeformers.weights.io import read_state_dict


def create_model(name: str, **overrides: Any) -> SpikingModel:
    """Build a model by its registered name.

    Args:
        name: a family or a variant; see `list_models`.
        overrides: config fields to change; a neuron may be given by name or as a config.

    Raises:
        ConfigError: unknown name or field, or a combination that cannot be built.
    """
    return MODELS.config(name).but(**overrides).build()


def list_models(pattern: str = "*") -> list[str]:
    """Names of the registered models and variants that match a shell-style pattern, sorted."""
    return MODELS.names(pattern)


def load_weights(model: SpikingModel, path: str | Path) -> SpikingModel:
    """Load a checkpoint file into a model: one of ours, or an official one of its family.

    Wrappers (`model`, `state_dict`, EMA, DDP and compile prefixes) are taken off; which layout it is, is seen from its
    names. A classification head of another size is refused like everything else that does not fit.

    Args:
        model: built with the config that the checkpoint was trained with.
        path: safetensors or a pickle of tensors.

    Returns:
        The same model.

    Raises:
        CheckpointError: the file cannot be read or does not fit; leftovers on both sides are listed by prefix.
    """
    tensors = read_state_dict(path)
    own = model.state_dict()
    if len(set(own) & set(tensors)) * 2 < len(own):
        try:
            tensors = model.config.official_rules().to_ours(tensors)
        except CheckpointError as error:
            raise CheckpointError(f"{path} fits neither our names nor the official ones: {error}") from None
    try:
        load_strictly(model, tensors)
    except CheckpointError as error:
        raise CheckpointError(f"{path} does not fit {model.config.family}: {error}") from None
    return model


def count_parameters(name: str) -> int:
    """Trainable parameters of a registered model, without allocating it."""
    with torch.device("meta"):
        model = create_model(name)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def export_official(model: SpikingModel) -> dict[str, Tensor]:
    """The weights under their official names and shapes, without what the official model never uses.

    Raises:
        CheckpointError: the family has no official layout.
    """
    return model.config.official_rules().to_official(model.state_dict())
