"""DailyDVS-200: 200 daily actions by 47 people before a DVXplorer Lite, 320×240."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from spikeformers.data.base import DATASETS, DatasetInfo
from spikeformers.data.events.aedat4 import write_aedat4
from spikeformers.data.events.dataset import EventDataConfig, Listing, refuse_shared
from spikeformers.data.events.fake import fake_events
from spikeformers.data.events.readers import aedat
from spikeformers.data.samples import Splits

CLASSES = tuple(f"action_{label}" for label in range(200))
LISTS = ("train.txt", "val.txt", "test.txt")
LAYOUT = (
    "train.txt, val.txt, test.txt: lines of relative path and action (0 … 199)\n"
    "the recordings they name, such as event_raw/11_11/3/C0P3M0S1_20231111_09_11_23.aedat4"
)


@DATASETS.register("daily_dvs_200", source="Wang et al., ECCV 2024, arXiv:2407.05106")
@dataclass(frozen=True, kw_only=True)
class DailyDVS200Config(EventDataConfig):
    """DailyDVS-200: 22,046 event recordings of 200 daily actions."""

    sensor: ClassVar[tuple[int, int]] = (240, 320)

    @property
    def info(self) -> DatasetInfo:
        shape = self.view.shape
        return DatasetInfo(
            title="DailyDVS-200",
            classes=CLASSES,
            shape=shape,
            mean=(0.0,) * shape[1],
            std=(1.0,) * shape[1],
            license="MIT",
            source="Q. Wang et al.: DailyDVS-200, ECCV 2024; QiWang233/DailyDVS-200",
            sizes={"all": 22046},
            split="official lists of train, validation and test by person; as the authors print them, persons 4 and 45 stand "
            "in two parts: lists that share a recording are refused",
            layout=LAYOUT,
            hint="Get it as https://github.com/QiWang233/DailyDVS-200 says.",
            mirror=False,
            unit_range=False,
        )

    def read(self) -> Splits:
        folder = self.locate(*LISTS)
        listed = {name: Listing(len(CLASSES)).read(folder / name) for name in LISTS}
        refuse_shared(listed, folder)
        train, val, test = (self.recordings(items, aedat.read) for items in listed.values())
        return Splits(train=train, val=val, test=test)

    def fake(self, n: int, root: Path) -> None:
        lines: dict[str, list[str]] = {name: [] for name in LISTS}
        made = [write_aedat4(fake_events(i, *self.sensor), *self.sensor) for i in range(4)]
        for i in range(n):
            person, action = (0, 3, 7)[i % 3], i % len(CLASSES)
            path = Path("event_raw", "11_11", str(person), f"C{action}P{person}M0S1_20231111_{i:06}.aedat4")
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(made[i % 4])
            lines[LISTS[i % 3]].append(f"{path.as_posix()} {action}\n")
        for name, text in lines.items():
            (root / name).write_text("".join(text))
