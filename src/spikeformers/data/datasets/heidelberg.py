"""SHD and SSC: spoken words as spike trains of 700 cochlear units, in the official HDF5 files."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spikeformers.core.errors import ConfigError, DataError, SpikeformersError
from spikeformers.data.base import DATASETS, DataConfig, DatasetInfo, carve_validation, check_labels
from spikeformers.data.download import RemoteFile
from spikeformers.data.samples import Indices, Samples, Splits, Subset, as_indices

UNITS = 700
SITE = "https://zenkelab.org/datasets"
SOURCE = "B. Cramer, Y. Stradmann, J. Schemmel, F. Zenke, IEEE TNNLS 33(7), 2022, arXiv:1910.07407"
ARRAYS = ("spikes/times", "spikes/units", "labels")
CONTENT = "spikes/times (seconds) and spikes/units (0 … 699), one array of varying length a sample, and labels"
DIGITS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"),
)


def _remote(name: str, parts: dict[str, str]) -> tuple[RemoteFile, ...]:
    """Zipped files with the checksums that tonic and SpikingJelly state."""
    return tuple(
        RemoteFile(f"{name}_{part}.h5.zip", f"{SITE}/{name}_{part}.h5.zip", f"md5:{checksum}", unpack=True)
        for part, checksum in parts.items()
    )


@dataclass(frozen=True, kw_only=True)
class HeidelbergConfig(DataConfig):
    """Abstract: spike trains of cochlear units as counts [T, units]."""

    steps: int = 100
    """Time steps T; spikes after the last are left out."""
    step_ms: float = 10.0
    """Duration of a step in milliseconds."""
    units: int = 140
    """Inputs of a step, a divisor of 700; neighboring cochlear units are summed."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steps < 1 or not self.step_ms > 0:
            raise ConfigError(f"steps={self.steps} must be at least 1 and step_ms={self.step_ms} above 0")
        if self.units < 1 or UNITS % self.units:
            near = sorted((d for d in range(1, UNITS + 1) if UNITS % d == 0), key=lambda d: abs(d - self.units))[:2]
            raise ConfigError(f"units={self.units} does not divide {UNITS}; nearest valid: {near[0]}, {near[1]}")

    @property
    def bins(self) -> "SpikeBins":
        """How spikes are counted."""
        return SpikeBins(self.steps, self.step_ms, self.units)


@DATASETS.register("shd", source="Cramer et al., IEEE TNNLS 33(7), 2022, arXiv:1910.07407")
@dataclass(frozen=True, kw_only=True)
class SHDConfig(HeidelbergConfig):
    """Spiking Heidelberg Digits: 10,420 spoken digits in German and English as spike counts [T, units]."""

    val_fraction: float = 0.1
    """Share of the official training part that is the validation part."""
    split_seed: int = 0
    """Seed of the validation split."""
    val_speaker: int | None = None
    """Number of a training speaker (`extra/speaker`) who is the validation part instead of a random share."""

    @property
    def info(self) -> DatasetInfo:
        return DatasetInfo(
            title="Spiking Heidelberg Digits",
            classes=DIGITS,
            shape=(self.steps, self.units),
            mean=(0.0,) * self.units,
            std=(1.0,) * self.units,
            license="CC BY 4.0",
            source=SOURCE,
            sizes={"train": 8156, "test": 2264},
            split="official train and test; two of the twelve speakers are in the test part only, the others in both; "
            "validation is cut from train with split_seed, every class in equal measure, or is val_speaker",
            layout=f"shd_train.h5 and shd_test.h5: {CONTENT}; extra/speaker where speakers are told",
            files=_remote(
                "shd", {"train": "f3252aeb598ac776c1b526422d90eecb", "test": "1503a5064faa34311c398fb0a1ed0a6f"}
            ),
            mirror=False,
            unit_range=False,
        )

    def read(self) -> Splits:
        folder = self.locate("shd_train.h5", "shd_test.h5")
        whole, test = (SpikeTrains(folder / f"shd_{part}.h5", len(DIGITS), self.bins) for part in ("train", "test"))
        if self.val_speaker is None:
            train, val = carve_validation(whole, self.val_fraction, self.split_seed)
            return Splits(train=train, val=val, test=test)
        speakers = whole.speakers()
        held = speakers == self.val_speaker
        if not held.any() or held.all():
            known = ", ".join(map(str, speakers.unique().tolist()))
            raise ConfigError(f"val_speaker={self.val_speaker} is not one of several training speakers; valid: {known}")
        train, val = (Subset(whole, chosen.nonzero().flatten()) for chosen in (~held, held))
        return Splits(train=train, val=val, test=test)

    def fake(self, n: int, root: Path) -> None:
        for part in ("train", "test"):
            _fake(root / f"shd_{part}.h5", n, len(DIGITS))


