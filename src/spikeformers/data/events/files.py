"""Samples that are event recordings on disk, read and turned into tensors when asked for."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from spikeformers.core.errors import DataError
from spikeformers.data.events.array import Recording, check_within
from spikeformers.data.events.cache import cache_key, load_cached, store_cached
from spikeformers.data.events.representation import RepresentationConfig, rescale
from spikeformers.data.samples import Indices, Samples, as_indices

Reader = Callable[[Path], Recording]
WindowReader = Callable[[Path, int | None, int | None], Recording]
"""Reads the events start ≤ t < stop (µs) of a file."""


@dataclass(frozen=True)
class EventFile:
    """One sample: a file or a part of it, and its label.

    Attributes:
        path: the file.
        label: its class.
        start, stop: the part start ≤ t < stop in µs, or of event numbers; None is the file's end.
        counted: whether start and stop are event numbers.
    """

    path: Path
    label: int
    start: int | None = None
    stop: int | None = None
    counted: bool = False


@dataclass(frozen=True)
class EventView:
    """How a recording becomes a tensor.

    Attributes:
        height, width: of the sensor.
        size: side of the square that events are put on.
        representation: what is made of them.
        still: whether a recording may be without events.
    """

    height: int
    width: int
    size: int
    representation: RepresentationConfig
    still: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the tensor; (T, P, size, size) for frames."""
        return self.representation.shape(self.size, self.size)

    def tensor(self, recording: Recording, origin: str) -> Tensor:
        """The tensor of one recording.

        Raises:
            DataError: the recording is empty where it may not be, or leaves the sensor.
        """
        if not len(recording.events) and not self.still:
            raise DataError(f"{origin}: an empty recording; a sample needs at least one event")
        check_within(recording.events, self.height, self.width, origin)
        placed = rescale(recording.events, self.height, self.width, self.size)
        return self.representation.represent(placed, self.size, self.size)


class EventFiles(Samples):
    """Recordings as tensors [n, T, P, H, W], counts as they are.

    Args:
        items: the samples.
        read: reader of their format.
        view: how they become tensors.
        cache: folder in which finished tensors are kept; None makes them each time.
        window: reader of a part of a file; None reads the whole and keeps the latest.
    """

    def __init__(
        self,
        items: Sequence[EventFile],
        read: Reader,
        view: EventView,
        cache: Path | None = None,
        window: WindowReader | None = None,
    ) -> None:
        self._items, self._read, self._view, self._cache, self._window = list(items), read, view, cache, window
        self._labels = torch.tensor([item.label for item in items], dtype=torch.int64)
        self._last: tuple[Path, Recording] | None = None  # the long file that the latest part came from

    def __len__(self) -> int:
        return len(self._items)

    def inputs(self, indices: Indices) -> Tensor:
        return torch.stack([self._kept(self._items[i]) for i in as_indices(indices).tolist()])

    def targets(self, indices: Indices) -> Tensor:
        return self._labels[as_indices(indices)]

    def name(self, index: int) -> str:
        item = self._items[index]
        place = "/".join(item.path.parts[-3:])
        return place if item.start is None else f"{place}#{item.start}-{item.stop}"

    def _kept(self, item: EventFile) -> Tensor:
        if self._cache is None:
            return self._made(item)
        view = self._view
        facts = (item.start, item.stop, item.counted, view.height, view.width, view.size, view.representation.to_dict())
        key = cache_key(self._cache, item.path, *facts)
        found = load_cached(self._cache, key)
        if found is None:
            found = self._made(item)
            store_cached(self._cache, key, found)
        return found

    def _made(self, item: EventFile) -> Tensor:
        return self._view.tensor(self._part(item), str(item.path))

    def _part(self, item: EventFile) -> Recording:
        if item.start is None and item.stop is None:
            return self._read(item.path)
        if self._window is not None and not item.counted:
            return self._window(item.path, item.start, item.stop)
        if self._last is None or self._last[0] != item.path:
            self._last = (item.path, self._read(item.path))
        whole = self._last[1].events
        if item.counted:
            return Recording(whole[item.start : item.stop])
        first = bisect_left(whole["t"], item.start) if item.start is not None else 0
        last = bisect_left(whole["t"], item.stop) if item.stop is not None else len(whole)
        return Recording(whole[first:last])
