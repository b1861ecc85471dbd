"""Clouds on disk, read when asked for: with one class each, or with a class for every point."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import Tensor

from spikeformers.data.events.cache import cache_key, load_cached, store_cached
from spikeformers.data.points.views import ViewConfig
from spikeformers.data.samples import Indices, Samples, as_indices

Item = TypeVar("Item")


@dataclass(frozen=True)
class CloudReader:
    """How a file becomes a cloud.

    Attributes:
        read: file → positions [N, 3] inside the unit ball; the same for the same file.
        facts: plain values that the result depends on, besides the file.
        cache: folder in which finished clouds are kept; None reads them each time.
    """

    read: Callable[[Path], Tensor]
    facts: tuple[object, ...] = ()
    cache: Path | None = None

    def cloud(self, path: Path) -> Tensor:
        """The cloud of a file."""
        if self.cache is None:
            return self.read(path)
        key = cache_key(self.cache, path, "/".join(path.parts[-3:]), *self.facts)
        found = load_cached(self.cache, key)
        if found is None:
            found = self.read(path)
            store_cached(self.cache, key, found)
        return found


class CloudFiles(Samples):
    """Clouds of one class each, one a file.

    Args:
        items: files and their labels.
        reader: how they are read.
        view: what a model gets.
    """

    def __init__(self, items: Sequence[tuple[Path, int]], reader: CloudReader, view: ViewConfig) -> None:
        self._paths, self._reader, self._view = [path for path, _ in items], reader, view
        self._labels = torch.tensor([label for _, label in items], dtype=torch.int64)

    def __len__(self) -> int:
        return len(self._paths)

    def inputs(self, indices: Indices) -> Tensor:
        clouds = [self._reader.cloud(self._paths[i]) for i in as_indices(indices).tolist()]
        return self._view.view(torch.stack(clouds))

    def targets(self, indices: Indices) -> Tensor:
        return self._labels[as_indices(indices)]

    def name(self, index: int) -> str:
        return "/".join(self._paths[index].parts[-3:])


class LabeledClouds(Samples, Generic[Item]):
    """Clouds [n, N, C] with, as targets [n, N], a class for every point.

    Args:
        items: the samples.
        read: item → (cloud [N, C], classes [N]), always of the same N.
        name: item → where it comes from.
    """

    def __init__(
        self, items: Sequence[Item], read: Callable[[Item], tuple[Tensor, Tensor]], name: Callable[[Item], str]
    ) -> None:
        self._items, self._read, self._name = list(items), read, name
        self._held: dict[int, tuple[Tensor, Tensor]] = {}  # what was asked for last: its targets are wanted next

    def __len__(self) -> int:
        return len(self._items)

    def inputs(self, indices: Indices) -> Tensor:
        return torch.stack([cloud for cloud, _ in self._pairs(indices)])

    def targets(self, indices: Indices) -> Tensor:
        return torch.stack([classes for _, classes in self._pairs(indices)])

    def name(self, index: int) -> str:
        return self._name(self._items[index])

    def _pairs(self, indices: Indices) -> list[tuple[Tensor, Tensor]]:
        wanted = as_indices(indices).tolist()
        self._held = {i: self._held[i] if i in self._held else self._read(self._items[i]) for i in wanted}
        return [self._held[i] for i in wanted]
