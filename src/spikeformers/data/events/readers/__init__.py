"""Readers of recordings, one format a file.

A module of this package has `SUFFIXES`, the endings of file names it reads, and `read(path) -> Recording`.
"""

import importlib
import pkgutil
from functools import cache
from pathlib import Path
from types import ModuleType

from spikeformers.core.errors import DataError, did_you_mean
from spikeformers.data.events.array import Recording


@cache
def by_suffix() -> dict[str, ModuleType]:
    """File name ending → module that reads it."""
    found = {}
    for module in pkgutil.iter_modules(__path__, prefix=f"{__name__}."):
        reader = importlib.import_module(module.name)
        found.update(dict.fromkeys(reader.SUFFIXES, reader))
    return found


def read_recording(path: Path) -> Recording:
    """Read a recording in the format that its name ends in.

    Raises:
        DataError: the ending is not known, or the file is damaged.
    """
    readers = by_suffix()
    if path.suffix not in readers:
        raise DataError(f"{path}: no reader for names ending in {path.suffix!r}" + did_you_mean(path.suffix, readers))
    recording: Recording = readers[path.suffix].read(path)
    return recording


__all__ = ["by_suffix", "read_recording"]
