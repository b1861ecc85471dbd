"""CIFAR10-DVS: 10,000 CIFAR images moved in front of a DVS128, 128×128."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from spikeformers.data.base import DATASETS, DatasetInfo
from spikeformers.data.datasets.cifar import CIFAR10
from spikeformers.data.events.array import Recording
from spikeformers.data.events.dataset import DrawnSplitConfig, class_files
from spikeformers.data.events.fake import fake_events
from spikeformers.data.events.readers import aedat
from spikeformers.data.events.representation import Frames, RepresentationConfig
from spikeformers.data.samples import Splits

SIDE = 128
LAYOUT = "airplane/ … truck/ (the ten classes), each with cifar10_CLASS_N.aedat (AEDAT 2.0), 1,000 a class"


@DATASETS.register("cifar10_dvs", source="Li et al., Frontiers in Neuroscience 11:309, 2017")
@dataclass(frozen=True, kw_only=True)
class CIFAR10DVSConfig(DrawnSplitConfig):
    """CIFAR10-DVS: 10,000 event recordings of CIFAR-10 images moved before a DVS128 camera."""

    sensor: ClassVar[tuple[int, int]] = (SIDE, SIDE)

    representation: RepresentationConfig = Frames(steps=10, by="count")
    """How a recording becomes a tensor [T, P, H, W]."""

    @property
    def info(self) -> DatasetInfo:
        shape = self.view.shape
        return DatasetInfo(
            title="CIFAR10-DVS",
            classes=CIFAR10.classes,
            shape=shape,
            mean=(0.0,) * shape[1],
            std=(1.0,) * shape[1],
            license="CC BY 4.0 (figshare)",
            source="H. Li, H. Liu, X. Ji, G. Li, L. Shi, Frontiers in Neuroscience 11:309, 2017",
            sizes={"all": 10000},
            split=f"none official, and published splits differ; {self.drawn}, every class in equal measure",
            layout=LAYOUT,
            hint="Get the ten class archives from https://figshare.com/articles/dataset/CIFAR10-DVS_New/4724671 and unpack them.",
            unit_range=False,
        )

    def read(self) -> Splits:
        classes = self.info.classes
        items = class_files(self.locate(*classes), {name: k for k, name in enumerate(classes)}, ".aedat", LAYOUT)
        return self.parts(self.recordings(items, _read))

    def fake(self, n: int, root: Path) -> None:
        for i in range(n):
            name = CIFAR10.classes[i % 10]
            (root / name).mkdir(parents=True, exist_ok=True)
            aedat.write_dvs128(root / name / f"cifar10_{name}_{i // 10}.aedat", fake_events(i, SIDE, SIDE, 60, 10**6))


def _read(path: Path) -> Recording:
    return aedat.read_aedat2(path, "dvs128")
