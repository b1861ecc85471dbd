"""N-Caltech101: Caltech-101 pictures shown to a moving ATIS camera, up to 240×180, three saccades in 300 ms."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from spikeformers.data.base import DATASETS, DatasetInfo
from spikeformers.data.events.dataset import WIDE, DrawnSplitConfig, class_files
from spikeformers.data.events.fake import fake_events
from spikeformers.data.events.readers import nmnist
from spikeformers.data.samples import Splits

FOLDER = "Caltech101"
_NAMES = """
    BACKGROUND_Google Faces_easy Leopards Motorbikes accordion airplanes anchor ant barrel bass beaver binocular bonsai
    brain brontosaurus buddha butterfly camera cannon car_side ceiling_fan cellphone chair chandelier cougar_body cougar_face
    crab crayfish crocodile crocodile_head cup dalmatian dollar_bill dolphin dragonfly electric_guitar elephant emu euphonium
    ewer ferry flamingo flamingo_head garfield gerenuk gramophone grand_piano hawksbill headphone hedgehog helicopter ibis
    inline_skate joshua_tree kangaroo ketch lamp laptop llama lobster lotus mandolin mayfly menorah metronome minaret nautilus
    octopus okapi pagoda panda pigeon pizza platypus pyramid revolver rhino rooster saxophone schooner scissors scorpion
    sea_horse snoopy soccer_ball stapler starfish stegosaurus stop_sign strawberry sunflower tick trilobite umbrella watch
    water_lilly wheelchair wild_cat windsor_chair wrench yin_yang
"""
CLASSES = tuple(_NAMES.split())
LAYOUT = f"{FOLDER}/CLASS/image_NNNN.bin for the 101 class folders of the archive (BACKGROUND_Google … yin_yang)"


@DATASETS.register("n_caltech101", source="Orchard et al., Frontiers in Neuroscience 9:437, 2015")
@dataclass(frozen=True, kw_only=True)
class NCaltech101Config(DrawnSplitConfig):
    """N-Caltech101: 8,709 recordings of pictures of 101 kinds by a moving event camera."""

    sensor: ClassVar[tuple[int, int]] = WIDE

    @property
    def info(self) -> DatasetInfo:
        shape = self.view.shape
        return DatasetInfo(
            title="N-Caltech101",
            classes=CLASSES,
            shape=shape,
            mean=(0.0,) * shape[1],
            std=(1.0,) * shape[1],
            license="CC BY 4.0",
            source="G. Orchard, A. Jayawant, G. Cohen, N. Thakor, Frontiers in Neuroscience 9:437, 2015",
            sizes={"all": 8709},
            split=f"none official; {self.drawn}, every class in equal measure",
            layout=LAYOUT,
            hint="Get N-Caltech101-archive.zip (md5 66201824eabb0239c7ab992480b50ba3) from "
            "https://www.garrickorchard.com/datasets/n-caltech101 and unpack the Caltech101.zip in it.",
            unit_range=False,
        )

    def read(self) -> Splits:
        folder = self.locate(*CLASSES[-3:], inside=(FOLDER,))
        labels = {name: label for label, name in enumerate(CLASSES)}
        return self.parts(self.recordings(class_files(folder, labels, ".bin", LAYOUT), nmnist.read))

    def fake(self, n: int, root: Path) -> None:
        for i in range(n):
            folder = root / FOLDER / CLASSES[i % len(CLASSES)]
            folder.mkdir(parents=True, exist_ok=True)
            nmnist.write(folder / f"image_{i // len(CLASSES) + 1:04}.bin", fake_events(i, *self.sensor))
