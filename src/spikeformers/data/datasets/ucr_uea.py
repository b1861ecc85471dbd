"""Problems of the UCR and UEA time series archives, in their `.ts` files."""

import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data.base import DATASETS, DataConfig, DatasetInfo, carve_validation
from spikeformers.data.download import RemoteFile
from spikeformers.data.formats.ts import SeriesFile, read_ts, write_ts
from spikeformers.data.samples import ArraySamples, Samples, Splits

SITE = "https://timeseriesclassification.com/aeon-toolkit"


@DATASETS.register(
    "ucr_uea",
    variants={
        "japanese_vowels": {"problem": "JapaneseVowels"},
        "gun_point": {"problem": "GunPoint"},
        "italy_power_demand": {"problem": "ItalyPowerDemand"},
    },
    source="Dau et al., IEEE/CAA JAS 6(6), 2019 (UCR); Bagnall et al., arXiv:1811.00075 (UEA)",
)
@dataclass(frozen=True, kw_only=True)
class UCRUEAConfig(DataConfig):
    """One classification problem of the UCR and UEA archives as standardized steps [T, channels]."""

    problem: str = "BasicMotions"
    """Name of the problem, as in its file names; the archives are listed on timeseriesclassification.com."""
    length: int | None = None
    """Time steps T; longer series are cut, shorter ones padded with zeros. None takes the longest series."""
    missing: Literal["refuse", "interpolate"] = "refuse"
    """What to do with missing values: an error, or a straight line between their neighbors."""
    val_fraction: float = 0.2
    """Share of the official training part that is the validation part."""
    split_seed: int = 0
    """Seed of the validation split."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not re.fullmatch(r"[A-Za-z0-9_-]+", self.problem):
            raise ConfigError(f"problem={self.problem!r} is no name of a problem, such as BasicMotions or GunPoint")
        if self.length is not None and self.length < 1:
            raise ConfigError(f"length={self.length} must be at least 1")

    @property
    def info(self) -> DatasetInfo:
        """The card. Classes, sizes and shape stand in the files; as long as these are not found they are empty."""
        folder = self.find(*self._files, inside=(self.problem,))
        train, test = [_parsed(folder / name) for name in self._files] if folder is not None else (None, None)
        channels = train.channels if train else 0
        length = self.length or (max(train.longest, test.longest) if train and test else 0)
        return DatasetInfo(
            title=f"UCR/UEA {self.problem}",
            classes=train.classes if train else (),
            shape=(length, channels),
            mean=(0.0,) * channels,
            std=(1.0,) * channels,
            license="stated by the donor of each problem, on its page of timeseriesclassification.com",
            source="UCR and UEA archives, timeseriesclassification.com; the header of the files names the donors",
            sizes={"train": len(train.cases), "test": len(test.cases)} if train and test else {},
            split="official train and test files; validation is cut from train with split_seed, every class in equal measure",
            layout=f"{self.problem}_TRAIN.ts and {self.problem}_TEST.ts (or both in a folder {self.problem})",
            files=(RemoteFile(f"{self.problem}.zip", f"{SITE}/{self.problem}.zip", unpack=True),),
            hint="BasicMotions, JapaneseVowels, GunPoint, ItalyPowerDemand and a few more lie inside the package aeon: "
            "pip install --no-deps aeon, then point root to its folder datasets/data.",
            mirror=False,
            unit_range=False,
        )

    @property
    def _files(self) -> tuple[str, str]:
        return f"{self.problem}_TRAIN.ts", f"{self.problem}_TEST.ts"

    def read(self) -> Splits:
        folder = self.locate(*self._files, inside=(self.problem,))
        train, test = (_parsed(folder / name) for name in self._files)
        paths = [folder / name for name in self._files]
        if not train.classes:
            raise DataError(
                f"{paths[0]}: has no classes (@classLabel); problems of regression or clustering are not read"
            )
        if test.classes != train.classes or test.channels != train.channels:
            raise DataError(
                f"{paths[1]} has {test.channels} channels and classes {' '.join(test.classes)}, but {paths[0].name} "
                f"{train.channels} and {' '.join(train.classes)}; they do not belong together"
            )
        whole = self._samples(train, paths[0])
        kept, val = carve_validation(whole, self.val_fraction, self.split_seed)
        return Splits(train=kept, val=val, test=self._samples(test, paths[1]))

    def _samples(self, series: SeriesFile, path: Path) -> Samples:
        length, channels = self.info.shape
        mean, std = self._statistics(_parsed(path.with_name(self._files[0])))
        table = torch.zeros(len(series.cases), length, channels)
        for number, case in enumerate(series.cases):
            filled = self._filled(case, f"{path} case {number}")
            steps = (filled[:, :length] - mean) / std
            table[number, : steps.shape[1]] = torch.from_numpy(steps.T)
        return ArraySamples(table, torch.from_numpy(series.labels), path.name)

    def _statistics(self, train: SeriesFile) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation [channels, 1] of the known values of the official training part."""
        values = np.concatenate(train.cases, axis=1)
        mean, std = np.nanmean(values, axis=1, keepdims=True), np.nanstd(values, axis=1, keepdims=True)
        return mean, np.where(std > 0, std, 1.0)

    def _filled(self, case: np.ndarray, origin: str) -> np.ndarray:
        gaps = np.isnan(case)
        if not gaps.any():
            return case
        if self.missing == "refuse":
            channel, step = (int(place[0]) for place in np.nonzero(gaps))
            raise DataError(
                f"{origin}: the value of channel {channel} at step {step} is missing; set missing='interpolate' to fill it"
            )
        out = case.copy()
        steps = np.arange(case.shape[1])
        for row, gap in zip(out, gaps, strict=True):
            if gap.all():
                raise DataError(f"{origin}: a channel has no values at all")
            row[gap] = np.interp(steps[gap], steps[~gap], row[~gap])
        return out

    def fake(self, n: int, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(0)
        for name in self._files:
            cases = [rng.standard_normal((2, 10 + i % 3)) for i in range(n)]
            write_ts(root / name, self.problem, cases, [("rest", "walk", "run")[i % 3] for i in range(n)])


def _parsed(path: Path) -> SeriesFile:
    state = path.stat()
    return _parsed_once(path, state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=4)
def _parsed_once(path: Path, changed: int, size: int) -> SeriesFile:
    return read_ts(path)
