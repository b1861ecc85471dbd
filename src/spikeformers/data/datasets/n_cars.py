"""N-Cars: cars and background cut out of street recordings of an ATIS camera, up to 120×100, 100 ms."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from spikeformers.data.base import DATASETS, DatasetInfo, carve_validation
from spikeformers.data.events.dataset import EventDataConfig, class_files
from spikeformers.data.events.fake import fake_events
from spikeformers.data.events.files import EventFiles
from spikeformers.data.events.readers import prophesee_dat
from spikeformers.data.samples import Splits

FOLDER = "Prophesee_Dataset_n_cars"
PARTS = ("n-cars_train", "n-cars_test")
CLASSES = ("background", "cars")
LAYOUT = f"{PARTS[0]} and {PARTS[1]}, each with cars/obj_NNNNNN_td.dat and background/obj_NNNNNN_td.dat"


@DATASETS.register("n_cars", source="Sironi et al., CVPR 2018 (HATS)")
@dataclass(frozen=True, kw_only=True)
class NCarsConfig(EventDataConfig):
    """N-Cars: 24,029 event recordings of cars and of background."""

    sensor: ClassVar[tuple[int, int]] = (100, 120)

    size: int = 64
    """Side of the square that the recording is scaled to, in pixels; the longer side fills it."""
    val_fraction: float = 0.1
    """Share of the official training part that is the validation part."""
    split_seed: int = 0
    """Seed of the validation split."""

    @property
    def info(self) -> DatasetInfo:
        shape = self.view.shape
        return DatasetInfo(
            title="N-Cars",
            classes=CLASSES,
            shape=shape,
            mean=(0.0,) * shape[1],
            std=(1.0,) * shape[1],
            license="for research, terms on the download page",
            source="A. Sironi, M. Brambilla, N. Bourdis, X. Lagorce, R. Benosman, CVPR 2018",
            sizes={"train": 15422, "test": 8607},
            split="official train and test; validation is cut from train with split_seed, every class in equal measure",
            layout=LAYOUT,
            hint="Get Prophesee_Dataset_n_cars.zip (md5 553ce464d6e5e617b3c21ce27c19368e) from "
            "https://www.prophesee.ai/dataset-n-cars and unpack it and the two archives in it.",
            unit_range=False,
        )

    def read(self) -> Splits:
        folder = self.locate(*PARTS, inside=(FOLDER,))
        kept, val = carve_validation(self._part(folder / PARTS[0], "train"), self.val_fraction, self.split_seed)
        return Splits(train=kept, val=val, test=self._part(folder / PARTS[1], "test"))

    def _part(self, folder: Path, inner: str) -> EventFiles:
        if (folder / inner).is_dir():  # some archives keep one more level
            folder = folder / inner
        labels = {name: label for label, name in enumerate(CLASSES)}
        return self.recordings(class_files(folder, labels, "_td.dat", LAYOUT), prophesee_dat.read)

    def fake(self, n: int, root: Path) -> None:
        for part in PARTS:
            for i in range(n):
                folder = root / part / CLASSES[i % 2]
                folder.mkdir(parents=True, exist_ok=True)
                events = fake_events(i, *self.sensor, duration_us=100_000)
                prophesee_dat.write(folder / f"obj_{i:06}_td.dat", events)
