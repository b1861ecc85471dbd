"""Gen1 automotive detection: cars and pedestrians in street recordings of an ATIS, 304×240, 60 s a file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from torch import Tensor

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data.base import DATASETS, DatasetInfo
from spikeformers.data.boxes import check_boxes, pad_boxes
from spikeformers.data.events.dataset import EventDataConfig
from spikeformers.data.events.fake import fake_events
from spikeformers.data.events.files import EventFile, EventFiles
from spikeformers.data.events.readers import prophesee_dat
from spikeformers.data.events.representation import Frames, RepresentationConfig
from spikeformers.data.samples import Indices, Samples, Splits, as_indices

HEIGHT, WIDTH = 240, 304
CLASSES = ("car", "pedestrian")
PARTS = ("train", "val", "test")
BOX = np.dtype(
    {
        "names": ["ts", "x", "y", "w", "h", "class_id", "confidence", "track_id"],
        "formats": ["<u8", "<f4", "<f4", "<f4", "<f4", "u1", "<f4", "<u4"],
    },
    align=True,
)
"""Rows of the label files of this dataset; later ones of the same camera maker call time t, and so are read too."""
SKIPPED_US = 500_000
"""Boxes of the first half second are not used, as in the maker's own evaluation: too few events come before them."""
LAYOUT = "train/, val/ and test/, each with NAME_td.dat (.dat version 2) and NAME_bbox.npy (boxes) for each recording"


