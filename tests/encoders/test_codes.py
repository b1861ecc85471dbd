"""Phase, burst, delta, population and learned codes: what they send, and that it can be read back."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeformers.core.errors import ConfigError, ShapeError
from spikeformers.encoders.base import ENCODERS
from spikeformers.encoders.burst import BurstConfig
from spikeformers.encoders.delta import DeltaConfig
from spikeformers.encoders.learned import LearnedConfig
from spikeformers.encoders.phase import PhaseConfig
from spikeformers.encoders.population import PopulationConfig

values = st.floats(0.0, 1.0, width=32)


@given(x=values, period=st.integers(1, 12))
@settings(max_examples=80, deadline=None)
def test_one_weighted_period_sums_to_the_value_rounded_down(x: float, period: int) -> None:
    sent = PhaseConfig(period=period, weighted=True).build()(torch.tensor([x], dtype=torch.float64), period).sum(0)
    assert sent.item() == min(int(x * 2**period), 2**period - 1) / 2**period


def test_phase_sends_the_highest_bits_first_and_repeats() -> None:
    spikes = PhaseConfig(period=4).build()(torch.tensor([0.625, 1.0, 0.0]), 9)
    assert spikes[:, 0].tolist() == [1, 0, 1, 0, 1, 0, 1, 0, 1]
    assert spikes[:, 1].tolist() == [1] * 9
    assert spikes[:, 2].tolist() == [0] * 9


def test_weighted_phase_is_a_name_of_its_own() -> None:
    heights = ENCODERS.config("weighted_phase").build()(torch.tensor([1.0]), 3).flatten().tolist()
    assert heights == [0.5, 0.25, 0.125]


@given(x=values, steps=st.integers(4, 40), shortest=st.integers(1, 3))
@settings(max_examples=80, deadline=None)
def test_a_burst_has_its_number_of_spikes_at_one_interval(x: float, steps: int, shortest: int) -> None:
    spikes = BurstConfig(max_spikes=4, min_interval=shortest).build()(torch.tensor([x]), steps)[:, 0]
    times = spikes.nonzero().flatten()
    wanted = int(torch.ceil(torch.tensor(x).double() * 4))
    assert len(times) <= wanted
    if shortest * 4 <= steps:
        assert len(times) == wanted
    assert len(times.diff().unique()) <= 1
    assert len(times) == 0 or times[0] == 0


def test_stronger_bursts_are_denser() -> None:
    spikes = BurstConfig(max_spikes=4).build()(torch.tensor([0.5, 1.0]), 20)
    assert spikes[:, 0].nonzero().flatten().tolist() == [0, 3]
    assert spikes[:, 1].nonzero().flatten().tolist() == [0, 1, 2, 3]


@given(x=values, threshold=st.sampled_from([0.125, 0.25, 0.5, 1.0]), steps=st.integers(1, 20))
@settings(max_examples=60, deadline=None)
def test_delta_tells_a_constant_to_one_threshold_and_is_silent_then(x: float, threshold: float, steps: int) -> None:
    code = DeltaConfig(threshold=threshold).build()
    spikes = code(torch.tensor([x]), steps)[:, 0]
    assert spikes.sum().item() == min(int(x / threshold), steps)
    assert torch.equal(spikes, code.modulate(torch.full((steps, 1), x))[:, 0])


def test_delta_follows_a_signal_that_moves_slowly_enough() -> None:
    t = torch.linspace(0, 6.28, 200, dtype=torch.float64)
    signal = torch.stack([torch.sin(t), torch.cos(t)], 1)
    code = DeltaConfig(threshold=0.05).build()
    spikes = code.modulate(signal, start=signal[0])
    told = signal[0] + 0.05 * spikes.cumsum(0)
    assert float((told - signal).abs().max()) < 0.05
    assert set(spikes.unique().tolist()) == {-1.0, 0.0, 1.0}


def test_population_answers_decode_to_the_value() -> None:
    code = PopulationConfig(neurons=12).build()
    x = torch.linspace(0.05, 0.95, 19, dtype=torch.float64)[:, None]
    answers = code.answers(x)
    decoded = (answers * code.centers).sum(1) / answers.sum(1)
    torch.testing.assert_close(decoded, x[:, 0], rtol=0, atol=0.01)


def test_population_neurons_of_one_channel_are_neighbors_and_the_nearest_fires_first() -> None:
    config = PopulationConfig(neurons=5)
    spikes = config.build()(torch.tensor([[0.5, 0.0]]), 10)
    assert spikes.shape == (10, 1, 10)
    assert config.channels(2) == 10
    assert spikes[0, 0].nonzero().flatten().tolist() == [2]
    first = torch.where(spikes.sum(0) > 0, spikes.argmax(0), 99)[0]
    assert first[5:].argmin() in (0, 1)


def test_population_takes_any_code_but_itself() -> None:
    spikes = PopulationConfig(code=ENCODERS.config("rate")).build()(torch.rand(2, 3, 4, 4), 6)
    assert spikes.shape == (6, 2, 24, 4, 4)
    with pytest.raises(ConfigError, match="population"):
        PopulationConfig(code=PopulationConfig())
    with pytest.raises(ShapeError, match="B, C"):
        PopulationConfig().build()(torch.rand(3), 4)


def test_learned_code_starts_as_rate() -> None:
    x = torch.rand(4, 3, 5, 5)
    assert torch.equal(LearnedConfig().build()(x, 7), ENCODERS.config("rate").build()(x, 7))


def test_learned_curve_gets_the_gradient_of_the_sum_it_stands_for() -> None:
    code = LearnedConfig(pieces=4).build()
    code(torch.tensor([0.3, 0.5]), 8).sum().backward()
    assert code.curve.grad is not None
    torch.testing.assert_close(code.curve.grad, 8 * torch.tensor([0.0, 0.8, 1.2, 0.0, 0.0]))


def test_learned_curve_bends_the_rate() -> None:
    code = LearnedConfig(pieces=2).build()
    with torch.no_grad():
        code.curve.copy_(torch.tensor([0.0, 1.0, 0.0]))
    assert code(torch.tensor([0.0, 0.25, 0.5, 1.0]), 8).sum(0).tolist() == [0, 4, 8, 0]


@pytest.mark.parametrize(
    ("cls", "field", "value"),
    [
        (PhaseConfig, "period", 0),
        (BurstConfig, "max_spikes", 0),
        (BurstConfig, "min_interval", 0),
        (DeltaConfig, "threshold", 0.0),
        (PopulationConfig, "neurons", 2),
        (PopulationConfig, "beta", 0.0),
        (LearnedConfig, "pieces", 0),
    ],
)
def test_impossible_fields_are_refused_by_name(cls: type, field: str, value: float) -> None:
    with pytest.raises(ConfigError, match=field):
        cls(**{field: value})
