"""Batches as a pure function of (seed, epoch, batch): which samples, how changed, how mixed."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.utils.data import Dataset

from spikeformers.core.errors import DataError
from spikeformers.core.rng import generator
from spikeformers.core.types import Batch
from spikeformers.data.samples import Samples
from spikeformers.data.transforms.base import AugmentConfig
from spikeformers.data.transforms.mix import MixConfig, blend, one_hot

ORDER, AUGMENT, MIX = 0, 1, 2
"""What a generator is for; keeps the streams of random numbers apart."""


@dataclass(frozen=True)
class Recipe:
    """What is done to the samples of a batch.

    Attributes:
        augment: random changes of each sample.
        mix: mixing of samples with each other, after augmentation; targets become class probabilities [B, classes].
        classes: number of classes K; needed for mixing only.
        skip_corrupt: go on without samples that cannot be read.
    """

    augment: AugmentConfig | None = None
    mix: MixConfig | None = None
    classes: int = 0
    skip_corrupt: bool = False


class Batches(Dataset[Batch]):
    """Maps (epoch, batch) to this process's share of that batch.

    With `skip_corrupt`, a sample that cannot be read is replaced by the next in the order that can be (shuffled), or
    left out (unshuffled); `meta["skipped"]` tells why, by position. Both depend on the files alone, so resume stays exact.

    Args:
        samples: where samples come from.
        batch_size: samples of a batch over all processes together.
        seed: of order, augmentation and mixing.
        shuffle: a new order each epoch, or the samples' own.
        recipe: what is done to them.
        rank, world: which of how many processes this is.
    """

    def __init__(
        self, samples: Samples, batch_size: int, seed: int, shuffle: bool, recipe: Recipe, rank: int, world: int
    ) -> None:
        self._samples, self._batch_size, self._seed, self._shuffle = samples, batch_size, seed, shuffle
        self._recipe, self._rank, self._world = recipe, rank, world
        self._order: tuple[int, Tensor] | None = None

    def __getitem__(self, key: tuple[int, int]) -> Batch:
        """This process's share.

        Raises:
            DataError: a sample cannot be read, and is not to be skipped.
        """
        epoch, batch = key
        start = batch * self._batch_size
        whole = torch.arange(start, min(start + self._batch_size, len(self._samples)))  # positions in the order
        mine = torch.arange(len(whole))[self._share(len(whole))]
        recipe = self._recipe
        if recipe.mix is None:
            inputs, indices, skipped = self._changed(epoch, batch, whole, mine)
            targets = self._samples.targets(indices)
        else:
            drawn = recipe.mix.draw(len(whole), self._generator(epoch, MIX, batch))
            partners = drawn["partner"][mine]
            rows, places = torch.unique(torch.cat([mine, partners]), return_inverse=True)
            every, found, skipped = self._changed(epoch, batch, whole, rows)
            one, two = places[: len(mine)], places[len(mine) :]
            indices = found[one]
            labels = one_hot(self._samples.targets(found), recipe.classes)
            mixed, share = recipe.mix.apply(every[one], every[two], {k: v[mine] for k, v in drawn.items()})
            inputs, targets = mixed, blend(labels[one], labels[two], share)
        meta = {"index": indices, **({"skipped": skipped} if skipped else {})}
        return Batch(inputs=inputs, targets=targets, meta=meta)

    def _changed(self, epoch: int, batch: int, whole: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Mapping[int, str]]:
        """Samples `rows` of the batch at positions `whole`, augmented; their indices; what could not be read."""
        inputs, indices, kept, skipped = self._read(epoch, whole[rows])
        augment = self._recipe.augment
        if augment is None:
            return inputs, indices, skipped
        drawn = augment.draw(len(whole), inputs.shape[1:], self._generator(epoch, AUGMENT, batch))
        return augment.apply(inputs, {name: value[rows[kept]] for name, value in drawn.items()}), indices, skipped

    def _read(self, epoch: int, positions: Tensor) -> tuple[Tensor, Tensor, Tensor, Mapping[int, str]]:
        """Inputs and indices of the samples at positions of the order, which of them are there, and what was skipped."""
        order = self._order_of(epoch)
        indices = order[positions]
        everything = torch.arange(len(positions))
        try:
            return self._samples.inputs(indices), indices, everything, {}
        except DataError:
            if not self._recipe.skip_corrupt:
                raise
        skipped: dict[int, str] = {}
        found = [self._readable(order, int(position), skipped) for position in positions]
        kept = torch.tensor([row for row, one in enumerate(found) if one is not None], dtype=torch.int64)
        there = [one for one in found if one is not None]
        if not there:
            return torch.zeros(0), indices[:0], kept, skipped
        return torch.cat([one for _, one in there]), torch.tensor([index for index, _ in there]), kept, skipped

    def _readable(self, order: Tensor, position: int, skipped: dict[int, str]) -> tuple[int, Tensor] | None:
        """The sample at a position, or what takes its place.

        Raises:
            DataError: no sample can be read.
        """
        for step in range(len(order) if self._shuffle else 1):
            index = int(order[(position + step) % len(order)])
            try:
                return index, self._samples.inputs([index])
            except DataError as error:
                skipped[index] = str(error)
        if self._shuffle:
            raise DataError(f"none of the {len(order)} samples can be read; the first: {next(iter(skipped.values()))}")
        return None

    def _generator(self, epoch: int, purpose: int, batch: int) -> Generator:
        return generator(self._seed, epoch, purpose, batch)

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
