"""Checkpoints: written whole or not at all, read without running what is inside.

`last.ckpt` holds everything a run needs to go on; `best.safetensors` holds the weights of the best epoch, with the run's
configuration in its metadata, so that either file alone can be evaluated.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spikeformers.core.errors import CheckpointError
from spikeformers.engine.files import replacing

FORMAT = "spikeformers-run"
VERSION = 1
KEYS = ("config", "model", "encoder", "average", "optimizer", "progress")
"""What a run's checkpoint holds besides its format and version."""

ENCODER_PREFIX = "encoder/"
"""Before the names of an encoder's own tensors in a weights file; no module path holds a slash."""


def save(path: Path, state: Mapping[str, Any]) -> None:
    """Write a run's checkpoint.

    Args:
        path: replaced in one step.
        state: tensors and plain types under `KEYS`.

    Raises:
        StorageError: it cannot be written; the former checkpoint is intact.
    """
    with replacing(path) as file:
        torch.save({"format": FORMAT, "version": VERSION, **state}, file)


def load(path: Path) -> dict[str, Any]:
    """Read a run's checkpoint; no code in it is run.

    Raises:
        CheckpointError: the file is missing, truncated, of another kind or version, or holds more than data.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint {path}")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 (anything may come out of bytes that someone else wrote)
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise CheckpointError(
            f"{path} is no whole checkpoint of ours and was not opened ({reason}); restore it from a copy, "
            "or remove the run's folder and start again"
        ) from None
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise CheckpointError(f"{path} is a file of torch, but not a checkpoint of a run of ours")
    if state.get("version") != VERSION:
        raise CheckpointError(
            f"{path} has format version {state.get('version')!r}; this release reads version {VERSION}"
        )
    missing = [key for key in KEYS if key not in state]
    if missing:
        raise CheckpointError(f"{path} lacks {', '.join(missing)}; restore it from a copy")
    return state


def save_weights(path: Path, weights: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write weights as safetensors, with JSON facts in the metadata.

    Raises:
        StorageError: the file cannot be written; the former one is intact.
    """
    from safetensors.torch import save as to_bytes

    # One key only: the library writes several in a random order, and equal weights should be equal files.
    data = to_bytes({name: tensor.contiguous() for name, tensor in weights.items()}, {FORMAT: json.dumps(dict(facts))})
    with replacing(path) as file:
        file.write(data)


def load_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_weights` wrote: weights and facts.

    Raises:
        CheckpointError: the file is missing, truncated or of another kind.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise CheckpointError(f"there is no weights file {path}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is not a whole safetensors file ({error}); restore it from a copy") from None
    if FORMAT not in metadata:
        raise CheckpointError(f"{path} was not written by a run of ours: its metadata lacks the run's configuration")
    try:
        facts = json.loads(metadata[FORMAT])
    except json.JSONDecodeError as error:
        raise CheckpointError(f"{path} has broken metadata ({error}); restore it from a copy") from None
    if not isinstance(facts, dict):
        raise CheckpointError(f"{path} has broken metadata (not a mapping); restore it from a copy")
    return weights, facts


def split_weights(weights: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The tensors of a weights file: (the model's, the encoder's)."""
    model = {name: value for name, value in weights.items() if not name.startswith(ENCODER_PREFIX)}
    encoder = {name.removeprefix(ENCODER_PREFIX): value for name, value in weights.items() if name not in model}
    return model, encoder
