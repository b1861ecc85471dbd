"""HDF5 in the layout of DSEC: datasets events/x, events/y, events/t, events/p; t_offset is added to every time.

`ms_to_idx`, where it exists, says at which event each millisecond starts, so a part can be read from a file larger
than memory. Source: Gehrig et al., "DSEC", RA-L 2021; uzh-rpg/DSEC.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from spikeformers.core.errors import DataError
from spikeformers.data.events.array import Recording, make_events

SUFFIXES = (".h5", ".hdf5")
STREAMED = False


def read(path: Path) -> Recording:
    """All events of a file.

    Raises:
        DataError: as `read_between`.
    """
    return read_between(path, None, None)


def read_between(path: Path, start: int | None, stop: int | None) -> Recording:
    """Events with start ≤ t < stop, in µs since the file's first millisecond; None is the file's end.

    Raises:
        DataError: h5py is not installed, the file is no HDF5 or cut off, compressed by a filter that is not installed (as
            DSEC's own are), or not in this layout.
    """
    try:
        import h5py

        with suppress(ImportError):
            import hdf5plugin  # noqa: F401 - registers the filters
    except ImportError:
        raise DataError("reading HDF5 needs h5py; install the extra: pip install 'spikeformers[events]'") from None
    try:
        with h5py.File(path, "r") as file:
            return Recording(_columns(file, start, stop, path))
    except OSError as error:
        hint = "; pip install hdf5plugin" if "filter" in str(error) else ""
        raise DataError(f"{path}: not a readable HDF5 file: {error}{hint}") from None


def _columns(file: Any, start: int | None, stop: int | None, path: Path) -> np.ndarray:
    group = file.get("events")
    if group is None or any(name not in group for name in "xytp"):
        raise DataError(f"{path}: must hold the datasets events/x, events/y, events/t and events/p")
    lengths = {name: len(group[name]) for name in "xytp"}
    if len(set(lengths.values())) != 1:
        raise DataError(f"{path}: its columns differ in length: {lengths}")
    first, last = 0, lengths["t"]
    if "ms_to_idx" in file:
        index = file["ms_to_idx"]
        first = int(index[min(start // 1000, len(index) - 1)]) if start is not None else 0
        last = int(index[stop // 1000 + 1]) if stop is not None and stop // 1000 + 1 < len(index) else last
    x, y, t, p = (group[name][first:last] for name in "xytp")
    t = t.astype(np.int64)
    kept = slice(
        *np.searchsorted(t, [-1 if start is None else start, np.iinfo(np.int64).max if stop is None else stop])
    )
    offset = int(file["t_offset"][()]) if "t_offset" in file else 0
    return make_events(x[kept], y[kept], t[kept] + offset, p[kept], str(path))
