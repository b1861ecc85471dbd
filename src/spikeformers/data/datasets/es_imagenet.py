"""ES-ImageNet: ImageNet pictures turned into events by software (ODG), 8 time steps."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from spikeformers.data.base import DATASETS, DatasetInfo, carve_validation
from spikeformers.data.events.dataset import EventDataConfig, Listing, class_files
from spikeformers.data.events.fake import fake_events
from spikeformers.data.events.readers import numpy_archive
from spikeformers.data.events.representation import Frames, RepresentationConfig
from spikeformers.data.samples import Splits

FOLDER = "ES-imagenet-0.18"
CLASSES = tuple(f"class{label}" for label in range(1000))
LIST = "vallabel.txt"
LAYOUT = (
    "train/class0 … train/class999, each with NAME.npz (arrays pos and neg, rows of y, x, t)\n"
    f"val/NAME.npz and {LIST} (lines of NAME.npz and class number)"
)


@DATASETS.register("es_imagenet", source="Lin et al., Frontiers in Neuroscience 15:726582, 2021")
@dataclass(frozen=True, kw_only=True)
class ESImageNetConfig(EventDataConfig):
    """ES-ImageNet: 1.3 million event streams made from ImageNet pictures."""

    sensor: ClassVar[tuple[int, int]] = (256, 256)

    representation: RepresentationConfig = Frames(steps=8)
    """How a recording becomes a tensor [T, P, H, W]."""
    size: int = 224
    """Side of the square that the recording is scaled to, in pixels."""
    val_fraction: float = 0.02
    """Share of the official training part that choices are made on."""
    split_seed: int = 0
    """Seed of that split."""

    @property
    def info(self) -> DatasetInfo:
        shape = self.view.shape
        return DatasetInfo(
            title="ES-ImageNet",
            classes=CLASSES,
            shape=shape,
            mean=(0.0,) * shape[1],
            std=(1.0,) * shape[1],
            license="for research, terms in the repository",
            source="Y. Lin, W. Ding, S. Qiang, L. Deng, G. Li, Frontiers in Neuroscience 15:726582, 2021",
            sizes={"train": 1257035, "test": 49881},
            split="official train; the official val is the test part; validation is cut from train with split_seed. "
            "Classes numbered from 0, 256×256 pixels and arrays as SpikingJelly reads them; not tried on the files",
            layout=LAYOUT,
            hint="Get ES-imagenet-0.18.part01.rar … part25.rar from https://cloud.tsinghua.edu.cn/d/94873ab4ec2a4eb497b3 "
            "(see lyh983012/ES-imagenet-master) and unpack them.",
            unit_range=False,
        )

    def read(self) -> Splits:
        folder = self.locate("train", LIST, inside=(FOLDER,))
        labels = {name: label for label, name in enumerate(CLASSES)}
        train = self.recordings(class_files(folder / "train", labels, ".npz", LAYOUT), numpy_archive.read)
        kept, val = carve_validation(train, self.val_fraction, self.split_seed)
        listed = Listing(len(CLASSES), inside="val").read(folder / LIST)
        return Splits(train=kept, val=val, test=self.recordings(listed, numpy_archive.read))

    def fake(self, n: int, root: Path) -> None:
        (root / "val").mkdir(parents=True, exist_ok=True)
        made = [_signed(fake_events(i, 224, 224, duration_us=8)) for i in range(4)]
        for i in range(n):
            folder = root / "train" / CLASSES[i % len(CLASSES)]
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"n{i:08}.npz").write_bytes(made[i % 4])
        names = [f"ILSVRC2012_val_{i + 1:08}.npz" for i in range(max(n // 100, 20))]
        for i, name in enumerate(names):
            (root / "val" / name).write_bytes(made[i % 4])
        (root / LIST).write_text("".join(f"{name} {i % len(CLASSES)}\n" for i, name in enumerate(names)))


def _signed(events: np.ndarray) -> bytes:
    """A NumPy archive in the layout of this dataset."""
    rows = np.stack([events["y"], events["x"], events["t"] + 1], 1).astype(np.uint8)
    return numpy_archive.packed({"pos": rows[events["p"] == 1], "neg": rows[events["p"] == 0]})
