"""Any folder of EDF and BDF recordings with a table of who and what: windows, filtered, whole subjects in one part."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data.base import DATASETS, DataConfig, DatasetInfo
from spikeformers.data.folders import check_fractions
from spikeformers.data.formats.edf import Annotation, EDFFile, read_edf, write_edf
from spikeformers.data.samples import Indices, Samples, Splits, as_indices
from spikeformers.data.signals import band_pass, notch, resample, standardize

TABLE = "labels.csv"
NEEDED = ("file", "subject")
LAYOUT = (
    f"{TABLE}: first line file,subject,label,start,stop; then one recording or part of one a line (start and stop in seconds, "
    "both may be empty or absent; without the column label the annotations of the file tell the classes)\n"
    "the EDF or BDF files it names, anywhere under the folder"
)


@dataclass(frozen=True)
class Span:
    """A labeled part of a recording: seconds from the first sample, None for its end."""

    path: Path
    subject: str
    label: str
    start: float
    stop: float | None


@DATASETS.register("eeg_folder", source="Kemp et al. 1992 (EDF); Kemp & Olivan 2003 (EDF+)")
@dataclass(frozen=True, kw_only=True)
class EEGFolderConfig(DataConfig):
    """EDF and BDF recordings as filtered, standardized windows [T, channels], held in memory; parts share no subject; set root."""

    channels: tuple[str, ...] = ()
    """Labels of the channels, in order; empty takes all of the first recording."""
    classes: tuple[str, ...] = ()
    """Classes in order of label; parts with others are left out. Empty takes all in the table's column label."""
    rate: int = 128
    """Samples per second that all channels are brought to."""
    window: int = 256
    """Time steps T of a window."""
    stride: int = 256
    """Steps between the starts of two windows."""
    low_hz: float | None = 0.5
    """Lower edge of the band that is kept; None leaves it open."""
    high_hz: float | None = 45.0
    """Upper edge of the band that is kept; None leaves it open."""
    notch_hz: float | None = None
    """Frequency of the mains to cut out (50 or 60), where the band holds it."""
    test_fraction: float = 0.2
    """Share of the subjects that is the test part, at least one."""
    val_fraction: float = 0.2
    """Share of the subjects that is the validation part, at least one."""
    split_seed: int = 0
    """Seed of the draw of subjects."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("rate", "window", "stride"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be at least 1")
        check_fractions(self.test_fraction, self.val_fraction)

    @property
    def info(self) -> DatasetInfo:
        """The card. Classes and channels that are not given stand in the files; they are empty until these are found."""
        folder = self.find(TABLE)
        spans = _spans(folder) if folder is not None else []
        classes = self.classes or tuple(sorted({span.label for span in spans if span.label}))
        channels = self.channels or (tuple(c.label for c in read_edf(spans[0].path).channels) if spans else ())
        return DatasetInfo(
            title="EEG folder",
            classes=classes,
            shape=(self.window, len(channels)),
            mean=(0.0,) * len(channels),
            std=(1.0,) * len(channels),
            license="that of the recordings",
            source="one's own recordings",
            sizes={},
            split="by subject, drawn with split_seed: no person is in two parts",
            layout=LAYOUT,
            mirror=False,
            unit_range=False,
        )

    def read(self) -> Splits:
        folder = self.locate(TABLE)
        spans, info = _spans(folder), self.info
        if not info.classes:
            raise ConfigError(
                f"{folder / TABLE} has no column label, so classes=… must name the annotations to tell apart"
            )
        names = self.channels or tuple(channel.label for channel in read_edf(spans[0].path).channels)
        owner = self._owners(sorted({span.subject for span in spans}), folder / TABLE)
        parts = [Windows(self.window, folder) for _ in range(3)]
        for path in dict.fromkeys(span.path for span in spans):
            file = read_edf(path)
            signals = torch.from_numpy(self._signals(file, names))
            for piece in _labeled([span for span in spans if span.path == path], file, info.classes):
                label, starts = info.classes.index(piece.label), self._starts(piece, len(signals))
                parts[owner[piece.subject]].add(path, signals, label, starts)
        for part, name in zip(parts, ("training", "validation", "test"), strict=True):
            if not len(part):
                raise DataError(f"{folder}: no window of {self.window} steps fits the parts of the {name} subjects")
        return Splits(*parts)

    def _owners(self, subjects: list[str], table: Path) -> dict[str, int]:
        """Part (0 train, 1 validation, 2 test) of each subject."""
        test, val = (max(1, round(share * len(subjects))) for share in (self.test_fraction, self.val_fraction))
        if len(subjects) <= test + val:
            raise DataError(
                f"{table}: {len(subjects)} subjects cannot be told apart in three parts; 3 or more are needed"
            )
        order = torch.randperm(len(subjects), generator=torch.Generator().manual_seed(self.split_seed)).tolist()
        return {subjects[at]: 2 if i < test else 1 if i < test + val else 0 for i, at in enumerate(order)}

    def _signals(self, file: EDFFile, names: Sequence[str]) -> np.ndarray:
        """[N, channels] at the rate, filtered and standardized."""
        if not file.continuous:
            raise DataError(f"{file.path}: a recording with gaps (EDF+D); cut it into continuous files")
        columns = []
        for channel in (file.channel(name) for name in names):
            found = file.rate(channel)
            if found != round(found):
                raise DataError(
                    f"{file.path}: channel {channel.label!r} has {found:g} samples a second, no whole number"
                )
            values = notch(file.values(channel)[:, None], found, self.notch_hz, str(file.path))
            values = band_pass(values, found, self.low_hz, self.high_hz, str(file.path))
            columns.append(resample(values, round(found), self.rate))
        length = min(len(column) for column in columns)
        signals = np.concatenate([column[:length] for column in columns], axis=1)
        return standardize(signals, signals, str(file.path))

    def _starts(self, span: Span, length: int) -> range:
        first = round(span.start * self.rate)
        stop = length if span.stop is None else min(length, round(span.stop * self.rate))
        return range(first, stop - self.window + 1, self.stride)

    def fake(self, n: int, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(0)
        seconds = -(-max(n // 10, 4) * self.window // self.rate)
        rows = ["file,subject,label,start,stop"]
        for subject in range(5):
            labels = {name: rng.normal(0, 20, seconds * self.rate) for name in ("Fp1", "Cz", "O2")}
            name, middle = f"S{subject:02}.edf", seconds / 2
            write_edf(root / name, labels, self.rate, annotations=[Annotation(0, middle, "rest")])
            rows += [f"{name},S{subject:02},rest,0,{middle}", f"{name},S{subject:02},task,{middle},{seconds}"]
        (root / TABLE).write_text("\n".join(rows) + "\n")


class Windows(Samples):
    """Windows [n, T, channels] of recordings in memory; overlapping ones share their values."""

    def __init__(self, length: int, folder: Path) -> None:
        self._length, self._folder = length, folder
        self._items: list[tuple[str, Tensor, int, int]] = []

    def add(self, path: Path, signals: Tensor, label: int, starts: Sequence[int]) -> None:
        """Add the windows of one recording [N, channels] that begin at `starts`."""
        name = path.relative_to(self._folder).as_posix()
        self._items += [(name, signals, label, start) for start in starts]

    def __len__(self) -> int:
        return len(self._items)

    def inputs(self, indices: Indices) -> Tensor:
        chosen = [self._items[i] for i in as_indices(indices).tolist()]
        return torch.stack([signals[start : start + self._length] for _, signals, _, start in chosen])

    def targets(self, indices: Indices) -> Tensor:
        return torch.tensor([self._items[i][2] for i in as_indices(indices).tolist()], dtype=torch.int64)

    def name(self, index: int) -> str:
        name, _, label, start = self._items[index]
        return f"{name}#step {start} of class {label}"


def _labeled(spans: Sequence[Span], file: EDFFile, classes: Sequence[str]) -> list[Span]:
    """The spans of these classes; the annotations in a span where the table tells no label."""
    found = [span for span in spans if span.label]
    remarks = file.annotations() if len(found) < len(spans) else []
    for span in (span for span in spans if not span.label):
        stop = float("inf") if span.stop is None else span.stop
        found += [
            Span(span.path, span.subject, remark.text, remark.onset, min(stop, remark.onset + remark.duration))
            for remark in remarks
            if span.start <= remark.onset < stop
        ]
    return [span for span in found if span.label in classes]


def _spans(folder: Path) -> list[Span]:
    table = folder / TABLE
    with table.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines)
        names = rows.fieldnames or ()
        if missing := [name for name in NEEDED if name not in names]:
            raise DataError(
                f"{table}: the first line must be file,subject,label,start,stop; it lacks {', '.join(missing)}"
            )
        found = [
            _span(row, folder, f"{table} line {number}", "label" in names) for number, row in enumerate(rows, start=2)
        ]
    if not found:
        raise DataError(f"{table}: names no recordings")
    return found


def _span(row: dict[str, str | None], folder: Path, where: str, labeled: bool) -> Span:
    name, subject, label = ((row.get(key) or "").strip() for key in ("file", "subject", "label"))
    if not name or not subject or (labeled and not label):
        raise DataError(f"{where}: file, subject and label must not be empty")
    if not (folder / name).is_file():
        raise DataError(f"{where}: {name} is not in {folder}")
    try:
        start, stop = (float(row.get(key) or "nan") for key in ("start", "stop"))
    except ValueError:
        raise DataError(
            f"{where}: start and stop are seconds, not {row.get('start')!r} and {row.get('stop')!r}"
        ) from None
    start, end = (0.0 if np.isnan(start) else start), (None if np.isnan(stop) else stop)
    if start < 0 or (end is not None and end <= start):
        raise DataError(
            f"{where}: from {start:g} to {end:g} s is not possible" if end else f"{where}: start is {start:g}"
        )
    return Span(folder / name, subject, label, start, end)
