import os
import subprocess
import sys

import pytest
import torch

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.core.types import Batch
from spikeformers.data.loader import Loader
from spikeformers.data.samples import ArraySamples, Indices, as_indices
from spikeformers.data.transforms.image import Affine, CropFlip


def samples(n: int = 50) -> ArraySamples:
    torch.manual_seed(0)
    return ArraySamples(torch.rand(n, 1, 6, 6), torch.arange(n) % 5, "made up")


def loader(
    n: int = 50, batch_size: int = 12, *, shuffle: bool = True, rank: int = 0, world: int = 1, workers: int = 0
) -> Loader:
    return Loader(
        samples(n),
        batch_size,
        seed=3,
        shuffle=shuffle,
        augment=Affine(erase=0.5),
        rank=rank,
        world=world,
        workers=workers,
    )


def assert_same(one: list[Batch], two: list[Batch]) -> None:
    assert len(one) == len(two)
    for a, b in zip(one, two, strict=True):
        assert torch.equal(a.meta["index"], b.meta["index"])
        assert torch.equal(a.inputs, b.inputs)
        assert torch.equal(a.targets, b.targets)


def test_a_pass_holds_every_sample_once() -> None:
    seen = torch.cat([b.meta["index"] for b in loader()])
    assert torch.equal(seen.sort().values, torch.arange(50))


def test_an_epoch_is_repeatable_and_another_differs() -> None:
    one = loader()
    first, again = list(one), list(one)
    assert_same(first, again)
    one.set_epoch(1)
    assert not torch.equal(next(iter(one)).meta["index"], first[0].meta["index"])


def test_the_global_generator_is_neither_read_nor_moved() -> None:
    torch.manual_seed(1)
    first = list(loader())
    state = torch.get_rng_state()
    torch.manual_seed(2)
    assert_same(first, list(loader()))
    torch.manual_seed(1)
    list(loader())
    assert torch.equal(torch.get_rng_state(), state)


def test_a_pass_can_start_anywhere_and_goes_on_as_it_would_have() -> None:
    one = loader()
    one.set_epoch(4)
    whole = list(one)
    one.start_at(2)
    assert_same(list(one), whole[2:])
    assert_same(list(one), whole)
    one.start_at(len(one))
    assert list(one) == []


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("world", [2, 3])
def test_processes_together_see_the_batch_one_would_see(world: int, shuffle: bool) -> None:
    whole = list(loader(51, shuffle=shuffle))
    shares = [list(loader(51, shuffle=shuffle, rank=r, world=world)) for r in range(world)]
    for step, batch in enumerate(whole[:-1]):
        joined = torch.cat([share[step].inputs for share in shares])
        assert torch.equal(joined, batch.inputs)
    last = torch.cat([share[-1].meta["index"] for share in shares if len(share) == len(whole)])
    expected = whole[-1].meta["index"]
    kept = len(expected) - len(expected) % world if shuffle else len(expected)
    assert torch.equal(last, expected[:kept])


def test_evaluation_loses_no_sample_whatever_the_number_of_processes() -> None:
    for n in (48, 49, 50, 59):
        seen = torch.cat([b.meta["index"] for r in range(4) for b in loader(n, shuffle=False, rank=r, world=4)])
        assert torch.equal(seen.sort().values, torch.arange(n))


def test_workers_change_nothing() -> None:
    alone, helped = loader(), loader(workers=2)
    for epoch in (0, 1):
        for each in (alone, helped):
            each.set_epoch(epoch)
            each.start_at(epoch)
        state = torch.get_rng_state()
        assert_same(list(alone), list(helped))
        assert torch.equal(torch.get_rng_state(), state)


class Broken(ArraySamples):
    def inputs(self, indices: Indices) -> torch.Tensor:
        raise DataError("a.bin: damaged at byte 7")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_sample_stops_the_pass_with_its_own_message(workers: int) -> None:
    broken = Broken(torch.zeros(8, 1), torch.zeros(8), "made up")
    with pytest.raises(DataError) as caught:
        list(Loader(broken, 4, seed=0, shuffle=False, workers=workers))
    assert str(caught.value) == "a.bin: damaged at byte 7"


class Damaged(ArraySamples):
    """Samples of which some cannot be read."""

    def __init__(self, bad: set[int], n: int = 50) -> None:
        super().__init__(torch.arange(n).float().unsqueeze(1), torch.arange(n) % 5, "made up")
        self.bad = bad

    def inputs(self, indices: Indices) -> torch.Tensor:
        for index in as_indices(indices).tolist():
            if index in self.bad:
                raise DataError(f"{self.name(index)}: damaged at byte 7")
        return super().inputs(indices)


