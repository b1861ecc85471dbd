"""HARDVS: 300 daily actions before a DAVIS346, 346×260, about 5 s."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from spikeformers.data.base import DATASETS, DatasetInfo
from spikeformers.data.events.dataset import EventDataConfig, Listing, refuse_shared
from spikeformers.data.events.fake import fake_events
from spikeformers.data.events.readers import numpy_archive
from spikeformers.data.samples import Splits

CLASSES = tuple(f"action_{number:03}" for number in range(1, 301))
PARTS = ("train", "val", "test")
LAYOUT = (
    "action_001 … action_300, each with dvSave-DATE.npz (arrays t, x, y, p)\n"
    "train_label.txt, val_label.txt, test_label.txt: lines of action_NNN/dvSave-DATE and label"
)


@DATASETS.register("har_dvs", source="Wang et al., AAAI 2024, arXiv:2211.09648")
@dataclass(frozen=True, kw_only=True)
class HARDVSConfig(EventDataConfig):
    """HARDVS (the compact event files, MINI_HARDVS_files): 107,646 recordings of 300 human actions."""

    sensor: ClassVar[tuple[int, int]] = (260, 346)

    @property
    def info(self) -> DatasetInfo:
        shape = self.view.shape
        return DatasetInfo(
            title="HARDVS",
            classes=CLASSES,
            shape=shape,
            mean=(0.0,) * shape[1],
            std=(1.0,) * shape[1],
            license="for research, terms in the repository",
            source="X. Wang, Z. Wu, B. Jiang, Z. Bao, L. Zhu, G. Li, Y. Wang, Y. Tian, AAAI 2024; Event-AHU/HARDVS",
            sizes={"all": 107646},
            split="official lists of train, validation and test; the class is the number of the folder",
            layout=LAYOUT,
            hint="Get MINI_HARDVS_files.zip (md5 9c4cc0d9ba043faa17f6f1a9e9aff982) and the three lists from "
            "https://github.com/Event-AHU/HARDVS and unpack the archives of the actions.",
            mirror=False,
            unit_range=False,
        )

    def read(self) -> Splits:
        names = [f"{part}_label.txt" for part in PARTS]
        folder = self.locate(*names, inside=("MINI_HARDVS_files",))
        labels = {name: label for label, name in enumerate(CLASSES)}
        listing = Listing(len(CLASSES), ending=".npz", labels=labels)
        listed = {name: listing.read(folder / name) for name in names}
        refuse_shared(listed, folder)
        train, val, test = (self.recordings(items, numpy_archive.read) for items in listed.values())
        return Splits(train=train, val=val, test=test)

    def fake(self, n: int, root: Path) -> None:
        made = []
        for i in range(4):
            events = fake_events(i, *self.sensor)
            made.append(numpy_archive.packed({name: events[name] for name in "txyp"}))
        lines: dict[str, list[str]] = {part: [] for part in PARTS}
        for i in range(n):
            name = CLASSES[i % len(CLASSES)]
            (root / name).mkdir(parents=True, exist_ok=True)
            (root / name / f"dvSave-{i}.npz").write_bytes(made[i % 4])
            turn = i // len(CLASSES) if n >= 3 * len(CLASSES) else i  # every class in every part, if there are enough
            lines[PARTS[turn % 3]].append(f"{name}/dvSave-{i} {i % len(CLASSES)}\n")
        for part, text in lines.items():
            (root / f"{part}_label.txt").write_text("".join(text))
