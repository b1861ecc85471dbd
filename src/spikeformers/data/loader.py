"""Batches in an order that is a pure function of (seed, epoch, batch), whatever the processes and workers."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from spikeformers.core.errors import ConfigError, SpikeformersError
from spikeformers.core.rng import generator
from spikeformers.core.types import Batch
from spikeformers.data.samples import Samples
from spikeformers.data.transforms.base import AugmentConfig

ORDER, AUGMENT = 0, 1
"""What a generator is for; keeps the streams of random numbers apart."""


class Loader:
    """Iterates batches of samples; one pass is one epoch.

    Order and augmentation depend on (seed, epoch, batch index) alone: not on the number of workers, on where the pass
    was started, or on how many processes share the batches. `meta["index"]` of a batch holds the samples' positions.

    Args:
        samples: what to iterate.
        batch_size: samples of one step over all processes together; each gets an equal, consecutive share.
        seed: of order and augmentation.
        shuffle: a new order each epoch (training), or the samples' own order (evaluation).
        augment: random changes of the inputs; for training samples only.
        drop_last: leave out the last batch if it is not full.
        rank, world: which of how many processes this is.
        workers: processes that prepare batches ahead; 0 prepares them in this one.

    Raises:
        ConfigError: sizes that do not fit one another.
    """

    def __init__(
        self,
        samples: Samples,
        batch_size: int,
        *,
        seed: int,
        shuffle: bool,
        augment: AugmentConfig | None = None,
        drop_last: bool = False,
        rank: int = 0,
        world: int = 1,
        workers: int = 0,
    ) -> None:
        if batch_size < 1 or batch_size % world:
            raise ConfigError(
                f"batch_size={batch_size} must be a positive multiple of the {world} processes that share it"
            )
        if not 0 <= rank < world:
            raise ConfigError(f"rank={rank} is not one of the {world} processes 0 … {world - 1}")
        if workers < 0:
            raise ConfigError(f"workers={workers} must be 0 or more")
        self._batches = _Batches(samples, batch_size, seed, shuffle, augment, rank, world)
        self._count = _batch_count(len(samples), batch_size, drop_last, shuffle, rank, world)
        if self._count == 0:
            raise ConfigError(
                f"{len(samples)} samples give no batch of {batch_size} over {world} processes; lower the batch size"
            )
        self._epoch = 0
        self._start = 0
        self._workers = workers
        self._pool: DataLoader[Any] | None = None
        self._plan = _Plan()

    def __len__(self) -> int:
        """Batches of a whole epoch."""
        return self._count

    def set_epoch(self, epoch: int) -> None:
        """Which epoch the next pass is."""
        self._epoch = epoch

    def start_at(self, batch: int) -> None:
        """Let the next pass, and only that one, begin at this batch.

        Raises:
            ConfigError: the epoch has no such batch (one past the last is allowed and gives an empty pass).
        """
        if not 0 <= batch <= self._count:
            raise ConfigError(f"cannot start at batch {batch}: an epoch has {self._count}")
        self._start = batch

    def __iter__(self) -> Iterator[Batch]:
        start, self._start = self._start, 0
        keys = [(self._epoch, batch) for batch in range(start, self._count)]
        if self._workers == 0:
            return (self._batches[key] for key in keys)
        if self._pool is None:
            self._pool = DataLoader(
                _Reporting(self._batches),
                batch_size=None,
                sampler=self._plan,
                num_workers=self._workers,
                collate_fn=_as_is,
                persistent_workers=True,
                generator=torch.Generator(),
            )
        self._plan.keys = keys
        return _raising(iter(self._pool))


def _batch_count(total: int, batch_size: int, drop_last: bool, shuffle: bool, rank: int, world: int) -> int:
    full, rest = divmod(total, batch_size)
    share = rest // world if shuffle else (rest + world - 1 - rank) // world
    return full + (0 if drop_last or share == 0 else 1)


class _Plan:
    """The (epoch, batch) keys of the pass that is about to start."""

    def __init__(self) -> None:
        self.keys: list[tuple[int, int]] = []

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self.keys)

    def __len__(self) -> int:
        return len(self.keys)


class _Batches(Dataset[Batch]):
    """Maps (epoch, batch) to this process's share of that batch."""

    def __init__(
        self,
        samples: Samples,
        batch_size: int,
        seed: int,
        shuffle: bool,
        augment: AugmentConfig | None,
        rank: int,
        world: int,
    ) -> None:
        self._samples, self._batch_size, self._seed, self._shuffle = samples, batch_size, seed, shuffle
        self._augment, self._rank, self._world = augment, rank, world
        self._order: tuple[int, Tensor] | None = None

    def __getitem__(self, key: tuple[int, int]) -> Batch:
        epoch, batch = key
        whole = self._order_of(epoch)[batch * self._batch_size : (batch + 1) * self._batch_size]
        mine = self._share(len(whole))
        indices = whole[mine]
        inputs = self._samples.inputs(indices)
        if self._augment is not None:
            drawn = self._augment.draw(len(whole), inputs.shape[1:], generator(self._seed, epoch, AUGMENT, batch))
            inputs = self._augment.apply(inputs, {name: value[mine] for name, value in drawn.items()})
        return Batch(inputs=inputs, targets=self._samples.targets(indices), meta={"index": indices})

    def _order_of(self, epoch: int) -> Tensor:
        if not self._shuffle:
            return torch.arange(len(self._samples))
        if self._order is None or self._order[0] != epoch:
            order = torch.randperm(len(self._samples), generator=generator(self._seed, epoch, ORDER))
            self._order = (epoch, order)
        return self._order[1]

    def _share(self, size: int) -> slice:
        """This process's part of a batch of `size`.

        A last batch that does not divide loses its remainder when shuffled, so that all processes step together with
        equal shares; unshuffled (evaluation) every sample is kept and shares differ by one.
        """
        even, rest = divmod(size, self._world)
        if self._shuffle:
            return slice(self._rank * even, (self._rank + 1) * even)
        start = self._rank * even + min(self._rank, rest)
        return slice(start, start + even + (self._rank < rest))


class _Reporting(Dataset[Any]):
    """Gives a user's error back as a value, so that it crosses from a worker without a traceback in its message."""

    def __init__(self, batches: _Batches) -> None:
        self._batches = batches

    def __getitem__(self, key: tuple[int, int]) -> Batch | SpikeformersError:
        try:
            return self._batches[key]
        except SpikeformersError as error:
            return error


def _raising(batches: Iterator[Any]) -> Iterator[Batch]:
    for batch in batches:
        if isinstance(batch, SpikeformersError):
            raise batch
        yield batch


def _as_is(batch: Any) -> Any:
    return batch
