"""SL-Animals-DVS: 19 animals in Spanish Sign Language by 59 people before a DVS128, 128×128, one recording a person."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from spikeformers.core.errors import DataError
from spikeformers.data.base import DATASETS, DatasetInfo
from spikeformers.data.events.dataset import DrawnSplitConfig
from spikeformers.data.events.fake import fake_events
from spikeformers.data.events.files import EventFile
from spikeformers.data.events.readers import aedat
from spikeformers.data.events.representation import Frames, RepresentationConfig
from spikeformers.data.samples import Splits

SIDE = 128
RECORDINGS, TAGS = "allusers_aedat", "tags_updated_19_08_2020"
COLUMNS = ("class", "startTime_ev", "endTime_ev")
CLASSES = tuple(f"sign_{number}" for number in range(1, 20))
LAYOUT = (
    f"{RECORDINGS}/userNN_SESSION.aedat (sessions imse, indoor, sunlight, dc)\n"
    f"{TAGS}/userNN_SESSION.csv: {','.join(COLUMNS)} (class 1 … 19, first and last event number)"
)


@DATASETS.register("sl_animals_dvs", source="Vasudevan et al., Pattern Analysis and Applications 25, 2022")
@dataclass(frozen=True, kw_only=True)
class SLAnimalsDVSConfig(DrawnSplitConfig):
    """SL-Animals-DVS: 1,121 signs cut out of 59 event recordings."""

    sensor: ClassVar[tuple[int, int]] = (SIDE, SIDE)

    representation: RepresentationConfig = Frames(steps=16, by="count")
    """How a recording becomes a tensor [T, P, H, W]."""
    test_fraction: float = 0.2
    """Share of all samples that is the test part."""
    cache: bool = True
    """Keep finished tensors in the data folder; the recordings are long and slow to read again."""

    @property
    def info(self) -> DatasetInfo:
        shape = self.view.shape
        return DatasetInfo(
            title="SL-Animals-DVS",
            classes=CLASSES,
            shape=shape,
            mean=(0.0,) * shape[1],
            std=(1.0,) * shape[1],
            license="for research, terms on the download page",
            source="A. Vasudevan, P. Negri, C. Di Ielsi, B. Linares-Barranco, T. Serrano-Gotarredona, PAA 25, 2022",
            sizes={"all": 1121},
            split=f"none official; {self.drawn}, no person is in two parts. The column names of the tags and the meaning of "
            "their numbers are those that other readers use; not tried on the files",
            layout=LAYOUT,
            hint="Get it from http://www2.imse-cnm.csic.es/neuromorphs/index.php/SL-ANIMALS-DVS-Database and unpack it.",
            mirror=False,
            unit_range=False,
        )

    def read(self) -> Splits:
        folder = self.locate(RECORDINGS, TAGS)
        paths = sorted((folder / RECORDINGS).glob("*.aedat"))
        untagged = [path.name for path in paths if not _tags(path).exists()]
        if untagged or not paths:
            raise DataError(
                f"{folder}: {len(paths)} recordings, {len(untagged)} without tags; it must look like:\n{LAYOUT}"
            )
        items = [item for path in paths for item in _signs(path)]
        return self.parts(self.recordings(items, aedat.read), [item.path.stem.split("_")[0] for item in items])

    def fake(self, n: int, root: Path) -> None:
        for name in (RECORDINGS, TAGS):
            (root / name).mkdir(parents=True, exist_ok=True)
        for person in range(max(10, -(-n // 19))):
            name = f"user{person + 1:02}_{('imse', 'indoor', 'sunlight', 'dc')[person % 4]}"
            aedat.write_dvs128(root / RECORDINGS / f"{name}.aedat", fake_events(person, SIDE, SIDE, 190))
            rows = [",".join(COLUMNS), *[f"{k + 1},{k * 10},{(k + 1) * 10}" for k in range(19)]]
            (root / TAGS / f"{name}.csv").write_text("\n".join(rows) + "\n")


def _tags(path: Path) -> Path:
    return path.parent.parent / TAGS / f"{path.stem}.csv"


def _signs(path: Path) -> list[EventFile]:
    tags, items = _tags(path), []
    with tags.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines)
        if not set(COLUMNS) <= set(rows.fieldnames or ()):
            raise DataError(f"{tags}: the first line must be {','.join(COLUMNS)}; it is {rows.fieldnames}")
        for number, row in enumerate(rows, start=2):
            try:
                label, start, stop = (int(row[name]) for name in COLUMNS)
            except (TypeError, ValueError):
                raise DataError(f"{tags} line {number}: three whole numbers are needed") from None
            if not 1 <= label <= len(CLASSES) or not 0 <= start < stop:
                raise DataError(f"{tags} line {number}: class {label} from event {start} to {stop} is not possible")
            items.append(EventFile(path, label - 1, start, stop, counted=True))
    return items
