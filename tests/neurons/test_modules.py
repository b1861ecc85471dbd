"""Neurons that are modules: batch statistics, randomness, matrices over steps or channels; codes and unrolling."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from spikeformers.core.carry import carry
from spikeformers.core.errors import ConfigError, ShapeError
from spikeformers.neurons import NEURONS
from spikeformers.neurons.codes import encode
from spikeformers.neurons.egru import EGRU, EGRUConfig
from spikeformers.neurons.hoyer import hoyer_regularizer
from spikeformers.neurons.multispike import gather, unroll


def neuron(name: str, *, channels: int | None = 3, axis: int = 2, **fields: object) -> nn.Module:
    return NEURONS.config(name).but(**fields).build(channels=channels, axis=axis)


@pytest.mark.parametrize("name", ["multispike", "ie_lif", "ie_lif_attention", "ilif", "nilif", "ilif_e3dsnn"])
def test_a_linear_layer_sees_the_same_in_integers_and_in_unrolled_spikes(name: str) -> None:
    config = NEURONS.config(name)
    x = 3.0 * torch.randn(3, 2, 5)
    scale = getattr(config, "norm", config.levels if getattr(config, "normalize", False) else 1.0)
    y = config.build()(x)
    spikes = unroll(y * scale, config.levels)
    weight = torch.randint(-8, 9, (4, 5)).float()
    assert spikes.shape[0] == 3 * config.levels
    assert set(spikes.unique().tolist()) <= {0.0, 1.0}
    assert torch.equal(gather(spikes @ weight.T, config.levels), (y * scale) @ weight.T)


def test_unrolled_steps_of_one_step_are_neighbors_with_the_spikes_first() -> None:
    counts = torch.tensor([[2.0], [-1.0]])
    assert unroll(counts, 3).flatten().tolist() == [1, 1, 0, -1, 0, 0]


@pytest.mark.parametrize("counts", [0.5, 5.0, -5.0, float("nan")])
def test_unroll_refuses_what_is_no_count(counts: float) -> None:
    with pytest.raises(ShapeError, match="integers between -4 and 4"):
        unroll(torch.tensor([[counts]]), 4)


@given(
    st.lists(st.integers(-200, 200), min_size=1, max_size=12),
    st.sampled_from(["ternary", "bitwise_signed", "twos_complement"]),
)
@settings(max_examples=30, deadline=None)
def test_signed_codes_are_lossless(values: list[int], code: str) -> None:
    counts = torch.tensor(values, dtype=torch.float32)
    train = encode(counts, code)  # type: ignore[arg-type]
    assert torch.equal(train.decode(), counts)
    assert set(train.spikes.unique().tolist()) <= ({0.0, 1.0} if code == "twos_complement" else {-1.0, 0.0, 1.0})


@given(st.lists(st.integers(0, 200), min_size=1, max_size=12), st.sampled_from(["binary", "bitwise"]))
@settings(max_examples=30, deadline=None)
def test_unsigned_codes_are_lossless(values: list[int], code: str) -> None:
    counts = torch.tensor(values)
    train = encode(counts, code)  # type: ignore[arg-type]
    assert torch.equal(train.decode(), counts.float())
    expected = max(max(values), 1) if code == "binary" else max(max(values).bit_length(), 1)
    assert train.spikes.shape[0] == expected


def test_codes_have_the_published_lengths() -> None:
    assert encode(torch.tensor([-128.0]), "twos_complement").spikes.shape[0] == 9
    assert encode(torch.tensor([0.0]), "twos_complement").spikes.shape[0] == 2
    assert encode(torch.tensor([-7.0, 3.0]), "bitwise_signed").spikes.shape[0] == 3


def test_codes_refuse_signs_and_fractions_they_cannot_hold() -> None:
    with pytest.raises(ShapeError, match="no sign"):
        encode(torch.tensor([-1.0]), "bitwise")
    with pytest.raises(ShapeError, match="integer counts"):
        encode(torch.tensor([0.5]), "ternary")
    with pytest.raises(ConfigError, match="bitwise"):
        encode(torch.tensor([1.0]), "bits")  # type: ignore[arg-type]


@pytest.mark.parametrize("levels", [1, 4, 8])
def test_qcfs_equals_the_mean_of_its_spiking_neuron_for_a_constant_input(levels: int) -> None:
    config = NEURONS.config("qcfs").but(levels=levels, init_threshold=2.0)
    x = torch.linspace(-1.0, 3.0, 41, dtype=torch.float64)[None]
    activation, spiking = config.build().double(), config.converted().build().double()
    spiking.load_state_dict(activation.state_dict())
    torch.testing.assert_close(spiking(x.expand(levels, -1)).mean(0), activation(x)[0], rtol=0, atol=1e-12)


def test_adaptive_integer_counts_are_about_k_whatever_the_scale() -> None:
    module = neuron("adaptive_integer", axis=-1, firing=3.0)
    x = torch.randn(1, 50, 64)
    counts, threshold = module.counts(x)
    assert torch.equal(counts, counts.round())
    assert float(counts.abs().mean()) == pytest.approx(3.0, abs=0.1)
    assert torch.equal(module.counts(1024.0 * x)[0], counts)
    assert torch.equal(module(x), counts * threshold)


@pytest.mark.parametrize("name", ["psn", "masked_psn", "hd_if"])
def test_a_neuron_over_all_steps_refuses_more_steps_than_it_has_weights_for(name: str) -> None:
    with pytest.raises(ShapeError, match="built for 4 steps and got 5"):
        neuron(name)(torch.randn(5, 2, 3))


def test_psn_is_a_matrix_product_over_steps() -> None:
    module, x = neuron("psn"), torch.randn(4, 2, 3)
    h = torch.einsum("ts,sbc->tbc", module.weight, x) - 1.0
    assert torch.equal(module(x), (h >= 0).float())


def test_masked_psn_sees_only_its_order_and_everything_without_mask() -> None:
    module, x = neuron("masked_psn", order=2, steps=5), torch.randn(5, 1, 3)
    far = torch.cat([x[:1] + 100.0, x[1:]])
    assert torch.equal(module(x)[2:], module(far)[2:])
    module.mask_strength.fill_(0.0)
    assert not torch.equal(module(x)[2:], module(far)[2:])
    assert "mask_strength" in module.state_dict()


def test_sliding_psn_is_a_causal_filter() -> None:
    module, x = neuron("sliding_psn", order=3), torch.randn(6, 2, 3)
    assert module.weight.tolist() == [0.25, 0.5, 1.0]
    padded = torch.cat([torch.zeros(2, 2, 3), x])
    h = torch.stack([0.25 * padded[t] + 0.5 * padded[t + 1] + padded[t + 2] for t in range(6)]) - 1.0
    assert torch.equal(module(x), (h >= 0).float())


def test_mpbn_folds_exactly_whatever_the_sign_of_gamma() -> None:
    torch.manual_seed(0)
    module = neuron("mpbn", channels=8)
    module.train()
    module(torch.randn(5, 16, 8, 3) + 0.3)
    with torch.no_grad():
        module.norm.weight.copy_(torch.tensor([1.3, -0.7, 0.4, -2.0, 0.0, 0.0, 0.9, -0.1]))
        module.norm.bias.copy_(torch.tensor([0.1, 0.8, -0.2, 0.6, 0.7, 0.3, 0.0, 0.5]))
    module.eval()
    x = torch.randn(6, 20, 8, 7)
    expected, folded = module(x), module.fold()
    assert torch.equal(folded(x), expected)
    assert expected[:, :, 4].all()
    assert not expected[:, :, 5].any()
    assert 0.05 < float(expected.detach().mean()) < 0.95


def test_mpbn_updates_its_statistics_once_a_step() -> None:
    module = neuron("mpbn")
    module(torch.randn(4, 6, 3))
    assert int(module.norm.num_batches_tracked) == 4


def test_hoyer_threshold_is_the_extremum_of_the_batch_in_training() -> None:
    module = neuron("hoyer", extremum="layer")
    x = torch.tensor([[[0.2, 0.4, 0.9, 1.5, -1.0]]])
    clipped = x.clamp(0, 1)
    extremum = float((clipped**2).sum() / clipped.sum())
    assert module(x).flatten().tolist() == [float(v >= extremum) for v in x.flatten()]
    assert float(module.running_extremum) == pytest.approx(0.1 * extremum)
    assert neuron("hoyer", extremum="fixed").train()(x).flatten().tolist() == [0, 0, 0, 1, 0]


def test_hoyer_window_and_silent_channels() -> None:
    x = torch.tensor([[[-1.0, 0.5, 1.2]]], requires_grad=True)
    module = neuron("hoyer")
    module(x).sum().backward()
    assert x.grad is not None
    assert x.grad.flatten().tolist() == [0.0, 0.5, 0.0]
    assert float(module.running_extremum[0]) == pytest.approx(0.1)


def test_hoyer_regularizer_is_smallest_for_one_hot_activity() -> None:
    assert float(hoyer_regularizer(torch.tensor([0.0, 1.0, 0.0]))) == 1.0
    assert float(hoyer_regularizer(torch.full((4,), 0.5))) == 4.0
    assert float(hoyer_regularizer(torch.zeros(3))) == 0.0


def test_noise_is_on_in_training_and_off_in_eval() -> None:
    module, x = neuron("noisy_lif", sigma=0.5), torch.randn(4, 8, 3)
    assert not torch.equal(module(x), module(x))
    assert torch.equal(module.eval()(x), neuron("lif", surrogate="gaussian")(x))
    always = neuron("noisy_lif", sigma=0.5, noise_in_eval=True).eval()
    assert not torch.equal(always(x), always(x))


def test_membrane_noise_has_the_spread_asked_for() -> None:
    module = neuron("noisy_lif", sigma=0.3, v_threshold=1e6)
    with carry(module) as state:
        module(torch.zeros(1, 20000, 1))
        assert float(state[""]["v"].std()) == pytest.approx(0.3, rel=0.05)


def test_stochastic_neuron_fires_with_the_probability_of_its_primitive() -> None:
    module = neuron("stochastic_lif", surrogate="sigmoid")
    u = 0.2
    rate = float(module(torch.full((1, 40000, 1), 2.0 * (1.0 + u))).mean())
    assert rate == pytest.approx(1 / (1 + math.exp(-4.0 * u)), abs=0.01)
    with pytest.raises(ConfigError, match="fast_sigmoid"):
        NEURONS.config("stochastic_lif").but(surrogate="fast_sigmoid")


def test_pdsg_refuses_steps_without_a_batch() -> None:
    with pytest.raises(ShapeError, match=r"over the batch; the input is \(4, 6\)"):
        NEURONS.config("pdsg_lif").build(axis=-1)(torch.randn(4, 6))


def test_pdsg_measures_its_width_over_all_steps_so_far() -> None:
    module, x = neuron("pdsg_lif", channels=None, v_threshold=100.0), torch.randn(3, 6, 2, 5)
    with carry(module) as state:
        module(x[:1]), module(x[1:])
        held = state[""]
        spread = (held["squares"] / (held["count"] - 1)).sqrt()
    potentials, v = [], torch.zeros(6, 2, 5)
    for xt in x:
        v = v - v / 2.0 + xt
        potentials.append(v)
    expected = torch.stack(potentials).transpose(0, 2).flatten(1).std(1)
    torch.testing.assert_close(spread, expected)


def test_egru_keeps_gate_order_and_emits_its_state() -> None:
    cell = EGRU(3, 2, config=EGRUConfig()).double()
    x = torch.randn(4, 5, 3, dtype=torch.float64)
    c = y = torch.zeros(5, 2, dtype=torch.float64)
    expected: list[Tensor] = []
    for xt in x:
        a, r = xt @ cell.kernel + cell.bias, y @ cell.recurrent_kernel + cell.recurrent_bias
        z, reset = torch.sigmoid(a[:, :2] + r[:, :2]), torch.sigmoid(a[:, 2:4] + r[:, 2:4])
        c = z * c + (1 - z) * torch.tanh(a[:, 4:] + reset * r[:, 4:])
        event = (c > cell.thr).double()
        y, c = event * c, c - event * cell.thr
        expected.append(y)
    torch.testing.assert_close(cell(x), torch.stack(expected))


def test_egru_language_model_layers_have_the_published_size() -> None:
    layers = [EGRU(i, u) for i, u in ((75, 135), (135, 135), (135, 75))]
    counted = [sum(p.numel() for p in layer.parameters()) for layer in layers]
    assert counted == [i * 3 * u + u * 3 * u + 7 * u for i, u in ((75, 135), (135, 135), (135, 75))]
    full = sum(i * 3 * u + u * 3 * u + 7 * u for i, u in ((750, 1350), (1350, 1350), (1350, 750)))
    assert full + 10_000 * 750 + 10_000 + 9 == 31_699_159  # Penn Treebank, tied embedding, nine frozen scalars


def test_recurrent_weights_carry_the_last_output_to_all_channels() -> None:
    module = neuron("recurrent", channels=2)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[0.0, 0.0], [3.0, 0.0]]))
    x = torch.zeros(3, 1, 2)
    x[0, 0, 0] = 2.0
    assert module(x)[:, 0].tolist() == [[1, 0], [0, 1], [0, 0]]


def test_hybrid_neuron_mixes_all_experts_in_training_and_the_best_in_eval() -> None:
    module, x = neuron("hd_if", channels=3, top=1), torch.randn(4, 2, 3, 5)
    rows = x
    assert int((module._gate(rows) > 0).sum(1).min()) == 4
    assert int((module.eval()._gate(rows) > 0).sum(1).max()) == 1


@pytest.mark.parametrize("name", ["mpbn", "hoyer", "egru", "recurrent", "hd_if", "diagonal_recurrent"])
def test_a_neuron_with_values_per_channel_says_so(name: str) -> None:
    with pytest.raises(ConfigError, match="channels="):
        neuron(name, channels=None)


@pytest.mark.parametrize("name", ["mpbn", "hoyer", "egru", "recurrent", "hd_if", "diagonal_recurrent"])
def test_a_wrong_number_of_channels_is_named(name: str) -> None:
    with pytest.raises(ShapeError, match="3 channels on axis 2"):
        neuron(name)(torch.randn(2, 2, 4))


@pytest.mark.parametrize("name", ["lif", "sliding_psn", "egru", "pdsg_lif", "mpbn", "hoyer", "stochastic_lif"])
def test_a_changed_batch_inside_a_carry_scope_is_refused(name: str) -> None:
    module = neuron(name)
    with carry(module), pytest.raises(ShapeError, match="carried state"):
        module(torch.randn(2, 2, 3)), module(torch.randn(2, 4, 3))
