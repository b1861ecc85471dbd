import pytest

from spikeformers.core.errors import ConfigError
from spikeformers.energy.memory import TrafficConfig, traffic
from spikeformers.energy.rows import Row

NEURON = Row("n", "neuron", "binary", elements=80, outputs=80, nonzeros=8, units=8, states=1, levels=1)
BINARY = Row("a", "linear", "binary", dense_macs=800, acs=80, elements=80, units=8, nonzeros=8, weights=100, levels=1)
COUNTS = Row(
    "b", "linear", "integer", dense_macs=800, acs=160, elements=80, units=16, nonzeros=8, weights=100, levels=3
)
ANALOG = Row("c", "conv", "analog", dense_macs=800, macs=200, repeats=4, elements=80, nonzeros=80, weights=100)


def bits(*rows: Row, **changes: object) -> dict[str, float]:
    return traffic(list(rows), 4, 2, TrafficConfig(**changes))


def test_membranes_are_read_and_written_at_every_step() -> None:
    assert bits(NEURON)["membranes"] == 2 * 80 * 32 / 2
    assert bits(NEURON, membrane_bits=16)["membranes"] == 2 * 80 * 16 / 2
    assert bits(NEURON, membranes="local")["membranes"] == 0


def test_spikes_move_as_bits_or_as_addresses_of_those_that_fired() -> None:
    assert bits(BINARY)["inputs"] == 80 / 2
    assert bits(BINARY, spikes="events")["inputs"] == 8 * 4 / 2  # 10 inputs per step and sample: 4 bits of address
    assert bits(COUNTS)["inputs"] == 80 * 2 / 2
    assert bits(COUNTS, spikes="events")["inputs"] == 8 * (4 + 2) / 2
    assert bits(ANALOG, activation_bits=8)["inputs"] == 80 / 4 * 8 / 2


def test_weights_are_read_once_or_at_every_step_or_spike() -> None:
    assert bits(BINARY)["weights"] == 100 * 32
    assert bits(BINARY, weights="step")["weights"] == 100 * 32 * 4
    assert bits(ANALOG, weights="step")["weights"] == 100 * 32, "an input that repeats is computed once"
    assert bits(BINARY, weights="spike", weight_bits=8)["weights"] == 80 * 8 / 2


def test_partial_sums_move_only_if_asked() -> None:
    assert bits(BINARY)["partial_sums"] == 0
    assert bits(BINARY, sums="memory", sum_bits=16)["partial_sums"] == 2 * 80 * 16 / 2


def test_widths_below_one_bit_are_refused() -> None:
    with pytest.raises(ConfigError, match="weight_bits=0"):
        TrafficConfig(weight_bits=0)
