"""HDF5 files that hold a few named arrays, as published point sets do."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from spikeformers.core.errors import DataError

EXTRA = "reading HDF5 needs h5py; install the extra: pip install 'spikeformers[points]'"


def read_arrays(path: Path, *names: str) -> list[np.ndarray]:
    """The arrays of these names.

    Raises:
        DataError: h5py is not installed, the file is no HDF5 or cut off, or an array is missing.
    """
    try:
        import h5py
    except ImportError:
        raise DataError(EXTRA) from None
    try:
        with h5py.File(path, "r") as file:
            missing = [name for name in names if not isinstance(file.get(name), h5py.Dataset)]
            if missing:
                raise DataError(f"{path}: holds no array {', '.join(missing)}; it has {', '.join(file) or 'nothing'}")
            return [np.asarray(file[name]) for name in names]
    except OSError as error:
        raise DataError(f"{path}: not a readable HDF5 file: {error}") from None


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a file of named arrays."""
    try:
        import h5py
    except ImportError:
        raise DataError(EXTRA) from None
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array)
