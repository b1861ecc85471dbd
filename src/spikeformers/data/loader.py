"""Iterating batches, in this process or prepared ahead by workers."""

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from spikeformers.core.errors import ConfigError, DataError, SpikeformersError
from spikeformers.core.types import Batch
from spikeformers.data.batches import Batches, Recipe
from spikeformers.data.samples import Samples
from spikeformers.data.transforms.base import AugmentConfig
from spikeformers.data.transforms.mix import MixConfig


class Loader:
    """Iterates batches of samples; one pass is one epoch.

    Order, augmentation and mixing depend on (seed, epoch, batch index) alone: not on the number of workers, on where the
    pass was started, or on how many processes share the batches. `meta["index"]` of a batch holds the samples' positions.

    Args:
        samples: what to iterate.
        batch_size: samples of one step over all processes together; each gets an equal, consecutive share.
        seed: of order and augmentation.
        shuffle: a new order each epoch (training), or the samples' own order (evaluation).
        augment: random changes of the inputs; for training samples only.
        mix: mixing of samples within a batch, which makes targets class probabilities [B, classes]; needs `shuffle`.
        classes: number of classes; needed where samples are mixed.
        skip_corrupt: go on without samples that cannot be read, and name them in `skipped`; otherwise the first is fatal.
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
        mix: MixConfig | None = None,
        classes: int = 0,
        skip_corrupt: bool = False,
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
        if mix is not None and (not shuffle or classes < 1):
            raise ConfigError(
                f"mix {mix.family!r} needs shuffled (training) samples of known classes (classes={classes})"
            )
        recipe = Recipe(augment, mix, classes, skip_corrupt)
        self.skipped: dict[str, str] = {}
        """Samples that could not be read in the batches given so far, by name, and why."""
        self._samples = samples
        self._batches = Batches(samples, batch_size, seed, shuffle, recipe, rank, world)
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
            return self._given(self._batches[key] for key in keys)
        if self._pool is None:
            self._pool = DataLoader(
                _Reporting(self._batches),
                batch_size=None,
                sampler=self._plan,
                num_workers=self._workers,
                collate_fn=_as_is,
                persistent_workers=True,
                generator=torch.Generator(),
                worker_init_fn=_alone,
            )
        self._plan.keys = keys
        return self._given(_raising(iter(self._pool)))

    def _given(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Batches on their way out: what was skipped is noted, empty ones (of corrupt samples only) are passed over."""
        for batch in batches:
            for index, reason in batch.meta.pop("skipped", {}).items():
                self.skipped[self._samples.name(index)] = reason
            if len(batch):
                yield batch


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


class _Reporting(Dataset[Any]):
    """Gives a user's error back as a value, so that it crosses from a worker without a traceback in its message."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches

    def __getitem__(self, key: tuple[int, int]) -> Batch | SpikeformersError:
        try:
            return self._batches[key]
        except SpikeformersError as error:
            return error


def _raising(batches: Iterator[Any]) -> Iterator[Batch]:
    while True:
        try:
            batch = next(batches)
        except StopIteration:
            return
        except RuntimeError as error:
            if "exited unexpectedly" not in str(error):
                raise
            raise DataError(
                f"a process that prepares batches was killed, perhaps for want of memory ({str(error).splitlines()[0]}); "
                "lower workers or the batch size"
            ) from None
        if isinstance(batch, SpikeformersError):
            raise batch
        yield batch


def _alone(worker: int) -> None:
    """Keep a worker to one thread: it shares the cores with training, and a forked process that opens a parallel
    region after its parent used OpenMP waits forever for threads it does not have."""
    torch.set_num_threads(1)


def _as_is(batch: Any) -> Any:
    return batch
