"""Hand-counted tiny networks: every number below was counted on paper."""

import pytest
import torch
from torch import Tensor, nn

from spikeformers import energy
from spikeformers.core.carry import carry
from spikeformers.core.errors import ConfigError, ShapeError
from spikeformers.energy.rows import Row
from spikeformers.layers.time import over_time
from spikeformers.neurons import IF, LIF


class OverTime(nn.Module):
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        return over_time(self.module, x)


class Product(nn.Module):
    """Both association orders of softmax-free attention."""

    def __init__(self, keys_first: bool = False) -> None:
        super().__init__()
        self.keys_first = keys_first

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return q @ (k.mT @ v) if self.keys_first else (q @ k.mT) @ v


def rows(model: nn.Module, *inputs: Tensor, **given: int) -> dict[tuple[str, str], Row]:
    with torch.no_grad(), energy.count(model, **given) as meter:
        model(*inputs)
    return {(r.path, r.kind): r for r in meter.rows()}


def test_binary_input_of_a_linear_layer_is_accumulates() -> None:
    x = torch.tensor([[[1.0, 0.0, 1.0]], [[0.0, 0.0, 1.0]]])  # T=2, B=1, 3 spikes in all
    row = rows(nn.Linear(3, 5), x, steps=2)["", "linear"]
    assert (row.dense_macs, row.macs, row.acs, row.operand) == (2 * 15, 0, 3 * 5, "binary")
    assert row.step_acs == [10, 5]
    assert row.rate == 0.5


def test_integer_spikes_count_by_their_value_and_ternary_by_their_size() -> None:
    integer = rows(nn.Linear(3, 5), torch.tensor([[3.0, 0.0, 2.0]]))["", "linear"]
    assert (integer.operand, integer.acs, integer.events, integer.levels) == ("integer", 25, 10, 3)
    ternary = rows(nn.Linear(3, 5), torch.tensor([[-1.0, 0.0, 1.0]]))["", "linear"]
    assert (ternary.operand, ternary.acs) == ("ternary", 10)


def test_analog_input_is_multiply_accumulates_whatever_zeros_it_has() -> None:
    row = rows(nn.Linear(3, 5), torch.tensor([[0.3, 0.0, 1.7]]))["", "linear"]
    assert (row.operand, row.macs, row.acs, row.events, row.spike_driven) == ("analog", 15, 0, 10, False)


def test_scaled_spikes_are_spikes_after_a_neuron_only() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.neuron, self.linear = IF(), nn.Linear(2, 3, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(0.3 * self.neuron(x))

    x = torch.tensor([[[1.0, 0.0]], [[1.0, 1.0]]])
    after = rows(Scaled(), x)["linear", "linear"]
    assert (after.operand, after.acs, after.macs) == ("scaled", 9, 0)
    before = rows(nn.Linear(2, 3), 0.3 * x[:, 0])["", "linear"]
    assert (before.operand, before.macs) == ("analog", 12)


@pytest.mark.parametrize(
    ("position", "fan_out"),
    [((0, 0), 4), ((0, 1), 6), ((1, 1), 9), ((3, 3), 4)],
    ids=["corner", "edge", "inside", "far corner"],
)
def test_a_spike_at_the_border_of_a_convolution_drives_fewer_synapses(position: tuple[int, int], fan_out: int) -> None:
    x = torch.zeros(1, 1, 4, 4)
    x[0, 0, position[0], position[1]] = 1.0
    row = rows(nn.Conv2d(1, 7, 3, padding=1), x)["", "conv"]
    assert (row.acs, row.dense_macs) == (7 * fan_out, 16 * 9 * 7)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 6, 3, stride=2, padding=1),
        nn.Conv2d(4, 6, (3, 2), stride=(1, 2), padding=(2, 0), dilation=(2, 1)),
        nn.Conv2d(4, 8, 3, padding=1, groups=2),
        nn.Conv2d(4, 4, 3, padding=1, groups=4),
        nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1),
        nn.ConvTranspose2d(4, 6, 2, groups=2),
        nn.Conv2d(4, 6, 3, padding="same"),
    ],
    ids=["strided", "dilated", "grouped", "depthwise", "transposed", "transposed grouped", "same"],
)
def test_fan_out_equals_the_response_of_an_all_ones_kernel(layer: nn.Conv2d) -> None:
    x = torch.poisson(torch.full((3, 4, 7, 6), 0.4))
    row = rows(layer, x)["", "conv"]
    with torch.no_grad():
        layer.weight.fill_(1.0)
        layer.bias.zero_()
        expected = layer(x).sum()
    assert row.acs == float(expected)


def test_one_dimensional_and_three_dimensional_convolutions_are_counted() -> None:
    line = rows(nn.Conv1d(1, 2, 3, padding=1), torch.ones(1, 1, 4))["", "conv"]
    assert (line.acs, line.dense_macs) == (2 * (2 + 3 + 3 + 2), 2 * 4 * 3)
    cube = rows(nn.Conv3d(1, 2, 2), torch.ones(1, 1, 2, 2, 2))["", "conv"]
    assert (cube.acs, cube.dense_macs) == (16, 16)


