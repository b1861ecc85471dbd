"""The problems that are computed: what they ask, and that their seeds decide them."""

import math

import pytest
import torch

from spikeformers.core.errors import ConfigError
from spikeformers.data import DATASETS


def test_the_copy_asks_for_the_symbols_after_the_call() -> None:
    config = DATASETS.config("delayed_copy").but(symbols=4, items=3, delay=5, samples=50, eval_samples=20)
    part = config.build().train
    x, y = part.inputs(range(50)), part.targets(range(50))
    assert x.shape == (50, 11, 6)
    assert y.shape == (50, 11)
    assert (x.sum(2) == 1).all()
    told = x.argmax(2)
    assert (told[:, 7] == 5).all()  # the call, one step before the first answer
    assert not told[:, 3:7].any()
    assert not told[:, 8:].any()
    assert torch.equal(y[:, 8:], told[:, :3])
    assert not y[:, :8].any()
    assert set(told[:, :3].unique().tolist()) == {1, 2, 3, 4}


def test_the_sum_of_the_marked_numbers_is_asked_for() -> None:
    config = DATASETS.config("adding").but(length=20, samples=5000, eval_samples=20)
    part = config.build().train
    x, y = part.inputs(range(5000)), part.targets(range(5000))
    for half in (x[:, :10, 1], x[:, 10:, 1]):
        assert (half.sum(1) == 1).all()
        assert (half.sum(0) > 300).all()  # every step of a half is marked as often as any other: 500 times
    assert torch.allclose((x[..., 0] * x[..., 1]).sum(1), y)
    assert abs(float((y - 1).square().mean()) - 1 / 6) < 0.01
    assert 0 <= x.min() < x.max() <= 1


@pytest.mark.parametrize("name", ["delayed_copy", "adding"])
def test_seed_and_part_decide_the_samples(name: str) -> None:
    config = DATASETS.config(name).but(samples=30, eval_samples=10)
    splits, again, other = config.build(), config.build(), config.but(seed=1).build()
    assert (len(splits.train), len(splits.val), len(splits.test)) == (30, 10, 10)
    assert torch.equal(splits.train.inputs(range(30)), again.train.inputs(range(30)))
    assert not torch.equal(splits.train.inputs(range(30)), other.train.inputs(range(30)))
    assert not torch.equal(splits.val.inputs(range(10)), splits.test.inputs(range(10)))
    assert not torch.equal(splits.val.inputs(range(10)), splits.train.inputs(range(10)))
    assert config.info.shape == tuple(splits.test.inputs([0]).shape[1:])


def test_the_blind_answer_costs_what_the_card_says() -> None:
    config = DATASETS.config("delayed_copy").but(samples=2000)
    y = config.build().train.targets(range(2000))
    blind = (y > 0).float().mean() * math.log(8)
    assert abs(float(blind) - 10 * math.log(8) / 30) < 1e-6
    assert (y[y > 0].bincount()[1:] / (2000 * 10 / 8) - 1).abs().max() < 0.1


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("delayed_copy", "symbols", 1),
        ("delayed_copy", "items", 0),
        ("delayed_copy", "delay", 0),
        ("adding", "length", 1),
    ],
)
def test_settings_that_leave_no_problem_are_refused(name: str, field: str, value: int) -> None:
    with pytest.raises(ConfigError, match=f"{field}={value} must be at least"):
        DATASETS.config(name).but(**{field: value})
