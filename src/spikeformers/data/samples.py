"""Indexable samples, the three parts of a dataset, and how one part is cut from another."""

import abc
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from spikeformers.core.errors import ConfigError, DataError

Indices = Tensor | Sequence[int]
"""Positions of samples, as a tensor of int64 or a list."""


class Samples(abc.ABC):
    """Abstract: samples that can be asked for by position, many at once."""

    @abc.abstractmethod
    def __len__(self) -> int:
        """How many samples."""

    @abc.abstractmethod
    def inputs(self, indices: Indices) -> Tensor:
        """Inputs [n, ...]: images [n, C, H, W] in [0, 1], events [n, T, P, H, W], sequences [n, T, ...]."""

    @abc.abstractmethod
    def targets(self, indices: Indices) -> Tensor:
        """Targets [n] (class labels, int64), or what the dataset's card says."""

    @abc.abstractmethod
    def name(self, index: int) -> str:
        """Where a sample comes from (file and place in it); no two samples of a dataset share it."""


class ArraySamples(Samples):
    """Samples that lie in memory.

    Args:
        inputs: [N, ...], floating point, or whole numbers that are divided by `scale` when asked for.
        targets: [N, ...].
        origin: file or folder the samples come from, for their names.
        scale: what whole-number inputs are divided by (255 for bytes).
        names: place of each sample in `origin`; by default its position.

    Raises:
        DataError: not as many targets as inputs, or inputs that are not finite.
    """

    def __init__(
        self, inputs: Tensor, targets: Tensor, origin: str, scale: float = 1.0, names: Sequence[object] | None = None
    ) -> None:
        if len(inputs) != len(targets):
            raise DataError(
                f"{origin} has {len(inputs)} samples but {len(targets)} labels; its files do not belong together"
            )
        if inputs.is_floating_point() and not bool(torch.isfinite(inputs).all()):
            where = int((~torch.isfinite(inputs)).flatten(1).any(1).nonzero()[0])
            raise DataError(f"{origin} sample {where} holds values that are not finite (NaN or infinite)")
        self._inputs, self._targets, self._origin, self._scale = inputs, targets, origin, scale
        self._names = range(len(inputs)) if names is None else names

    def __len__(self) -> int:
        return len(self._inputs)

    def inputs(self, indices: Indices) -> Tensor:
        return self._inputs[as_indices(indices)].to(torch.float32) / self._scale

    def targets(self, indices: Indices) -> Tensor:
        return self._targets[as_indices(indices)]

    def name(self, index: int) -> str:
        return f"{self._origin}#{self._names[index]}"


class Subset(Samples):
    """Some samples of another, in the order of `indices`."""

    def __init__(self, whole: Samples, indices: Tensor) -> None:
        self._whole, self._indices = whole, indices

    def __len__(self) -> int:
        return len(self._indices)

    def inputs(self, indices: Indices) -> Tensor:
        return self._whole.inputs(self._indices[as_indices(indices)])

    def targets(self, indices: Indices) -> Tensor:
        return self._whole.targets(self._indices[as_indices(indices)])

    def name(self, index: int) -> str:
        return self._whole.name(int(self._indices[index]))


@dataclass(frozen=True)
class Splits:
    """The three parts of a dataset. No sample is in two of them.

    Attributes:
        train: what is learned from, and the only part that is ever augmented.
        val: what choices are made on.
        test: what is looked at once.
    """

    train: Samples
    val: Samples
    test: Samples


def as_indices(indices: Indices) -> Tensor:
    """Positions as a tensor of int64."""
    return torch.as_tensor(indices, dtype=torch.int64)


def stratified(labels: Tensor, fractions: Sequence[float], seed: int) -> list[Tensor]:
    """Cut samples into parts that hold every class in equal measure.

    Args:
        labels: class of each sample [N].
        fractions: share of each part but the last, which takes the rest.
        seed: of the draw.

    Returns:
        Sorted positions of each part, `len(fractions) + 1` in all.

    Raises:
        ConfigError: the fractions leave nothing for the last part.
    """
    if min(fractions) < 0 or sum(fractions) >= 1:
        raise ConfigError(f"the fractions {tuple(fractions)} must not be negative and must sum to less than 1")
    generator = torch.Generator().manual_seed(seed)
    shuffled = torch.randperm(len(labels), generator=generator)
    by_class = shuffled[labels[shuffled].argsort(stable=True)].tolist()
    shares = [*fractions, 1.0 - sum(fractions)]
    parts: list[list[int]] = [[] for _ in shares]
    for count, position in enumerate(by_class, start=1):
        behind = [share * count - len(part) for share, part in zip(shares, parts, strict=True)]
        parts[behind.index(max(behind))].append(position)  # to the part that lacks most so far
    return [torch.tensor(sorted(part), dtype=torch.int64) for part in parts]


def grouped(groups: Sequence[str], fractions: Sequence[float], seed: int) -> list[Tensor]:
    """Cut samples into parts so that no group (person, source video) is in two of them.

    Args:
        groups: group of each sample.
        fractions: share of the samples of each part but the last; whole groups are added until it is reached.
        seed: of the draw.

    Returns:
        Sorted positions of each part, `len(fractions) + 1` in all.

    Raises:
        DataError: there are too few groups to fill every part.
    """
    names = sorted(set(groups))
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed)).tolist()
    members: dict[str, list[int]] = {name: [] for name in names}
    for position, name in enumerate(groups):
        members[name].append(position)
    waiting = [members[names[k]] for k in order]
    parts: list[list[int]] = []
    for left, fraction in zip(range(len(fractions), 0, -1), fractions, strict=True):
        part: list[int] = []
        while len(waiting) > left and (not part or len(part) < fraction * len(groups)):
            part += waiting.pop(0)
        parts.append(part)
    parts.append([position for group in waiting for position in group])
    if not all(parts):
        raise DataError(f"{len(names)} groups are too few for {len(parts)} parts that share none")
    return [torch.tensor(sorted(part), dtype=torch.int64) for part in parts]


def balanced_first(samples: Samples, limit: int | None) -> Samples:
    """At most `limit` samples: the first of every class, then the second of every class, and so on.

    The kept samples stay in their order. Where targets are no class labels, the first samples are taken. None keeps all.
    """
    if limit is None or limit >= len(samples):
        return samples
    first = samples.targets([0])
    if first.dim() != 1 or first.is_floating_point():
        return Subset(samples, torch.arange(limit))
    labels = samples.targets(torch.arange(len(samples)))
    turn = torch.empty_like(labels)
    for label in labels.unique():
        members = (labels == label).nonzero().flatten()
        turn[members] = torch.arange(len(members))
    return Subset(samples, turn.argsort(stable=True)[:limit].sort().values)