def test_a_product_of_two_spike_tensors_counts_coincidences() -> None:
    q = torch.tensor([[[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]])
    k = torch.tensor([[[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]]])
    v = torch.tensor([[[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]]])
    found = rows(Product(), q, k, v)
    # qkᵀ = [[1, 2], [1, 0]]: four coincidences; times v: columns of the scores have 2 and 1 non-zeros, rows of v 1 and 2
    assert found["[0]", "product"].acs == 4
    assert found["[1]", "product"].acs == 2 * 1 + 1 * 2
    assert found["[0]", "product"].macs == found["[1]", "product"].macs == 0
    assert found["[0]", "product"].dense_macs == 2 * 2 * 3
    swapped = rows(Product(keys_first=True), q, k, v)
    # kᵀv = [[2, 1, 0], [1, 0, 0], [1, 1, 0]]: rows of k·v pairs 2·1 + 2·2; q's columns 1, 1, 1 × non-zeros 2, 1, 2
    assert swapped["[0]", "product"].acs == 2 * 1 + 2 * 2
    assert swapped["[1]", "product"].acs == 2 + 1 + 2
    assert swapped["[0]", "product"].dense_macs == 3 * 2 * 3


def test_a_product_of_spikes_with_analog_activations_is_accumulates_of_the_spikes() -> None:
    class Gate(nn.Module):
        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return a @ b

    spikes, analog = torch.tensor([[[1.0, 0.0], [1.0, 1.0]]]), torch.randn(1, 2, 4)
    row = rows(Gate(), spikes, analog)["[0]", "product"]
    assert (row.acs, row.macs, row.operand, row.partner) == (3 * 4, 0, "binary", "analog")
    row = rows(Gate(), analog.mT, spikes)["[0]", "product"]
    assert (row.acs, row.operand) == (3 * 4, "binary")
    row = rows(Gate(), analog, analog.mT)["[0]", "product"]
    assert (row.macs, row.acs) == (2 * 4 * 2, 0)


@pytest.mark.parametrize("equation", ["bnd,bmd->bnm", "bnd,bne->bde"])
def test_einsum_is_seen(equation: str) -> None:
    class Sum(nn.Module):
        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return torch.einsum(equation, a, b)

    a, b = torch.ones(1, 4, 3), torch.ones(1, 4, 3)
    found = [r for r in rows(Sum(), a, b).values() if r.kind == "product"]
    assert len(found) == 1
    assert found[0].macs == 0
    assert found[0].acs == found[0].dense_macs


def spiking_net() -> nn.Sequential:
    return nn.Sequential(
        OverTime(nn.Conv2d(1, 2, 3, padding=1, bias=False)),
        OverTime(nn.BatchNorm2d(2)),
        LIF(tau=2.0),
        OverTime(nn.Conv2d(2, 3, 1, bias=False)),
    ).eval()


def test_direct_coded_input_is_charged_once_and_changing_input_at_every_step() -> None:
    image = torch.rand(2, 1, 4, 4)
    dense = 4 * 2 * 16 * 9 * 2
    same = rows(spiking_net(), image.expand(4, -1, -1, -1, -1))["0.module", "conv"]
    assert (same.macs, same.repeats, same.dense_macs) == (dense / 4, 4, dense)
    copied = rows(spiking_net(), image.repeat(4, 1, 1, 1, 1))["0.module", "conv"]
    assert (copied.macs, copied.repeats, copied.dense_macs) == (dense / 4, 4, dense)
    changing = rows(spiking_net(), torch.rand(4, 2, 1, 4, 4))["0.module", "conv"]
    assert (changing.macs, changing.repeats) == (dense, 1)


def test_lif_costs_two_additions_a_shift_a_comparison_and_a_select_per_step() -> None:
    found = rows(spiking_net(), torch.rand(4, 2, 1, 4, 4))
    updates = 4 * 2 * 2 * 16
    assert found["2", "neuron"].primitives == {
        "add": 2 * updates,
        "shift": updates,
        "compare": updates,
        "select": updates,
    }
    assert found["2", "neuron"].states == 1


def test_a_neurons_cost_follows_its_equation() -> None:
    x = torch.rand(1, 1, 1)
    assert rows(IF(), x)["", "neuron"].primitives == {"add": 1, "compare": 1, "select": 1}
    assert rows(LIF(tau=3.0), x)["", "neuron"].primitives["mul"] == 1
    soft = rows(LIF(v_reset=None), x)["", "neuron"].primitives
    assert soft["add"] == 3


def test_norm_after_a_weighted_layer_is_folded_and_elsewhere_charged() -> None:
    found = rows(spiking_net(), torch.rand(4, 2, 1, 4, 4))
    assert found["1.module", "norm"].primitives == {}
    assert found["1.module", "norm"].folded == {"mul": 256, "add": 256}
    alone = rows(nn.BatchNorm2d(2).eval(), torch.rand(1, 2, 4, 4))["", "norm"]
    assert alone.primitives == {"mul": 32, "add": 32}


def test_relu_pooling_residual_and_scale_have_rows() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.relu, self.pool = nn.ReLU(), nn.MaxPool2d(2)

        def forward(self, x: Tensor) -> Tensor:
            return self.pool(self.relu(x) + x) * 0.25

    found = rows(Mixed(), torch.randn(1, 1, 4, 4))
    assert found["relu", "activation"].primitives == {"compare": 16}
    assert found["pool", "pool"].primitives == {"compare": 12}
    assert found["", "residual"].primitives == {"add": 16}
    assert found["", "scale"].primitives == {"shift": 4}


def test_a_spike_residual_adds_only_where_there_are_spikes() -> None:
    class Residual(nn.Module):
        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return a + b

    found = rows(Residual(), torch.tensor([1.0, 0.0, 0.0, 1.0]), torch.randn(4))
    assert found["", "residual"].primitives == {"add": 2}


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_counts_do_not_depend_on_the_gradient_mode(context: type) -> None:
    model, x = spiking_net(), torch.rand(4, 2, 1, 4, 4)
    with torch.no_grad(), energy.count(model) as meter:
        expected = model(x)
    with context(), energy.count(model) as other:
        assert torch.equal(model(x), expected)
    assert [(r.path, r.macs, r.acs) for r in other.rows()] == [(r.path, r.macs, r.acs) for r in meter.rows()]


def test_autocast_keeps_spikes_spikes_and_weights_weights() -> None:
    model, x = spiking_net(), torch.rand(4, 2, 1, 4, 4)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16), energy.count(model) as meter:
        model(x)
    kinds = {r.path: (r.kind, r.operand) for r in meter.rows() if r.kind == "conv"}
    assert kinds == {"0.module": ("conv", "analog"), "3.module": ("conv", "binary")}


