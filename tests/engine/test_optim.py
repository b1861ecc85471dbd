"""Optimizers, which parameters they decay, and learning-rate schedules."""

import copy

import pytest
import torch
from torch import nn

from spikeformers.core.errors import ConfigError
from spikeformers.engine.average import WeightAverage
from spikeformers.engine.optim import OPTIMIZERS, split_decay
from spikeformers.engine.optim.adamw import AdamWConfig
from spikeformers.engine.optim.lamb import Lamb, LambConfig
from spikeformers.engine.optim.sgd import SGDConfig
from spikeformers.engine.schedule import SCHEDULES
from spikeformers.engine.schedule.constant import ConstantConfig
from spikeformers.engine.schedule.cosine import CosineConfig
from spikeformers.neurons import NEURONS


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), NEURONS.config("plif").build(), nn.Linear(3, 1))


def test_only_weights_of_layers_are_decayed() -> None:
    model = network()
    names = {id(p): n for n, p in model.named_parameters()}
    decayed, plain = split_decay(model)
    assert {names[id(p)] for p in decayed} == {"0.weight", "3.weight"}
    assert {names[id(p)] for p in plain} == set(names.values()) - {"0.weight", "3.weight"}
    groups = AdamWConfig(weight_decay=0.3).build(model).param_groups
    assert [g["weight_decay"] for g in groups] == [0.3, 0.0]


def test_frozen_parameters_are_left_out() -> None:
    model = nn.Linear(2, 2)
    model.weight.requires_grad_(False)
    assert split_decay(model) == ([], [model.bias])


@pytest.mark.parametrize("name", OPTIMIZERS.families())
def test_every_optimizer_descends_and_goes_on_exactly_from_its_state(name: str) -> None:
    torch.manual_seed(0)
    x, y = torch.randn(16, 4), torch.randn(16, 2)

    def steps(model: nn.Module, optimizer: torch.optim.Optimizer, count: int) -> float:
        for _ in range(count):
            optimizer.zero_grad()
            loss = (model(x) - y).square().mean()
            loss.backward()
            optimizer.step()
        return loss.item()

    config = OPTIMIZERS.config(name).but(lr=0.02)
    model = nn.Linear(4, 2)
    optimizer = config.build(model)
    first = steps(model, optimizer, 1)
    other = nn.Linear(4, 2)
    other.load_state_dict(model.state_dict())
    resumed = config.build(other)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert steps(model, optimizer, 30) < 0.9 * first
    steps(other, resumed, 30)
    assert torch.equal(model.weight, other.weight)


def test_lamb_scales_its_step_to_the_norm_of_the_weights() -> None:
    weight = nn.Parameter(torch.tensor([[3.0, 4.0]]))
    optimizer = Lamb([weight], lr=0.1, eps=0.0, weight_decay=0.5)
    weight.grad = torch.tensor([[1.0, -2.0]])
    optimizer.step()
    update = torch.tensor([[1.0 + 1.5, -1.0 + 2.0]])
    torch.testing.assert_close(weight.data, torch.tensor([[3.0, 4.0]]) - 0.1 * update * 5.0 / update.norm())


def test_lamb_takes_adam_s_step_without_decay() -> None:
    one, other = nn.Linear(3, 1), nn.Linear(3, 1)
    other.load_state_dict(one.state_dict())
    lamb = Lamb(one.parameters(), lr=0.1, eps=1e-8)
    adam = torch.optim.Adam(other.parameters(), lr=0.1)
    for _ in range(5):
        x = torch.randn(4, 3)
        for model, optimizer in ((one, lamb), (other, adam)):
            optimizer.zero_grad()
            model(x).square().sum().backward()
            optimizer.step()
    torch.testing.assert_close(one.weight, other.weight)


@pytest.mark.parametrize(
    ("cls", "fields"),
    [
        (AdamWConfig, {"lr": 0.0}),
        (AdamWConfig, {"betas": (0.9, 1.0)}),
        (LambConfig, {"betas": (-0.1, 0.9)}),
        (SGDConfig, {"momentum": 1.0}),
        (SGDConfig, {"momentum": 0.0, "nesterov": True}),
        (SGDConfig, {"weight_decay": -1.0}),
        (CosineConfig, {"warmup": 1.0}),
        (CosineConfig, {"floor": 2.0}),
    ],
)
def test_impossible_values_are_refused_by_name(cls: type, fields: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(reversed(fields))):
        cls(**fields)


@pytest.mark.parametrize("name", SCHEDULES.families())
def test_schedules_rise_to_one_and_never_leave_the_unit_interval(name: str) -> None:
    schedule = SCHEDULES.config(name).but(warmup=0.25)
    factors = [schedule.factor(step, 40) for step in range(40)]
    assert all(0.0 < factor <= 1.0 for factor in factors)
    assert factors[:10] == sorted(factors[:10])
    assert factors[10] == 1.0


def test_cosine_ends_at_its_floor_and_is_halfway_in_the_middle() -> None:
    schedule = CosineConfig(warmup=0.0, floor=0.2)
    assert schedule.factor(0, 10) == 1.0
    assert schedule.factor(5, 10) == pytest.approx(0.6)
    assert schedule.factor(10, 10) == pytest.approx(0.2)
    assert {ConstantConfig().factor(step, 10) for step in range(10)} == {1.0}


def test_the_average_follows_its_recursion_and_is_swapped_in_and_out() -> None:
    model = nn.BatchNorm1d(1)
    average = WeightAverage(model, 0.5)
    start = model.weight.item()
    with torch.no_grad():
        model.weight.fill_(2.0)
    model.num_batches_tracked.fill_(7)
    average.update(model)
    expected = start + (1 - 0.1) * (2.0 - start)
    average.exchange(model)
    assert model.weight.item() == pytest.approx(expected)
    assert int(model.num_batches_tracked) == 7
    average.exchange(model)
    assert model.weight.item() == 2.0
    for _ in range(20):
        average.update(model)
    before = average.tensors["weight"].clone()
    with torch.no_grad():
        model.weight.fill_(4.0)
    average.update(model)
    assert float(average.tensors["weight"]) == pytest.approx(float(before) * 0.5 + 2.0)