def damaged(bad: set[int], *, shuffle: bool, workers: int = 0, skip_corrupt: bool = True) -> Loader:
    return Loader(Damaged(bad), 12, seed=3, shuffle=shuffle, workers=workers, skip_corrupt=skip_corrupt)


def test_a_corrupt_sample_is_fatal_unless_skipping_is_asked_for() -> None:
    with pytest.raises(DataError, match="made up#17: damaged at byte 7"):
        list(damaged({17}, shuffle=True, skip_corrupt=False))


@pytest.mark.parametrize("workers", [0, 2])
def test_skipped_samples_are_named_and_training_batches_stay_full(workers: int) -> None:
    loader = damaged({3, 17, 40}, shuffle=True, workers=workers)
    batches = list(loader)
    assert [len(b) for b in batches] == [12, 12, 12, 12, 2]
    seen = torch.cat([b.meta["index"] for b in batches])
    assert not {3, 17, 40} & set(seen.tolist())
    assert set(range(50)) - set(seen.tolist()) == {3, 17, 40}
    assert torch.equal(torch.cat([b.inputs for b in batches]).squeeze(1).long(), seen)
    assert loader.skipped == {f"made up#{i}": f"made up#{i}: damaged at byte 7" for i in (3, 17, 40)}


def test_a_resumed_pass_skips_as_the_whole_one_did() -> None:
    loader = damaged({3, 17, 40}, shuffle=True)
    whole = list(loader)
    loader.start_at(2)
    assert_same(list(loader), whole[2:])


def test_in_evaluation_skipped_samples_are_left_out_and_never_replaced() -> None:
    bad = {0, 30, *range(12, 24)}
    loader = damaged(bad, shuffle=False)
    batches = list(loader)
    assert torch.cat([b.meta["index"] for b in batches]).tolist() == [i for i in range(50) if i not in bad]
    assert len(batches) == 4  # one batch held corrupt samples only
    assert len(loader.skipped) == len(bad)


def test_when_nothing_can_be_read_skipping_ends() -> None:
    with pytest.raises(DataError, match="none of the 50 samples can be read"):
        list(damaged(set(range(50)), shuffle=True))


class Dying(ArraySamples):
    def inputs(self, indices: Indices) -> torch.Tensor:
        os._exit(1)


def test_a_worker_that_is_killed_is_one_error() -> None:
    with pytest.raises(DataError, match="a process that prepares batches was killed"):
        list(Loader(Dying(torch.zeros(8, 1), torch.zeros(8), "made up"), 4, seed=0, shuffle=False, workers=1))


THREADED = """
import torch
from spikeformers.data.loader import Loader
from spikeformers.data.samples import ArraySamples
from spikeformers.data.transforms.image import Affine
torch.set_num_threads(2)
torch.rand(3_000_000).exp().sum()  # opens the pool of threads
samples = ArraySamples(torch.rand(16, 3, 224, 224), torch.arange(16), "made up")
print(len(list(Loader(samples, 8, seed=0, shuffle=True, augment=Affine(), workers=2))))
"""


def test_workers_do_not_hang_after_their_parent_used_several_threads() -> None:
    done = subprocess.run([sys.executable, "-c", THREADED], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "2\n", done.stderr


def test_drop_last_leaves_only_full_batches() -> None:
    full = Loader(samples(), 12, seed=0, shuffle=True, drop_last=True)
    assert [len(b) for b in full] == [12] * 4
    assert len(full) == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, "batch_size=0"),
        ({"batch_size": 9, "world": 2}, "batch_size=9"),
        ({"rank": 2, "world": 2}, "rank=2"),
        ({"workers": -1}, "workers=-1"),
        ({"batch_size": 64, "drop_last": True}, "no batch of 64"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(changes: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Loader(samples(), **{"batch_size": 10, "seed": 0, "shuffle": True, **changes})  # type: ignore[arg-type]


def test_starting_past_the_end_is_refused() -> None:
    with pytest.raises(ConfigError, match="start at batch 9"):
        loader().start_at(9)


def test_augmentation_by_crops_reaches_the_loader() -> None:
    with pytest.raises(ConfigError, match="padding=6"):
        next(iter(Loader(samples(), 10, seed=0, shuffle=True, augment=CropFlip(padding=6))))
