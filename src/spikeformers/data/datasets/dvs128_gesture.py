"""DVS128 Gesture: 11 hand gestures by 29 people under 3 lights, 128×128, several gestures a recording."""

import csv
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data.base import DATASETS, DatasetInfo
from spikeformers.data.events.dataset import EventDataConfig
from spikeformers.data.events.files import EventFile
from spikeformers.data.events.readers import aedat
from spikeformers.data.events.representation import Frames, RepresentationConfig
from spikeformers.data.samples import Splits, Subset

SIDE = 128
LISTS = ("trials_to_train.txt", "trials_to_test.txt")
INNER = "DvsGesture"
LAYOUT = (
    f"{LISTS[0]} and {LISTS[1]}: names of recordings, one a line\n"
    "userNN_LIGHT.aedat (AEDAT 3.1) and userNN_LIGHT_labels.csv (class 1 … 11, start and end in µs) for each"
)
COLUMNS = ("class", "startTime_usec", "endTime_usec")


@DATASETS.register("dvs128_gesture", source="Amir et al., CVPR 2017")
@dataclass(frozen=True, kw_only=True)
class DVS128GestureConfig(EventDataConfig):
    """DVS128 Gesture: 1,342 event recordings of 11 hand gestures."""

    sensor: ClassVar[tuple[int, int]] = (SIDE, SIDE)

    representation: RepresentationConfig = Frames(steps=16, by="count")
    """How a recording becomes a tensor [T, P, H, W]."""
    val_users: int = 3
    """How many of the training persons are the validation part: the last ones by number."""
    cache: bool = True
    """Keep finished tensors in the data folder; the recordings are long and slow to read again."""

    def __post_init__(self) -> None:
        if self.val_users < 1:
            raise ConfigError(f"val_users={self.val_users} must be at least 1")
        super().__post_init__()

    @property
    def info(self) -> DatasetInfo:
        shape = self.view.shape
        return DatasetInfo(
            title="DVS128 Gesture",
            classes=(
                "hand clap",
                "right hand wave",
                "left hand wave",
                "right arm clockwise",
                "right arm counter-clockwise",
                "left arm clockwise",
                "left arm counter-clockwise",
                "arm roll",
                "air drums",
                "air guitar",
                "other",
            ),
            shape=shape,
            mean=(0.0,) * shape[1],
            std=(1.0,) * shape[1],
            license="CC BY 4.0",
            source="A. Amir et al.: A Low Power, Fully Event-Based Gesture Recognition System, CVPR 2017",
            sizes={"train": 1176, "test": 288},
            split="official train and test lists (different people); validation is the last val_users people of the train list",
            layout=LAYOUT,
            hint="Get DvsGesture.tar.gz from https://research.ibm.com/interactive/dvsgesture/ and unpack it.",
            mirror=False,
            unit_range=False,
        )

    def read(self) -> Splits:
        folder = self.locate(*LISTS, inside=(INNER,))
        train, test = (_trials(folder, name) for name in LISTS)
        both = sorted({p.stem for p in train} & {p.stem for p in test})
        if both:
            raise DataError(
                f"{folder}: {', '.join(both)} stand in both lists; train and test must not share recordings"
            )
        users = sorted({_user(path) for path in train})
        if len(users) <= self.val_users:
            raise ConfigError(
                f"val_users={self.val_users} leaves nobody to train on; the train list has {len(users)} people"
            )
        held = set(users[-self.val_users :])
        items = _gestures(train)
        whole = self.recordings(items, aedat.read)
        is_val = torch.tensor([_user(item.path) in held for item in items])
        return Splits(
            train=Subset(whole, (~is_val).nonzero().flatten()),
            val=Subset(whole, is_val.nonzero().flatten()),
            test=self.recordings(_gestures(test), aedat.read),
        )

    def fake(self, n: int, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(0)
        people = max(self.val_users + 2, -(-n // 11))
        names = [f"user{i + 1:02}_fluorescent" for i in range(people)]
        for name in names:
            t = np.sort(rng.integers(0, 110_000, 600))
            t[::50] = np.arange(12)[: len(t[::50])] * 10_000
            t.sort()
            words = np.empty((len(t), 2), np.uint32)
            x, y, p = (rng.integers(0, high, len(t)) for high in (SIDE, SIDE, 2))
            words[:, 0], words[:, 1] = x << 17 | y << 2 | p << 1 | 1, t
            packet = struct.pack("<HHIIIIII", aedat.POLARITY, 1, 8, 4, 0, len(t), len(t), len(t))
            data = b"#!AER-DAT3.1\r\n#!END-HEADER\r\n" + packet + words.astype("<u4").tobytes()
            (root / f"{name}.aedat").write_bytes(data)
            rows = [",".join(COLUMNS), *[f"{k + 1},{k * 10_000},{(k + 1) * 10_000}" for k in range(11)]]
            (root / f"{name}_labels.csv").write_text("\n".join(rows) + "\n")
        (root / LISTS[0]).write_text("".join(f"{name}.aedat\n" for name in names[:-1]))
        (root / LISTS[1]).write_text(f"{names[-1]}.aedat\n")


def _trials(folder: Path, name: str) -> list[Path]:
    paths = [folder / line.strip() for line in (folder / name).read_text(encoding="utf-8").splitlines() if line.strip()]
    missing = [p.name for p in paths if not p.exists() or not _labels(p).exists()]
    if missing or not paths:
        raise DataError(
            f"{folder / name}: lists {len(paths)} recordings, without file or labels: {', '.join(missing[:5])}"
        )
    return paths


def _labels(path: Path) -> Path:
    return path.with_name(f"{path.stem}_labels.csv")


def _user(path: Path) -> str:
    return path.stem.split("_")[0]


def _gestures(paths: list[Path]) -> list[EventFile]:
    items = []
    for path in paths:
        with _labels(path).open(encoding="utf-8", newline="") as lines:
            rows = csv.DictReader(lines)
            if tuple(rows.fieldnames or ()) != COLUMNS:
                raise DataError(f"{_labels(path)}: the first line must be {','.join(COLUMNS)}; it is {rows.fieldnames}")
            for number, row in enumerate(rows, start=2):
                try:
                    label, start, stop = (int(row[name]) for name in COLUMNS)
                except (TypeError, ValueError):
                    raise DataError(f"{_labels(path)} line {number}: three whole numbers are needed") from None
                if not 1 <= label <= 11 or not start < stop:
                    raise DataError(
                        f"{_labels(path)} line {number}: class {label} from {start} to {stop} µs is not possible"
                    )
                items.append(EventFile(path, label - 1, start, stop))
    return items
