import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data.base import DATASETS, carve_validation
from spikeformers.data.samples import ArraySamples, Subset, balanced_first, stratified


def made_up(n: int = 40) -> ArraySamples:
    return ArraySamples(
        torch.arange(n * 4, dtype=torch.uint8).view(n, 1, 2, 2), torch.arange(n) % 4, "made up", scale=255
    )


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(0, 5))
def test_stratified_parts_are_disjoint_complete_and_balanced(labels: list[int], seed: int) -> None:
    y = torch.tensor(labels)
    parts = stratified(y, (0.2, 0.3), seed)
    assert torch.equal(torch.cat(parts).sort().values, torch.arange(len(y)))
    for label in y.unique():
        total = int((y == label).sum())
        for part, share in zip(parts, (0.2, 0.3, 0.5), strict=True):
            assert abs(int((y[part] == label).sum()) - share * total) <= 2


def test_the_seed_decides_the_split() -> None:
    y = torch.zeros(50, dtype=torch.int64)
    assert torch.equal(stratified(y, [0.5], 1)[0], stratified(y, [0.5], 1)[0])
    assert not torch.equal(stratified(y, [0.5], 1)[0], stratified(y, [0.5], 2)[0])


def test_bytes_are_scaled_to_the_unit_range() -> None:
    x = made_up().inputs([0, 39])
    assert x.dtype == torch.float32
    assert torch.equal(x[1].flatten() * 255, torch.tensor([156.0, 157.0, 158.0, 159.0]))


def test_a_limit_takes_the_same_number_of_each_class_in_order() -> None:
    few = balanced_first(made_up(), 9)
    assert few.targets(range(9)).bincount().tolist() == [3, 2, 2, 2]
    assert [few.name(i) for i in range(9)] == [f"made up#{i}" for i in range(9)]
    assert len(balanced_first(made_up(), None)) == len(balanced_first(made_up(), 99)) == 40


def test_subsets_of_subsets_keep_their_names() -> None:
    inner = Subset(Subset(made_up(), torch.tensor([5, 6, 7])), torch.tensor([2]))
    assert inner.name(0) == "made up#7"
    assert inner.targets([0]).tolist() == [3]


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 0.01])
def test_a_validation_part_of_nothing_is_refused(fraction: float) -> None:
    with pytest.raises(ConfigError, match="val_fraction"):
        carve_validation(made_up(), fraction, 0)


def test_bad_samples_are_refused_with_their_place() -> None:
    with pytest.raises(DataError, match="3 samples but 2 labels"):
        ArraySamples(torch.zeros(3, 1), torch.zeros(2), "here")
    x = torch.zeros(3, 2)
    x[1, 0] = torch.nan
    with pytest.raises(DataError, match="here sample 1 holds values that are not finite"):
        ArraySamples(x, torch.zeros(3), "here")


@pytest.mark.parametrize(
    "name", [n for n in DATASETS.names() if not (i := DATASETS.config(n).info).mirror and len(i.shape) in (3, 4)]
)
def test_what_must_not_be_mirrored_refuses_augmentation_that_mirrors(name: str) -> None:
    with pytest.raises(ConfigError, match="set flip=0"):
        DATASETS.config(name).but(augment="crop_flip")


def test_limits_below_one_are_refused() -> None:
    with pytest.raises(ConfigError, match="limit=0"):
        DATASETS.config("digits").but(limit=0)


def test_augmentation_for_other_axes_is_refused() -> None:
    with pytest.raises(ConfigError, match="'event_drop' changes samples of 4 axes, but those of CIFAR-10 have shape"):
        DATASETS.config("cifar10").but(augment="event_drop")
    assert DATASETS.config("n_mnist").but(augment="event_drop").augment is not None
