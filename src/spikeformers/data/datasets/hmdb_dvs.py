"""HMDB-DVS: the videos of HMDB51 shown to a DAVIS240 on a screen, 240×180."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from spikeformers.data.base import DATASETS, DatasetInfo
from spikeformers.data.events.array import Recording
from spikeformers.data.events.dataset import WIDE, DrawnSplitConfig, class_files
from spikeformers.data.events.fake import fake_events
from spikeformers.data.events.readers import aedat, matlab
from spikeformers.data.samples import Splits

_NAMES = """
    brush_hair cartwheel catch chew clap climb climb_stairs dive draw_sword dribble drink eat fall_floor fencing flic_flac
    golf handstand hit hug jump kick kick_ball kiss laugh pick pour pullup punch push pushup ride_bike ride_horse run
    shake_hands shoot_ball shoot_bow shoot_gun sit situp smile smoke somersault stand swing_baseball sword sword_exercise talk
    throw turn walk wave
"""
CLASSES = tuple(_NAMES.split())
LAYOUT = (
    "brush_hair/ … wave/ (51 classes), each with SOURCE_CLASS_….aedat (AEDAT 2.0 of a DAVIS240),\n"
    "or SOURCE_CLASS_….mat (columns ts, x, y, pol)"
)


@DATASETS.register("hmdb_dvs", source="Bi et al., IEEE Transactions on Image Processing 29, 2020")
@dataclass(frozen=True, kw_only=True)
class HMDBDVSConfig(DrawnSplitConfig):
    """HMDB-DVS: 6,766 event recordings of the videos of 51 human actions."""

    sensor: ClassVar[tuple[int, int]] = WIDE

    test_fraction: float = 0.3
    """Share of all samples that is the test part, as in the splits of HMDB51."""

    @property
    def info(self) -> DatasetInfo:
        shape = self.view.shape
        return DatasetInfo(
            title="HMDB-DVS",
            classes=CLASSES,
            shape=shape,
            mean=(0.0,) * shape[1],
            std=(1.0,) * shape[1],
            license="for research, terms in the repository",
            source="Y. Bi et al., IEEE TIP 29, 2020; PIX2NVS/NVS_FeatureLearning",
            sizes={"all": 6766},
            split=f"{self.drawn}, so that no source video (the name before the class) is in two parts; not the official "
            "lists of HMDB51, which name videos only",
            layout=LAYOUT,
            hint="Get it as https://github.com/PIX2NVS/NVS_FeatureLearning says and unpack it.",
            unit_range=False,
        )

    def read(self) -> Splits:
        folder = self.locate(*CLASSES[-3:], inside=("HMDB_DVS",))
        labels = {name: label for label, name in enumerate(CLASSES)}
        ending = ".mat" if any((folder / CLASSES[0]).glob("*.mat")) else ".aedat"
        items = class_files(folder, labels, ending, LAYOUT)
        sources = [item.path.stem.split(f"_{CLASSES[item.label]}_")[0] for item in items]
        return self.parts(self.recordings(items, matlab.read_upright if ending == ".mat" else _read), sources)

    def fake(self, n: int, root: Path) -> None:
        for i in range(n):
            name = CLASSES[i % len(CLASSES)]
            (root / name).mkdir(parents=True, exist_ok=True)
            path = root / name / f"Movie_{i // 2 % 20}_{name}_u_nm_np1_ba_goo_{i}.aedat"
            aedat.write_davis(path, fake_events(i, *self.sensor))


def _read(path: Path) -> Recording:
    return aedat.read_aedat2(path, "davis240")
