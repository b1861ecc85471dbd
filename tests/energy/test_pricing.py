"""What a row costs: operations × prices, and the cheaper way for spikes of many units."""

import pytest

from spikeformers.energy.hardware import HOROWITZ_45NM, TABLES
from spikeformers.energy.pricing import missing, multiplied, operations, price, row_mj
from spikeformers.energy.rows import Row


def layer(units: float, levels: int, kind: str = "linear") -> Row:
    """100 synapses, every input `units` unit spikes."""
    return Row("l", kind, "scaled", dense_macs=100, acs=100 * units, elements=10, levels=levels)


@pytest.mark.parametrize(("units", "picojoules"), [(0.5, 45.0), (5.0, 450.0), (6.0, 460.0), (64.0, 460.0)])
def test_spikes_of_many_units_cost_no_more_than_multiplications(units: float, picojoules: float) -> None:
    row = layer(units, levels=64)
    assert row_mj(row, HOROWITZ_45NM) == pytest.approx(picojoules * 1e-9)
    assert multiplied(row, HOROWITZ_45NM) == (units > 5.2)
    assert row.acs == 100 * units, "counts stay what they were"


def test_the_choice_depends_on_the_prices() -> None:
    row = layer(6.0, levels=8)
    assert operations(row, HOROWITZ_45NM) == {"mac": 100}
    assert operations(row, HOROWITZ_45NM, "int8") == {"ac": 600}, "an 8-bit multiplication costs 7.7 additions"
    assert operations(row, TABLES["loihi"]) == {"ac": 600}, "a chip without a multiplier adds"


def test_binary_spikes_and_what_is_no_synapse_are_never_multiplied() -> None:
    assert not multiplied(layer(6.0, levels=1), HOROWITZ_45NM)
    assert not multiplied(layer(6.0, levels=8, kind="neuron"), HOROWITZ_45NM)


def test_what_has_no_price_is_named_and_left_out() -> None:
    row = Row("l", "linear", "analog", macs=7, dense_macs=7, primitives={"add": 3})
    loihi = TABLES["loihi"]
    assert missing([row], loihi) == {"mac": 7}
    assert price([row], loihi) == 0.0
