"""Neurons given by equations, against trajectories worked out by hand or by an independent loop."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from spikeformers.core.carry import carry
from spikeformers.core.errors import ConfigError
from spikeformers.neurons import NEURONS, Neuron


def run(name: str, values: list[float], **fields: object) -> tuple[list[float], dict[str, list[float]]]:
    """Outputs of one neuron, and its states after each step, in double precision."""
    config = NEURONS.config(name).but(**fields)
    module = config.build(channels=1)
    assert isinstance(module, Neuron)
    module.double()
    outputs: list[float] = []
    states: dict[str, list[float]] = {}
    with torch.no_grad(), carry(module) as carried:
        for value in values:
            outputs.append(float(module(torch.full((1, 1, 1), value, dtype=torch.float64))))
            for key, state in carried[""].items():
                states.setdefault(key, []).append(float(state))
    return outputs, states


def test_lif_with_constant_input_follows_the_geometric_series() -> None:
    _, states = run("lif", [0.8] * 6, tau=4.0)
    assert states["v"] == pytest.approx([0.8 * (1 - 0.75 ** (t + 1)) for t in range(6)])


def test_decay_lif_adds_the_undamped_input() -> None:
    y, states = run("decay_lif", [0.4, 0.4, 0.4, 0.4], decay=0.5)
    assert y == [0, 0, 0, 0]
    assert states["v"] == pytest.approx([0.4, 0.6, 0.7, 0.75])


@pytest.mark.parametrize(("reset", "left"), [("hard", 0.0), ("soft", 0.5), ("none", 1.5)])
def test_reset_sets_subtracts_or_leaves(reset: str, left: float) -> None:
    y, states = run("decay_lif", [1.5], reset=reset)
    assert y == [1.0]
    assert states["v"] == [left]


@pytest.mark.parametrize(("strict", "fires"), [(False, 1.0), (True, 0.0)])
@pytest.mark.parametrize("name", ["decay_lif", "cuba_lif", "learnable_lif"])
def test_a_potential_exactly_at_the_threshold_fires_unless_strict(name: str, strict: bool, fires: float) -> None:
    assert run(name, [1.0], strict=strict)[0] == [fires]


def test_decay_after_fire_leaves_the_first_step_alone() -> None:
    _, before = run("decay_lif", [0.2, 0.2], decay=0.5, bias=0.1, init_v=0.4)
    _, after = run("decay_lif", [0.2, 0.2], decay=0.5, bias=0.1, init_v=0.4, decay_after_fire=True)
    assert before["v"] == pytest.approx([0.5, 0.55])
    assert after["v"] == pytest.approx([0.4, 0.4])


def test_decay_after_fire_without_bias_fires_as_the_usual_order() -> None:
    torch.manual_seed(0)
    values = (1.5 * torch.randn(50)).tolist()
    assert run("decay_lif", values)[0] == run("decay_lif", values, decay_after_fire=True)[0]


def test_subtracting_before_the_decay_is_the_soft_reset() -> None:
    torch.manual_seed(0)
    values = torch.randn(60).tolist()
    h = spike = 0.0
    expected = []
    for x in values:
        h = (h - spike) * 0.5 + x
        spike = float(h >= 1.0)
        expected.append(spike)
    assert run("decay_lif", values, reset="soft")[0] == expected


def test_decay_lif_equals_lif_with_undamped_input() -> None:
    torch.manual_seed(0)
    values = torch.randn(60).tolist()
    assert run("decay_lif", values, decay=0.75)[0] == run("lif", values, tau=4.0, decay_input=False)[0]


def test_learnable_lif_is_decay_lif_before_training() -> None:
    torch.manual_seed(0)
    values = torch.randn(40).tolist()
    y, states = run("learnable_lif", values, init_decay=0.3)
    expected, reference = run("decay_lif", values, decay=0.3)
    assert y == expected
    assert states["v"] == pytest.approx(reference["v"])


def test_refractory_neuron_is_silent_for_its_steps_and_ignores_its_input() -> None:
    y, states = run("refractory_lif", [10.0] * 7, refractory=2)
    assert y == [1, 0, 0, 1, 0, 0, 1]
    assert states["wait"] == [2, 1, 0, 2, 1, 0, 2]
    assert states["v"] == [0.0] * 7


def test_synaptic_current_decays_on_its_own() -> None:
    y, states = run("cuba_lif", [0.4, 0.0, 0.0], decay_synapse=0.5, decay=0.75)
    assert states["i"] == pytest.approx([0.4, 0.2, 0.1])
    assert states["v"] == pytest.approx([0.4, 0.5, 0.475])
    assert y == [0, 0, 0]


def test_adaptive_threshold_rises_with_every_spike() -> None:
    y, states = run("alif", [1.1, 1.1, 1.1], decay=0.0, adaptation=0.2, v_reset=0.0)
    assert y == [1, 0, 0]
    assert states["a"] == pytest.approx([1.0, 0.95, 0.9025])
    y, _ = run("alif", [1.1, 1.25, 1.1], decay=0.0, adaptation=0.2, v_reset=0.0)
    assert y == [1, 1, 0]


def test_quadratic_neuron_rests_below_the_critical_potential_and_runs_away_above() -> None:
    y, _ = run("qif", [0.0] * 40, v_reset=0.7)
    assert sum(y) == 0
    y, _ = run("qif", [0.0] * 40, v_reset=0.9)
    assert sum(y) > 0


def test_exponential_neuron_follows_its_formula() -> None:
    _, states = run("eif", [0.3])
    assert states["v"] == pytest.approx([-0.1 + (0.3 + 0.1 + math.exp(-0.9)) / 2])


def test_izhikevich_recovery_jumps_with_a_spike() -> None:
    y, states = run("izhikevich", [3.0], jump=0.5, coupling=0.0)
    assert y == [1.0]
    assert states["w"] == [0.5]


def test_hodgkin_huxley_stays_at_rest_without_current_and_fires_regularly_with_it() -> None:
    y, states = run("hodgkin_huxley", [0.0] * 400)
    assert sum(y) == 0
    assert states["v"][-1] == pytest.approx(-65.0, abs=0.1)
    y, states = run("hodgkin_huxley", [1.0] * 1600)  # 80 ms of 10 µA/cm²
    assert 4 <= sum(y) <= 7
    assert 30.0 < max(states["v"]) < 50.0
    assert all(0.0 <= g <= 1.0 for gate in "mhn" for g in states[gate])


def test_resonator_answers_to_its_own_frequency() -> None:
    def largest(omega: float) -> float:
        drive = [0.2 * math.sin(omega * t) for t in range(80)]
        return max(run("resonate", drive, omega=0.8, damping=0.05, v_threshold=100.0)[1]["v"])

    assert largest(0.8) > 2.0 * largest(0.5)
    assert largest(0.8) > 2.0 * largest(1.2)


def test_balanced_resonator_never_blows_up() -> None:
    _, states = run("balanced_resonate", [1.0] * 500, init_omega=40.0, gain=1.0)
    assert max(abs(v) for v in states["u"]) < 5.0


def test_complementary_potential_deepens_the_reset() -> None:
    _, states = run("clif", [1.5])
    assert states["m"] == [1.0]
    assert states["v"] == pytest.approx([1.5 - 1.0 - 1 / (1 + math.exp(-1.0))])


def test_klif_rectifies_and_scales() -> None:
    y, states = run("klif", [-3.0, 0.6], init_k=2.0)
    assert y == [0, 0]
    assert states["v"] == pytest.approx([0.0, 0.6])
    assert run("klif", [-3.0, 0.6], init_k=2.0, scale_reset=True)[1]["v"] == pytest.approx([0.0, 0.3])


def test_glif_with_open_and_shut_gates_is_a_leaky_neuron() -> None:
    gates = {"init_leak_gate": 1 - 1e-12, "init_input_gate": 1e-12, "init_reset_gate": 1 - 1e-12}
    y, states = run("glif", [0.3, 0.3, 0.3, 0.3], init_tau=0.5, v_threshold=0.5, **gates)
    assert states["v"] == pytest.approx([0.3, 0.45, 0.525, 0.3])
    assert y == [0, 0, 1, 0]


def test_integer_neuron_emits_counts_and_keeps_the_rest() -> None:
    y, states = run("ilif", [2.75, 9.0, -1.0], decay=0.5)
    assert y == [3.0, 4.0, 1.0]
    assert states["v"] == pytest.approx([-0.25, 4.875, 0.4375])


@pytest.mark.parametrize(("rounding", "counts"), [("half_even", [0, 2, 2, 4, 4]), ("half_up", [1, 2, 3, 4, 4])])
@pytest.mark.parametrize("name", ["ilif", "multispike"])
def test_both_roundings_of_a_half(name: str, rounding: str, counts: list[int]) -> None:
    fields = {"norm": 1.0} if name == "multispike" else {}
    y = [run(name, [x], rounding=rounding, **fields)[0][0] for x in (0.5, 1.5, 2.5, 3.5, 4.5)]
    assert y == counts


def test_normalized_integer_neuron_divides_after_rounding() -> None:
    y, _ = run("nilif", [1.2, 2.9], decay=0.0)
    assert y == [0.25, 0.75]


def test_gif_merges_integrate_and_fire_steps() -> None:
    y, states = run("gif", [0.3, 0.3, 9.0], levels=4, v_threshold=0.25, init_charge=0.0)
    assert y == [0.25, 0.25, 0.75]
    assert states["v"] == pytest.approx([0.05, 0.1, 8.35])


def test_negif_fires_both_ways_with_its_two_thresholds() -> None:
    y, states = run("negif", [1.0, -0.5, -0.002, 0.4, 0.7])
    assert y == [1, 0, -1, 0, 1]
    assert states["v"] == pytest.approx([0.0, -0.5, 0.0, 0.4, 0.0])


def test_soft_ternary_reset_moves_towards_zero() -> None:
    _, states = run("ternary", [-1.5, 1.6], decay=0.0, reset="soft")
    assert states["v"] == pytest.approx([-0.5, 0.6])


def test_delta_activation_sums_back_to_the_quantized_input() -> None:
    torch.manual_seed(0)
    values = torch.randn(20).tolist()
    y, _ = run("delta", values, init_step=0.25)
    sums = torch.tensor(y, dtype=torch.float64).cumsum(0)
    torch.testing.assert_close(sums, (torch.tensor(values, dtype=torch.float64) / 0.25).round() * 0.25)
    assert run("delta", [0.6, 0.6, 0.61], init_step=0.25)[0][1:] == [0.0, 0.0]


@pytest.mark.parametrize(("gradient", "sign"), [("official", -1.0), ("lsq", 1.0)])
def test_delta_step_learns_in_the_direction_asked_for(gradient: str, sign: float) -> None:
    module = NEURONS.config("delta").but(init_step=1.0, step_gradient=gradient).build()
    module(torch.tensor([[1.3]])).sum().backward()
    expected = -1.0 if gradient == "official" else 1.0 - 1.3
    assert module.size.grad == pytest.approx(expected)


def test_rectification_leaves_the_spikes_and_changes_the_gradient() -> None:
    values = torch.randn(30, 1, 1, generator=torch.Generator().manual_seed(0))
    plain = NEURONS.config("decay_lif").but(decay=1.0, v_threshold=0.5, strict=True, reset="none", surrogate="ste")
    mpr = NEURONS.config("mpr").build()
    h, spikes = torch.zeros(()), []
    for x in values.flatten():
        h = h + x
        spikes.append(float(h > 0.5))
        h = h - spikes[-1]
    assert mpr(values).flatten().tolist() == spikes

    def slope(module: torch.nn.Module) -> float:
        x = torch.tensor([[0.9]], requires_grad=True)
        module(x).sum().backward()
        assert x.grad is not None
        return float(x.grad)

    assert slope(plain.build()) == 1.0
    assert slope(mpr) == pytest.approx(1.5 / math.tanh(1.5) * (1 - math.tanh(1.2) ** 2), rel=1e-5)


@pytest.mark.parametrize(
    ("x", "phi"), [(-7.0, -1.0), (-0.5, -0.145), (0.2, 0.104), (0.8, 0.896), (1.3, 1.091), (8.0, 2.0)]
)
def test_rectification_has_the_published_values(x: float, phi: float) -> None:
    from spikeformers.kernels.scan.ops import TorchOps

    found = NEURONS.config("mpr")._rectified(TorchOps(), torch.tensor(x, dtype=torch.float64))  # type: ignore[attr-defined]
    assert float(found) == pytest.approx(phi, abs=6e-4)


def test_learned_width_of_one_is_a_lif_in_output_and_gradient() -> None:
    x = torch.randn(6, 3, 2, generator=torch.Generator().manual_seed(0))

    def result(name: str) -> tuple[Tensor, Tensor]:
        module, leaf = NEURONS.config(name).build(), x.clone().requires_grad_()
        y = module(leaf)
        y.square().sum().backward()
        assert leaf.grad is not None
        return y.detach(), leaf.grad

    (y, grad), (expected, wanted) = result("learned_width_lif"), result("lif")
    assert torch.equal(y, expected)
    torch.testing.assert_close(grad, wanted)


def test_diagonal_feedback_hears_the_last_output() -> None:
    y, _ = run("diagonal_recurrent", [2.0, 0.0, 0.0], init_feedback=2.0)
    assert y == [1, 1, 1]
    y, _ = run("diagonal_recurrent", [2.0, 2.0, 2.0], init_feedback=-2.0)
    assert y == [1, 0, 1]


def test_wrappers_refuse_neurons_without_equations() -> None:
    for name in ("recurrent", "diagonal_recurrent"):
        with pytest.raises(ConfigError, match="psn"):
            NEURONS.config(name).but(neuron="psn")


@pytest.mark.parametrize("name", ["lif", "klif", "clif", "refractory_lif", "stochastic_lif", "pdsg_lif", "noisy_lif"])
def test_a_time_constant_of_one_is_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigError, match="tau=1"):
        NEURONS.config(name).but(tau=1.0)


def test_no_reset_leaves_the_potential_of_a_spike() -> None:
    for name in ("if", "lif", "plif", "klif", "alif", "cuba_lif", "learned_width_lif"):
        y, states = run(name, [5.0, 0.0], no_reset=True)
        assert y[0] == 1.0, name
        assert states["v"][0] >= 1.0, name


@pytest.mark.parametrize(
    ("name", "fields", "x"),
    [
        ("if", {}, 1.0),
        ("lif", {}, 2.0),
        ("plif", {}, 2.0),
        ("klif", {}, 2.0),
        ("alif", {}, 1.0),
        ("clif", {}, 1.0),
        ("eif", {"v_reset": None, "v_rheobase": 1e6}, 2.0),
        ("qif", {"v_reset": None}, 2.0),
        ("izhikevich", {"v_rest": 0.0}, 2.0),
        ("glif", {"init_leak": 0.5}, 1.0),
        ("refractory_lif", {}, 2.0),
        ("balanced_resonate", {}, 1.0),
        ("ternary", {}, 1.0),
        ("mpr", {}, 0.5),
        ("mpbn_folded", {}, 0.5),
    ],
)
def test_every_neuron_fires_at_its_threshold_or_only_above(name: str, fields: dict[str, object], x: float) -> None:
    assert run(name, [x], strict=False, **fields)[0] == [1.0]
    assert run(name, [x], strict=True, **fields)[0] == [0.0]


def test_ternary_without_reset_and_with_strict_edges() -> None:
    y, states = run("ternary", [-1.0, 1.0], decay=0.0, reset="none")
    assert y == [-1, 1]
    assert states["v"] == [-1.0, 1.0]
    assert run("ternary", [-1.0], strict=True)[0] == [0.0]


def test_refractory_around_lif_is_the_refractory_lif() -> None:
    torch.manual_seed(0)
    values = (3.0 * torch.rand(60)).tolist()
    y, states = run("refractory", values, refractory=3)
    expected, reference = run("refractory_lif", values, refractory=3)
    assert y == expected
    assert states["v"] == reference["v"]
    assert 0 < sum(y) < 20


@pytest.mark.parametrize("name", ["if", "alif", "izhikevich", "ilif", "ternary", "clif"])
def test_any_neuron_can_rest_after_a_spike(name: str) -> None:
    torch.manual_seed(0)
    values = (3.0 * torch.rand(40)).tolist()
    y, _ = run("refractory", values, neuron=name, refractory=2)
    fired = [t for t, spike in enumerate(y) if spike]
    assert len(fired) > 4
    assert min(b - a for a, b in itertools.pairwise(fired)) == 3


@pytest.mark.parametrize(
    ("name", "constants"),
    [
        ("lif", ("tau", "v_threshold", "v_reset")),
        ("alif", ("decay", "decay_adaptation", "adaptation", "v_threshold")),
        ("izhikevich", ("tau", "curvature", "v_critical", "tau_recovery", "coupling", "jump")),
        ("hodgkin_huxley", ("g_sodium", "g_potassium", "g_leak", "gain")),
    ],
)
def test_learned_constants_start_as_the_neuron_and_each_gets_a_gradient(name: str, constants: tuple[str, ...]) -> None:
    torch.manual_seed(0)
    x = 2.0 * torch.randn(12, 3, 4, dtype=torch.float64)
    neuron = NEURONS.config(name)
    if name != "hodgkin_huxley":
        neuron = neuron.but(v_reset=0.1)  # learned away from 0, where its gradient vanishes with the potential
    module = NEURONS.config("learned").but(neuron=neuron, constants=constants, bias=True, channelwise=True)
    built = module.build(channels=4).double()
    y = built(x.unsqueeze(-1)) if x.dim() == 2 else built(x)
    torch.testing.assert_close(y, neuron.build().double()(x))
    y.sum().backward()
    for label in (*constants, "bias"):
        grad = built.get_parameter(label).grad
        assert grad is not None
        assert grad.shape == (4,)
        assert grad.abs().sum() > 0, label


def test_a_learned_threshold_acts_as_a_threshold() -> None:
    module = NEURONS.config("learned").but(constants=("v_threshold",), channelwise=True).build(channels=2)
    with torch.no_grad():
        module.get_parameter("v_threshold").copy_(torch.tensor([0.5, 3.0]))
    assert module(torch.full((1, 1, 2), 2.0)).flatten().tolist() == [1.0, 0.0]


def test_a_time_constant_is_learned_as_that_of_plif() -> None:
    x = torch.randn(6, 3, 2, generator=torch.Generator().manual_seed(0)).double()
    learned = NEURONS.config("learned").but(constants=("tau",)).build().double()
    plif = NEURONS.config("plif").build().double()
    for module in (learned, plif):
        with torch.no_grad():
            next(module.parameters()).fill_(-0.7)
        module(x).sum().backward()
    torch.testing.assert_close(learned(x), plif(x))
    torch.testing.assert_close(learned.get_parameter("tau").grad, plif.get_parameter("w").grad)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"constants": ("v_treshold",)}, "v_threshold"),
        ({"constants": ("tau", "tau")}, "twice"),
        ({"constants": ("v_reset",), "neuron": NEURONS.config("lif").but(v_reset=None)}, "no number 'v_reset'"),
        ({"constants": ("decay",), "neuron": "mpr"}, "between 0 and 1"),
        ({"constants": ()}, "nothing to learn"),
        ({"neuron": "psn"}, "psn"),
    ],
)
def test_what_cannot_be_learned_is_refused_by_name(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        NEURONS.config("learned").but(**fields)


def test_a_constant_without_effect_is_refused_when_built() -> None:
    with pytest.raises(ConfigError, match="'init_tau' has no effect"):
        NEURONS.config("learned").but(neuron="plif", constants=("init_tau",)).build()


@pytest.mark.parametrize(("name", "inner"), [("refractory", "multispike"), ("refractory", "refractory")])
def test_a_rest_needs_a_state_and_is_there_once(name: str, inner: str) -> None:
    with pytest.raises(ConfigError, match="goes around one with a state"):
        NEURONS.config(name).but(neuron=inner)


def test_adaptation_current_follows_the_potential_and_jumps_with_a_spike() -> None:
    y, states = run("adex", [0.3, 9.0], v_rheobase=1e6, v_reset=0.4, coupling=0.5, jump=0.25, tau_adaptation=4.0)
    assert y == [0, 1]
    assert states["v"] == pytest.approx([0.35, 0.4])
    assert states["w"] == pytest.approx([0.05, 0.05 + (0.5 * 0.35 - 0.05) / 4 + 0.25])


def test_analog_fire_emits_the_potential_and_resets_it_as_a_lif() -> None:
    y, states = run("liaf", [0.6, 2.0, -1.0, 0.5])
    assert y == pytest.approx([0.3, 1.15, 0.0, 0.0])
    assert states["v"] == pytest.approx([0.3, 0.0, -0.5, 0.0])
    assert run("liaf", [0.6, 2.0], above_threshold=True)[0] == pytest.approx([0.0, 0.65])
