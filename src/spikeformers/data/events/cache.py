"""Finished tensors kept on disk, so that long recordings are read once.

A tensor is found again by what it was made from: the content of the recording, wherever it lies, the part of it, and
every field of the view. Change any and it is made anew. The content is hashed once: path, size and time of change say
whether that must be done again. Several processes may fill one folder at the same time.
"""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from spikeformers.core.errors import DataError
from spikeformers.data.download import file_digest

LARGEST_BYTE = 255


def cache_key(folder: Path, path: Path, *facts: object) -> str:
    """Name of what is made of a file's content and `facts` (plain values).

    Raises:
        DataError: the folder of the cache cannot be written.
    """
    return _short(json.dumps([content_digest(folder, path), *facts]))


def content_digest(folder: Path, path: Path) -> str:
    """SHA-256 of a file, remembered in `folder` as long as the file has the same path, size and time of change.

    Raises:
        DataError: the folder cannot be read or written.
    """
    state = path.stat()
    note = folder / f"{_short(json.dumps([str(path.resolve()), state.st_size, state.st_mtime_ns]))}.sha256"
    try:
        return note.read_text(encoding="ascii")
    except FileNotFoundError:
        digest = file_digest(path, "sha256")
    except OSError as error:
        raise DataError(
            f"{note}: the cache cannot be read: {error}; set cache to false or point to another disk"
        ) from None
    _written(folder, note.name, lambda out: out.write(digest.encode("ascii")))
    return digest


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


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
    kept = small if np.array_equal(small, array) else array
    _written(folder, f"{key}.npy", lambda out: np.save(out, kept))


def _written(folder: Path, name: str, write: Callable[[BinaryIO], object]) -> None:
    """Put a file there, whole or not at all.

    Raises:
        DataError: the folder cannot be written.
    """
    part = folder / f"{name}.{os.getpid()}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as out:
            write(out)
        os.replace(part, folder / name)
    except OSError as error:
        if part.exists():
            part.unlink()
        raise DataError(
            f"the cache {folder} cannot be written: {error}; set cache to false or point to another disk"
        ) from None