@DATASETS.register("ssc", source="Cramer et al., IEEE TNNLS 33(7), 2022, arXiv:1910.07407")
@dataclass(frozen=True, kw_only=True)
class SSCConfig(HeidelbergConfig):
    """Spiking Speech Commands: 105,829 spoken words as spike counts [T, units]."""

    @property
    def info(self) -> DatasetInfo:
        return DatasetInfo(
            title="Spiking Speech Commands",
            classes=tuple(str(label) for label in range(35)),
            shape=(self.steps, self.units),
            mean=(0.0,) * self.units,
            std=(1.0,) * self.units,
            license="CC BY 4.0",
            source=SOURCE,
            sizes={"train": 75466, "valid": 9981, "test": 20382},
            split="official train, valid and test",
            layout=f"ssc_train.h5, ssc_valid.h5 and ssc_test.h5: {CONTENT}; the word of label i is row i of extra/keys",
            files=_remote(
                "ssc",
                {
                    "train": "d102be95e7144fcc0553d1f45ba94170",
                    "valid": "b4eee3516a4a90dd0c71a6ac23a8ae43",
                    "test": "a35ff1e9cffdd02a20eb850c17c37748",
                },
            ),
            mirror=False,
            unit_range=False,
        )

    def read(self) -> Splits:
        parts = ("train", "valid", "test")
        folder = self.locate(*[f"ssc_{part}.h5" for part in parts])
        return Splits(*[SpikeTrains(folder / f"ssc_{part}.h5", 35, self.bins) for part in parts])

    def fake(self, n: int, root: Path) -> None:
        for part in ("train", "valid", "test"):
            _fake(root / f"ssc_{part}.h5", n, 35)


@dataclass(frozen=True)
class SpikeBins:
    """Spike counts [steps, units]: `steps` bins of `step_ms`, 700 / units neighboring units summed."""

    steps: int
    step_ms: float
    units: int

    def counts(self, times: np.ndarray, units: np.ndarray, origin: str) -> Tensor:
        """Counts of one sample.

        Raises:
            DataError: no spikes, a time that is negative or no number, or a unit that does not exist.
        """
        if len(times) != len(units):
            raise DataError(f"{origin}: {len(times)} times but {len(units)} units")
        if not len(times):
            raise DataError(f"{origin}: an empty recording; a sample needs at least one spike")
        seconds = times.astype(np.float64)
        wrong = np.flatnonzero(~(np.isfinite(seconds) & (seconds >= 0)))
        if len(wrong):
            raise DataError(
                f"{origin}: spike {wrong[0]} is at {seconds[wrong[0]]} s; times are finite and not negative"
            )
        wrong = np.flatnonzero((units < 0) | (units >= UNITS))
        if len(wrong):
            raise DataError(f"{origin}: spike {wrong[0]} is of unit {units[wrong[0]]}, outside 0 … {UNITS - 1}")
        bins = np.floor(seconds * (1000 / self.step_ms)).astype(np.int64)
        kept = bins < self.steps
        place = bins[kept] * self.units + units[kept].astype(np.int64) // (UNITS // self.units)
        counts = np.bincount(place, minlength=self.steps * self.units).astype(np.float32)
        return torch.from_numpy(counts.reshape(self.steps, self.units))


