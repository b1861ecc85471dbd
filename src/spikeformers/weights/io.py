"""Reading state dicts from files, whatever published them, without running what is inside."""

import json
import pickle
import re
import struct
import warnings
import zipfile
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path, PosixPath, PurePosixPath
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spikeformers.core.errors import CheckpointError

_WRAPPERS = (
    "state_dict",
    "model",
    "model_state_dict",
    "state_dict_ema",
    "model_ema",
    "ema",
    "net",
    "module",
    "net_model",
)
_PREFIXES = ("module.", "_orig_mod.", "model.")


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """Read a safetensors file or a pickle (`weights_only`), and unwrap what training scripts put around the weights.

    Unwrapped are the keys `state_dict`, `model`, `model_ema` and their like, and the prefixes `module.` (DDP) and
    `_orig_mod.` (compile).

    Raises:
        CheckpointError: the file is missing, truncated, of a foreign kind, holds code, or holds no tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path} is a folder, not a file" if path.is_dir() else f"there is no file {path}")
    loaded = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    return unwrap(loaded, str(path))


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, struct.error, json.JSONDecodeError) as error:
        raise CheckpointError(f"{path} is not a whole safetensors file ({error}); copy or download it again") from None


def _inert() -> list[Any]:
    """What training scripts leave beside the weights and what runs nothing: parsed arguments, paths, numpy's numbers."""
    scalar = np._core.multiarray.scalar if hasattr(np, "_core") else np.core.multiarray.scalar
    return [
        Namespace,
        PosixPath,
        PurePosixPath,
        np.dtype,
        *(type(np.dtype(kind)) for kind in ("bool", "i4", "i8", "f4", "f8")),
        (scalar, "numpy.core.multiarray.scalar"),
        (scalar, "numpy._core.multiarray.scalar"),
    ]


def _read_pickle(path: Path) -> Any:
    if path.stat().st_size == 0:
        raise CheckpointError(f"{path} is empty; copy or download it again")
    try:
        with warnings.catch_warnings():
            # Other pickle protocols than torch's own are met in old checkpoints; what cannot be read raises below.
            warnings.filterwarnings("ignore", message="Detected pickle protocol")
            with torch.serialization.safe_globals(_inert()):
                return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL (\S+)", str(error))
        reason = f"it calls for {found[1]}" if found else str(error).splitlines()[0]
        raise CheckpointError(
            f"{path} holds more than tensors, or is no checkpoint, and was not opened ({reason}); "
            "convert it to safetensors where you trust it"
        ) from None
    except (RuntimeError, EOFError, zipfile.BadZipFile, OSError, ValueError, KeyError, AttributeError) as error:
        reason = str(error).splitlines()[0].split(". ")[0] if str(error) else ""
        reason = reason if " " in reason else type(error).__name__
        raise CheckpointError(f"{path} is truncated or no checkpoint ({reason}); copy or download it again") from None


def unwrap(loaded: Any, where: str = "the checkpoint") -> dict[str, Tensor]:
    """The innermost mapping of names to tensors, without the prefixes of wrappers.

    Raises:
        CheckpointError: there is no such mapping.
    """
    for _ in range(4):
        if not isinstance(loaded, Mapping):
            raise CheckpointError(f"{where} holds a {type(loaded).__name__}, not a mapping of names to tensors")
        inner = next((k for k in _WRAPPERS if isinstance(loaded.get(k), Mapping) and loaded[k]), None)
        if inner is None:
            break
        loaded = loaded[inner]
    tensors = {str(name): value for name, value in loaded.items() if isinstance(value, Tensor)}
    if not tensors:
        raise CheckpointError(f"{where} holds no tensors (its keys: {', '.join(map(str, list(loaded)[:8])) or 'none'})")
    stripped = True
    while stripped:
        stripped = False
        for prefix in _PREFIXES:
            if all(name.startswith(prefix) for name in tensors):
                tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
                stripped = True
    return tensors
