"""ASL-DVS: 24 letters of the American Sign Language by 5 people before a DAVIS240, 240×180, about 100 ms."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from spikeformers.data.base import DATASETS, DatasetInfo
from spikeformers.data.events.dataset import WIDE, DrawnSplitConfig, class_files
from spikeformers.data.events.fake import fake_events
from spikeformers.data.events.readers import matlab
from spikeformers.data.samples import Splits

FOLDER = "ICCV2019_DVS_dataset"
CLASSES = tuple("abcdefghiklmnopqrstuvwxy")
LAYOUT = "a/ … y/ (24 letters, without j and z), each with NAME.mat (columns ts, x, y, pol), 4,200 a letter"


@DATASETS.register("asl_dvs", source="Bi et al., ICCV 2019")
@dataclass(frozen=True, kw_only=True)
class ASLDVSConfig(DrawnSplitConfig):
    """ASL-DVS: 100,800 event recordings of hands that sign letters."""

    sensor: ClassVar[tuple[int, int]] = WIDE

    test_fraction: float = 0.2
    """Share of all samples that is the test part."""

    @property
    def info(self) -> DatasetInfo:
        shape = self.view.shape
        return DatasetInfo(
            title="ASL-DVS",
            classes=CLASSES,
            shape=shape,
            mean=(0.0,) * shape[1],
            std=(1.0,) * shape[1],
            license="for research, terms in the repository",
            source="Y. Bi, A. Chadha, A. Abbas, E. Bourtsoulatze, Y. Andreopoulos, ICCV 2019; PIX2NVS/NVS2Graph",
            sizes={"all": 100800},
            split=f"none official; {self.drawn}, every class in equal measure. The files do not say who signs, so the same "
            "people are in all parts",
            layout=LAYOUT,
            hint="Get ICCV2019_DVS_dataset.zip as https://github.com/PIX2NVS/NVS2Graph says, unpack it and the archives in it.",
            mirror=False,
            unit_range=False,
        )

    def read(self) -> Splits:
        folder = self.locate(*CLASSES, inside=(FOLDER,))
        labels = {name: label for label, name in enumerate(CLASSES)}
        return self.parts(self.recordings(class_files(folder, labels, ".mat", LAYOUT), matlab.read_upright))

    def fake(self, n: int, root: Path) -> None:
        for i in range(n):
            folder = root / CLASSES[i % len(CLASSES)]
            folder.mkdir(parents=True, exist_ok=True)
            matlab.write(folder / f"{folder.name}_{i // len(CLASSES) + 1:04}.mat", fake_events(i, *self.sensor))
