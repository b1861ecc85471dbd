"""CIFAR10-DVS: 10,000 CIFAR images moved in front of a DVS128, 128×128."""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data.base import DATASETS, DataConfig, DatasetInfo, data_folder
from spikeformers.data.datasets.cifar import CIFAR10
from spikeformers.data.events.array import Recording
from spikeformers.data.events.files import EventFile, EventFiles, EventView
from spikeformers.data.events.readers.aedat import read_aedat2
from spikeformers.data.events.representation import Frames, RepresentationConfig
from spikeformers.data.samples import Samples, Splits, Subset, stratified

SIDE = 128
LAYOUT = "airplane/ … truck/ (the ten classes), each with cifar10_CLASS_N.aedat (AEDAT 2.0), 1,000 a class"


@DATASETS.register("cifar10_dvs", source="Li et al., Frontiers in Neuroscience 11:309, 2017")
@dataclass(frozen=True, kw_only=True)
class CIFAR10DVSConfig(DataConfig):
    """CIFAR10-DVS: 10,000 event recordings of CIFAR-10 images moved before a DVS128 camera."""

    representation: RepresentationConfig = Frames(steps=10, by="count")
    """How a recording becomes a tensor [T, P, H, W]."""
    size: int = SIDE
    """Side of the square that the 128×128 pixels are scaled to."""
    test_fraction: float = 0.1
    """Share of all samples that is the test part (there is no official one)."""
    val_fraction: float = 0.1
    """Share of all samples that is the validation part."""
    split_seed: int = 0
    """Seed of the split."""
    cache: bool = False
    """Keep finished tensors in the data folder instead of making them from events each time."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size < 1:
            raise ConfigError(f"size={self.size} must be at least 1 pixel")
        if min(self.test_fraction, self.val_fraction) <= 0 or self.test_fraction + self.val_fraction >= 1:
            raise ConfigError(
                f"test_fraction={self.test_fraction} and val_fraction={self.val_fraction} must be above 0 "
                "and leave something to train on"
            )

    @property
    def info(self) -> DatasetInfo:
        shape = self._view().shape
        return DatasetInfo(
            title="CIFAR10-DVS",
            classes=CIFAR10.classes,
            shape=shape,
            mean=(0.0,) * shape[1],
            std=(1.0,) * shape[1],
            license="CC BY 4.0 (figshare)",
            source="H. Li, H. Liu, X. Ji, G. Li, L. Shi, Frontiers in Neuroscience 11:309, 2017",
            sizes={"all": 10000},
            split="none official, and published splits differ; drawn with split_seed, every class in equal measure: "
            "10 % test, 10 % validation",
            layout=LAYOUT,
            hint="Get the ten class archives from https://figshare.com/articles/dataset/CIFAR10-DVS_New/4724671 and unpack them.",
            unit_range=False,
        )

    def _view(self) -> EventView:
        return EventView(SIDE, SIDE, self.size, self.representation)

    def read(self) -> Splits:
        classes = self.info.classes
        folder = self.locate(*classes)
        items = [EventFile(p, k) for k, name in enumerate(classes) for p in sorted((folder / name).glob("*.aedat"))]
        empty = [name for k, name in enumerate(classes) if all(item.label != k for item in items)]
        if empty:
            raise DataError(f"{folder} holds no recordings of {', '.join(empty)}; it must look like:\n{LAYOUT}")
        cache = data_folder() / "cache" / self.family if self.cache else None
        whole: Samples = EventFiles(items, _read, self._view(), cache)
        labels = torch.tensor([item.label for item in items])
        test, val, train = stratified(labels, (self.test_fraction, self.val_fraction), self.split_seed)
        return Splits(train=Subset(whole, train), val=Subset(whole, val), test=Subset(whole, test))

    def fake(self, n: int, root: Path) -> None:
        rng = np.random.default_rng(0)
        for i in range(n):
            name = CIFAR10.classes[i % 10]
            (root / name).mkdir(parents=True, exist_ok=True)
            words = np.stack([rng.integers(0, 1 << 15, 60), np.sort(rng.integers(0, 10**6, 60))], 1).astype(np.uint32)
            body = struct.pack(">120I", *words.ravel().tolist())
            (root / name / f"cifar10_{name}_{i // 10}.aedat").write_bytes(b"#!AER-DAT2.0\r\n# made up\r\n" + body)


def _read(path: Path) -> Recording:
    return read_aedat2(path, "dvs128")
