"""What datasets of event recordings have in common: representation, scaling, cache, and splits where none is official."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data.base import DataConfig, data_folder
from spikeformers.data.events.files import EventFile, EventFiles, EventView, Reader, WindowReader
from spikeformers.data.events.representation import Frames, RepresentationConfig
from spikeformers.data.folders import check_fractions
from spikeformers.data.samples import Samples, Splits, Subset, grouped, stratified

WIDE = (180, 240)
"""Height and width of the ATIS crops of N-Caltech101 and of the DAVIS240."""


@dataclass(frozen=True, kw_only=True)
class EventDataConfig(DataConfig):
    """Abstract: recordings of an event camera with one label each."""

    sensor: ClassVar[tuple[int, int]]
    """Height and width of the camera, in pixels."""
    still: ClassVar[bool] = False
    """Whether a sample may be without events: windows of a long recording may, whole recordings are then broken."""

    representation: RepresentationConfig = Frames(steps=10)
    """How a recording becomes a tensor [T, P, H, W]."""
    size: int = 128
    """Side of the square that the recording is scaled to, in pixels; the longer side fills it."""
    cache: bool = False
    """Keep finished tensors in the data folder instead of making them from events each time."""

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ConfigError(f"size={self.size} must be at least 1 pixel")
        super().__post_init__()

    @property
    def view(self) -> EventView:
        """How a recording becomes a tensor."""
        return EventView(*self.sensor, self.size, self.representation, self.still)

    def recordings(self, items: Sequence[EventFile], read: Reader, window: WindowReader | None = None) -> EventFiles:
        """Recordings as samples.

        Args:
            items: files, or parts of files, with labels.
            read: reader of the format.
            window: reader of a part of a file, where the format lets the rest be passed over.
        """
        return EventFiles(items, read, self.view, data_folder() / "cache" / self.family if self.cache else None, window)


@dataclass(frozen=True, kw_only=True)
class DrawnSplitConfig(EventDataConfig):
    """Abstract: event recordings that were published without a split; one is drawn with a seed."""

    test_fraction: float = 0.1
    """Share of all samples that is the test part."""
    val_fraction: float = 0.1
    """Share of all samples that is the validation part."""
    split_seed: int = 0
    """Seed of the split."""

    def __post_init__(self) -> None:
        check_fractions(self.test_fraction, self.val_fraction)
        super().__post_init__()

    @property
    def drawn(self) -> str:
        """How the split is drawn, for the card."""
        return f"{self.test_fraction:.0%} test, {self.val_fraction:.0%} validation, drawn with split_seed"

    def parts(self, whole: Samples, groups: Sequence[str] | None = None) -> Splits:
        """The three parts, every class in equal measure; or, with a group for each sample, no group in two parts."""
        fractions = (self.test_fraction, self.val_fraction)
        if groups is None:
            drawn = stratified(whole.targets(torch.arange(len(whole))), fractions, self.split_seed)
        else:
            drawn = grouped(groups, fractions, self.split_seed)
        return Splits(test=Subset(whole, drawn[0]), val=Subset(whole, drawn[1]), train=Subset(whole, drawn[2]))


def class_files(folder: Path, folders: Mapping[str, int], ending: str, layout: str) -> list[EventFile]:
    """Recordings of class folders, in order of class and name.

    Args:
        folder: what holds the class folders.
        folders: name of each class folder and its label.
        ending: of the files' names; what else lies there is passed over.
        layout: what the folder should look like, for messages.

    Raises:
        DataError: a class has no recordings.
    """
    found = [
        EventFile(path, label) for name, label in folders.items() for path in sorted((folder / name).glob(f"*{ending}"))
    ]
    there = {item.label for item in found}
    empty = [name for name, label in folders.items() if label not in there]
    if empty:
        shown = ", ".join(empty[:5]) + (", …" if len(empty) > 5 else "")
        raise DataError(f"{folder} holds no recordings of {shown}; it must look like:\n{layout}")
    return found


@dataclass(frozen=True)
class Listing:
    """What the lines of a list mean.

    Attributes:
        classes: number of classes.
        inside: folder that paths are relative to, inside that of the list.
        ending: what is added to a path.
        labels: label of each first folder of a path, instead of the number after the path.
    """

    classes: int
    inside: str = ""
    ending: str = ""
    labels: Mapping[str, int] | None = None

    def read(self, path: Path) -> list[EventFile]:
        """Recordings that a text file lists, one a line: path, then label.

        Raises:
            DataError: a line without path or label, a label that does not exist, or a file that is missing.
        """
        items = []
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            words = line.split()
            if not words:
                continue
            try:
                label = int(words[1]) if self.labels is None else self.labels[words[0].split("/")[0]]
            except (IndexError, ValueError, KeyError):
                raise DataError(f"{path} line {number}: {line!r} is no path and label") from None
            if not 0 <= label < self.classes:
                raise DataError(f"{path} line {number}: label {label} is outside 0 … {self.classes - 1}")
            items.append(EventFile(path.parent / self.inside / f"{words[0]}{self.ending}", label))
        missing = [item.path for item in items if not item.path.exists()]
        if missing or not items:
            shown = f", such as {missing[0].relative_to(path.parent)}" if missing else ""
            raise DataError(f"{path} lists {len(items)} recordings, {len(missing)} of them are not there{shown}")
        return items


def refuse_shared(parts: Mapping[str, Sequence[EventFile]], origin: Path) -> None:
    """Refuse parts of a dataset that share recordings.

    Raises:
        DataError: names the first one.
    """
    seen: dict[Path, str] = {}
    for part, items in parts.items():
        for item in items:
            if seen.setdefault(item.path, part) != part:
                raise DataError(
                    f"{origin}: {item.path.name} stands in {seen[item.path]} and in {part}; parts must be disjoint"
                )