class SpikeTrains(Samples):
    """Spike trains of one HDF5 file as counts [n, T, units], read when asked for.

    Args:
        path: the file.
        classes: labels are 0 … classes - 1.
        view: bins.

    Raises:
        DataError: h5py is not installed, no HDF5 file, or not in this layout.
    """

    def __init__(self, path: Path, classes: int, view: SpikeBins) -> None:
        self._path, self._view = path, view
        self._opened: tuple[int, Any] | None = None  # process and file: an open file does not survive a fork
        with _readable(str(path)):
            file = self._file()
            missing = [name for name in ARRAYS if name not in file]
            if missing:
                raise DataError(f"{path}: lacks {', '.join(missing)}; it must hold {CONTENT}")
            lengths = {name: len(file[name]) for name in ARRAYS}
            labels = np.asarray(file["labels"]).astype(np.int64)
        if len(set(lengths.values())) != 1:
            raise DataError(f"{path}: its arrays differ in length: {lengths}")
        check_labels(labels, classes, str(path))
        self._labels = torch.from_numpy(labels)

    def __len__(self) -> int:
        return len(self._labels)

    def inputs(self, indices: Indices) -> Tensor:
        with _readable(str(self._path)):
            all_times, all_units = self._file()["spikes/times"], self._file()["spikes/units"]
        found = []
        for i in as_indices(indices).tolist():
            origin = f"{self._path} sample {i}"
            with _readable(origin):
                times, units = all_times[i], all_units[i]
            found.append(self._view.counts(times, units, origin))
        return torch.stack(found)

    def targets(self, indices: Indices) -> Tensor:
        return self._labels[as_indices(indices)]

    def name(self, index: int) -> str:
        return f"{self._path.name}#{index}"

    def speakers(self) -> Tensor:
        """Number of the speaker of each sample [N].

        Raises:
            DataError: the file does not tell.
        """
        with _readable(str(self._path)):
            file = self._file()
            if "extra/speaker" not in file or len(file["extra/speaker"]) != len(self):
                raise DataError(
                    f"{self._path}: does not tell the speaker of each sample (extra/speaker); unset val_speaker"
                )
            return torch.from_numpy(np.asarray(file["extra/speaker"]).astype(np.int64))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}

    def _file(self) -> Any:
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = (os.getpid(), _open(self._path, "r"))
        return self._opened[1]


def _open(path: Path, mode: str) -> Any:
    try:
        import h5py
    except ImportError:
        raise DataError("HDF5 needs h5py; install the extra: pip install 'spikeformers[events]'") from None
    with _readable(str(path)):
        return h5py.File(path, mode)


@contextmanager
def _readable(origin: str) -> Iterator[None]:
    """What h5py raises where a file is damaged, as one error."""
    try:
        yield
    except SpikeformersError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise DataError(f"{origin}: not a readable HDF5 file: {error}") from None


def _fake(path: Path, n: int, classes: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    counts = rng.integers(20, 60, n)
    write_trains(
        path,
        [np.sort(rng.uniform(0, 1, count)) for count in counts],
        [rng.integers(0, UNITS, count) for count in counts],
        np.arange(n) % classes,
        np.arange(n) % 10,
    )


def write_trains(
    path: Path, times: Sequence[np.ndarray], units: Sequence[np.ndarray], labels: np.ndarray, speakers: np.ndarray
) -> None:
    """Write spike trains in the layout and types of the official files."""
    with _open(path, "w") as file:
        import h5py

        for name, kind, rows in (("times", np.float16, times), ("units", np.uint16, units)):
            column = file.create_dataset(f"spikes/{name}", (len(rows),), dtype=h5py.vlen_dtype(np.dtype(kind)))
            for i, row in enumerate(rows):
                column[i] = np.asarray(row, kind)
        file["labels"] = np.asarray(labels, np.uint16)
        file["extra/speaker"] = np.asarray(speakers, np.uint16)