def test_rates_are_given_by_layer_and_step() -> None:
    neuron = IF()
    x = torch.tensor([[[1.0, 0.0]], [[1.0, 1.0]]])
    with energy.count(neuron) as meter:
        neuron(x)
    assert meter.firing()[""].rates == [0.5, 1.0]
    assert meter.firing_rate == 0.75


def test_several_batches_are_averaged_with_spread() -> None:
    model = nn.Linear(4, 2)
    with energy.count(model) as meter:
        model(torch.tensor([[1.0, 1.0, 0.0, 0.0]]))
        model(torch.tensor([[1.0, 0.0, 0.0, 0.0]]))
    assert meter.per_sample("acs") == (3.0, pytest.approx(2**0.5))


def test_nothing_of_the_counter_stays_on_the_model() -> None:
    model = spiking_net()
    before = {name: set(vars(m)) for name, m in model.named_modules()}
    with energy.count(model):
        model(torch.rand(4, 2, 1, 4, 4))
    assert {name: set(vars(m)) for name, m in model.named_modules()} == before
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_counting_twice_at_once_is_refused() -> None:
    model = nn.Linear(1, 1)
    with energy.count(model), pytest.raises(ConfigError, match="already being counted"), energy.count(model):
        pass


def test_a_call_that_fails_leaves_no_pass() -> None:
    model = spiking_net()
    with energy.count(model) as meter:
        with pytest.raises(RuntimeError):
            model(torch.rand(4, 2, 7, 4, 4))
        model(torch.rand(4, 2, 1, 4, 4))
    assert len(meter.passes) == 1


def test_no_steps_are_refused() -> None:
    model = spiking_net()
    with energy.count(model), pytest.raises(ShapeError, match="T"):
        model(torch.rand(0, 2, 1, 4, 4))


def test_a_meter_that_saw_nothing_says_so() -> None:
    with energy.count(nn.Linear(1, 1)) as meter:
        pass
    with pytest.raises(ConfigError, match="nothing was counted"):
        meter.rows()


def test_an_operator_without_a_rule_is_flagged() -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.lgamma(x)

    model = Odd()
    with energy.count(model) as meter:
        model(torch.rand(3))
    assert any("lgamma" in flag for flag in meter.flags())


def test_large_whole_numbers_at_the_input_are_remarked() -> None:
    model = nn.Sequential(nn.Linear(2, 2), IF())
    with torch.no_grad(), energy.count(model) as meter:
        model(torch.tensor([[[255.0, 3.0]]]))
    assert any("whole numbers up to 255" in flag for flag in meter.flags())


def test_chunks_of_a_carried_sequence_are_passes_of_their_own() -> None:
    model, x = nn.Sequential(nn.Linear(3, 2), IF()), torch.rand(6, 1, 3)
    with torch.no_grad(), carry(model), energy.count(model) as meter:
        model(x[:3])
        model(x[3:])
    assert [(p.steps, p.samples) for p in meter.passes] == [(3, 1), (3, 1)]
    with torch.no_grad(), energy.count(model) as mixed:
        model(x[:2])
        model(x[:3])
    with pytest.raises(ConfigError, match=r"T=\[2, 3\]"):
        _ = mixed.steps
