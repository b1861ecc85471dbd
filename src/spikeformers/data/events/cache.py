"""Finished tensors kept on disk, so that long recordings are read once.

A tensor is found again by what it was made from: the recording (path, size, time of change), the part of it, and every
field of the view. Change any and it is made anew. Several processes may fill one folder at the same time.
"""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from spikeformers.core.errors import DataError

LARGEST_BYTE = 255


def cache_key(path: Path, *facts: object) -> str:
    """Name of what is made of a file and `facts` (plain values)."""
    state = path.stat()
    described = json.dumps([str(path.resolve()), state.st_size, state.st_mtime_ns, *facts])
    return hashlib.sha256(described.encode()).hexdigest()[:32]


def load_cached(folder: Path, key: str) -> Tensor | None:
    """The tensor of this name, or None if there is none.

    Raises:
        DataError: it is there but damaged.
    """
    path = folder / f"{key}.npy"
    try:
        array = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        return None
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{path}: a damaged file of the cache ({error}); remove it and it is made again") from None
    return torch.from_numpy(array).to(torch.float32)


def store_cached(folder: Path, key: str, tensor: Tensor) -> None:
    """Keep a tensor: as bytes where it holds small whole numbers (counts), as float32 otherwise.

    Raises:
        DataError: the folder cannot be written.
    """
    array = tensor.numpy()
    small = array.astype(np.uint8) if array.size and 0 <= array.min() <= array.max() <= LARGEST_BYTE else array
    part = folder / f"{key}.{os.getpid()}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as out:
            np.save(out, small if np.array_equal(small, array) else array)
        os.replace(part, folder / f"{key}.npy")
    except OSError as error:
        if part.exists():
            part.unlink()
        raise DataError(
            f"the cache {folder} cannot be written: {error}; set cache to false or point to another disk"
        ) from None
