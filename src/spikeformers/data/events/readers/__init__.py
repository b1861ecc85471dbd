"""Readers of recordings, one format a file.

A module of this package has `SUFFIXES`, the endings of file names it reads; `STREAMED`, whether events lie one after
another, so that what is whole of a cut file can be read; and `read(path) -> Recording`, with `allow_cut` if streamed.
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


def read_recording(path: Path, *, allow_cut: bool = False) -> Recording:
    """Read a recording in the format that its name ends in.

    Args:
        path: the file.
        allow_cut: of a file that is cut off (a recording that was interrupted, a copy that failed), take what is whole.

    Raises:
        DataError: the ending is not known, or the file is damaged, or cut off where that is not allowed.
    """
    readers = by_suffix()
    if path.suffix not in readers:
        raise DataError(f"{path}: no reader for names ending in {path.suffix!r}" + did_you_mean(path.suffix, readers))
    reader = readers[path.suffix]
    if allow_cut and not reader.STREAMED:
        raise DataError(
            f"{path}: of a file of this format nothing can be read unless all of it is there; leave allow_cut off"
        )
    recording: Recording = reader.read(path, allow_cut=True) if allow_cut else reader.read(path)
    return recording


__all__ = ["by_suffix", "read_recording"]
