"""Handwritten digits: 1,797 real 8×8 scans that ship inside scikit-learn."""

import csv
import gzip
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data.base import DATASETS, DataConfig, DatasetInfo, check_labels
from spikeformers.data.samples import ArraySamples, Splits, Subset, stratified

FILE = "digits.csv.gz"
SIDE, LEVELS = 8, 16
PIXELS = SIDE * SIDE

INFO = DatasetInfo(
    title="Digits (8×8)",
    classes=tuple("0123456789"),
    shape=(1, 8, 8),
    mean=(0.3053,),
    std=(0.3760,),
    license="CC BY 4.0 (UCI Machine Learning Repository)",
    source="E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits (its test part), as shipped by scikit-learn",
    sizes={"all": 1797},
    split="none official; drawn with split_seed, every class in equal measure: 20 % test, 10 % validation, 70 % train",
    layout=f"{FILE}: one scan a line, 64 comma-separated pixels 0 … 16 by rows, then the digit (scikit-learn's own file)",
    hint="It ships inside scikit-learn, which spikeformers requires: leave root unset.",
    mirror=False,
)


@DATASETS.register("digits", source="Alpaydin & Kaynak 1998, UCI; scikit-learn/scikit-learn")
@dataclass(frozen=True, kw_only=True)
class DigitsConfig(DataConfig):
    """Handwritten digits, 1,797 real 8×8 scans inside scikit-learn: nothing to fetch."""

    size: int = 8
    """Height and width, a multiple of 8; above 8 the scans are enlarged, bilinear (the card's mean is that of the scans)."""
    test_fraction: float = 0.2
    """Share of all samples that is the test part."""
    val_fraction: float = 0.1
    """Share of all samples that is the validation part."""
    split_seed: int = 0
    """Seed of the split."""

    def __post_init__(self) -> None:
        if self.size < SIDE or self.size % SIDE:
            below = max(SIDE, self.size // SIDE * SIDE)
            raise ConfigError(
                f"size={self.size} is not a multiple of {SIDE}, the side of the scans; nearest valid: {below}, {below + SIDE}"
            )
        super().__post_init__()
        if min(self.test_fraction, self.val_fraction) <= 0 or self.test_fraction + self.val_fraction >= 1:
            raise ConfigError(
                f"test_fraction={self.test_fraction} and val_fraction={self.val_fraction} must be above 0 "
                "and leave something to train on"
            )

    @property
    def info(self) -> DatasetInfo:
        if self.size == SIDE:
            return INFO
        return replace(INFO, title=f"Digits (8×8, shown as {self.size}×{self.size})", shape=(1, self.size, self.size))

    def read(self) -> Splits:
        pixels, labels = self._table()
        samples = ArraySamples(self._enlarged(pixels.view(-1, 1, SIDE, SIDE)), labels, "digits", scale=LEVELS)
        test, val, train = stratified(labels, (self.test_fraction, self.val_fraction), self.split_seed)
        return Splits(train=Subset(samples, train), val=Subset(samples, val), test=Subset(samples, test))

    def _enlarged(self, scans: torch.Tensor) -> torch.Tensor:
        if self.size == SIDE:
            return scans
        # Not nearest: squares of equal pixels would line up with patches, but for augmented samples, so only in tests.
        return F.interpolate(scans.float(), (self.size, self.size), mode="bilinear", align_corners=False)

    def _table(self) -> tuple[torch.Tensor, torch.Tensor]:
        if self.root is None:
            from sklearn.datasets import load_digits

            found = load_digits()
            return torch.from_numpy(found.data.astype(np.uint8)), torch.from_numpy(found.target.astype(np.int64))
        path = self.locate(FILE) / FILE
        try:
            with gzip.open(path, "rt", encoding="ascii", newline="") as lines:
                table = np.array([[float(cell) for cell in row] for row in csv.reader(lines)])
        except (ValueError, EOFError, gzip.BadGzipFile) as error:
            raise DataError(f"{path}: not a gzip-compressed table of numbers: {error}") from None
        if (
            table.ndim != 2
            or table.shape[1] != PIXELS + 1
            or not ((table[:, :-1] >= 0) & (table[:, :-1] <= LEVELS)).all()
        ):
            raise DataError(
                f"{path}: every line must hold 64 pixels 0 … 16 and a digit; got a table of shape {table.shape}"
            )
        labels = table[:, -1].astype(np.int64)
        check_labels(labels, len(INFO.classes), str(path))
        return torch.from_numpy(table[:, :-1].astype(np.uint8)), torch.from_numpy(labels)

    def fake(self, n: int, root: Path) -> None:
        rng = np.random.default_rng(0)
        table = np.hstack([rng.integers(0, LEVELS + 1, (n, PIXELS)), np.arange(n)[:, None] % 10])
        text = "".join(",".join(map(str, row)) + "\n" for row in table)
        root.mkdir(parents=True, exist_ok=True)
        (root / FILE).write_bytes(gzip.compress(text.encode("ascii"), mtime=0))