@DATASETS.register("gen1", source="de Tournemire et al., arXiv:2001.08499")
@dataclass(frozen=True, kw_only=True)
class Gen1Config(EventDataConfig):
    """Gen1 detection: the events before each labeled moment, and the boxes of cars and pedestrians at that moment.

    Targets are [most_boxes, 5]: class (-1 where a row holds no box), left, top, width and height in pixels of the input.
    """

    sensor: ClassVar[tuple[int, int]] = (HEIGHT, WIDTH)
    still: ClassVar[bool] = True

    representation: RepresentationConfig = Frames(steps=5)
    """How the events of a window become a tensor [T, P, H, W]."""
    size: int = 320
    """Side of the square that the 304×240 pixels are scaled to; the shorter side is centered."""
    window_us: int = 250_000
    """Length of the window that ends at a labeled moment, in microseconds."""
    most_boxes: int = 16
    """Rows of the targets; a moment with more boxes is refused."""
    min_side: float = 10.0
    """Boxes narrower or lower than this are left out, in pixels of the sensor, as in the maker's own evaluation."""
    min_diagonal: float = 30.0
    """Boxes with a shorter diagonal are left out, in pixels of the sensor."""

    def __post_init__(self) -> None:
        for name in ("window_us", "most_boxes"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be at least 1")
        for name in ("min_side", "min_diagonal"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"{name}={getattr(self, name)} must be 0 or above")
        if self.augment is not None:
            raise ConfigError("augment moves pixels, but not yet the boxes of gen1; set data.augment to none")
        if self.mix is not None:
            raise ConfigError("mix needs one label a sample, but gen1 has boxes; set data.mix to none")
        super().__post_init__()

    @property
    def info(self) -> DatasetInfo:
        shape = self.view.shape
        return DatasetInfo(
            title="Gen1 automotive detection",
            classes=CLASSES,
            shape=shape,
            mean=(0.0,) * shape[1],
            std=(1.0,) * shape[1],
            license="for research, terms on the download page",
            source="P. de Tournemire, D. Nitti, E. Perot, D. Migliore, A. Sironi, arXiv:2001.08499",
            sizes={"recordings": 2358},
            split="official train, val and test recordings; a sample is a labeled moment",
            layout=LAYOUT,
            hint="Get it from https://www.prophesee.ai/2020/01/24/prophesee-gen1-automotive-detection-dataset and unpack it.",
            unit_range=False,
        )

    def read(self) -> Splits:
        folder = self.locate(*PARTS)
        train, val, test = (self._part(folder / part) for part in PARTS)
        return Splits(train=train, val=val, test=test)

    def _part(self, folder: Path) -> "Moments":
        items: list[EventFile] = []
        boxes: list[np.ndarray] = []
        for labels in sorted(folder.rglob("*_bbox.npy")):
            path = labels.with_name(labels.name.replace("_bbox.npy", "_td.dat"))
            if not path.exists():
                raise DataError(
                    f"{labels} has no recording {path.name} beside it; the folder must look like:\n{LAYOUT}"
                )
            for moment, found in self._moments(labels):
                items.append(EventFile(path, 0, moment - self.window_us, moment))
                boxes.append(found)
        if not items:
            raise DataError(f"{folder} holds no labeled moments; it must look like:\n{LAYOUT}")
        events = self.recordings(items, prophesee_dat.read, prophesee_dat.read_between)
        return Moments(events, boxes, self.most_boxes)

    def _moments(self, path: Path) -> list[tuple[int, np.ndarray]]:
        """Time of each labeled moment and its boxes [m, 5], scaled to the input; moments left without boxes are none."""
        t, boxes = read_boxes(path)
        check_boxes(boxes, len(CLASSES), str(path))
        left, top = boxes[:, 1].clip(0, WIDTH), boxes[:, 2].clip(0, HEIGHT)
        right, bottom = (boxes[:, 1] + boxes[:, 3]).clip(0, WIDTH), (boxes[:, 2] + boxes[:, 4]).clip(0, HEIGHT)
        wide, high = right - left, bottom - top
        seen = (wide > 0) & (high > 0) & (t > SKIPPED_US)
        kept = seen & (np.minimum(wide, high) >= self.min_side) & (np.hypot(wide, high) >= self.min_diagonal)
        scale, side = self.size / max(HEIGHT, WIDTH), max(HEIGHT, WIDTH)
        across, down = (side - WIDTH) // 2, (side - HEIGHT) // 2  # as events are placed
        placed = np.stack([left + across, top + down, wide, high], 1) * scale
        rows = np.concatenate([boxes[:, :1], placed], 1)[kept]
        return [(int(moment), rows[t[kept] == moment]) for moment in np.unique(t[kept])]

    def fake(self, n: int, root: Path) -> None:
        per_file = 4
        for part in PARTS:
            (root / part).mkdir(parents=True, exist_ok=True)
            for i in range(-(-n // (3 * per_file))):
                events = fake_events(i, HEIGHT, WIDTH, 400, 1_600_000)
                prophesee_dat.write(root / part / f"{part}_{i}_td.dat", events)
                boxes = np.zeros(2 * per_file, BOX)
                boxes["ts"] = np.repeat(600_000 + 250_000 * np.arange(per_file), 2)
                boxes["x"], boxes["y"], boxes["w"], boxes["h"] = 20 + i % 100, 30, 60, 40
                boxes["class_id"] = np.arange(2 * per_file) % 2
                np.save(root / part / f"{part}_{i}_bbox.npy", boxes)


class Moments(Samples):
    """Windows of events [n, T, P, H, W], and the boxes at their end [n, most, 5]."""

    def __init__(self, events: EventFiles, boxes: Sequence[np.ndarray], most: int) -> None:
        names = [events.name(i) for i in range(len(events))]
        self._events, self._boxes = events, pad_boxes(boxes, most, names)

    def __len__(self) -> int:
        return len(self._events)

    def inputs(self, indices: Indices) -> Tensor:
        return self._events.inputs(indices)

    def targets(self, indices: Indices) -> Tensor:
        return self._boxes[as_indices(indices)]

    def name(self, index: int) -> str:
        return self._events.name(index)


def read_boxes(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Times in µs [m] and boxes [m, 5] (class, left, top, width, height) of a label file.

    Raises:
        DataError: no NumPy file, cut off, or without the fields of boxes.
    """
    try:
        rows = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} ({path.stat().st_size} bytes): not a readable NumPy file: {error}") from None
    names = rows.dtype.names or ()
    time = next((name for name in ("t", "ts") if name in names), None)
    missing = [name for name in ("class_id", "x", "y", "w", "h") if name not in names]
    if time is None or missing:
        raise DataError(
            f"{path}: rows of boxes have t (or ts), x, y, w, h and class_id; these have {', '.join(names) or 'none'}"
        )
    boxes = np.stack([rows[name].astype(np.float64) for name in ("class_id", "x", "y", "w", "h")], 1)
    return rows[time].astype(np.int64), boxes
