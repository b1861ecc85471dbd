from pathlib import Path

import pytest

from spikeformers.core.errors import ConfigError
from spikeformers.energy.breakeven import at_rate, break_even, figure
from spikeformers.energy.hardware import HOROWITZ_45NM
from spikeformers.energy.meter import Meter
from spikeformers.energy.rows import Pass, Row
from spikeformers.energy.variants import analog, equal_bits, flips, sensitivity, spiking

T, F, N, W = 4, 921.5e6, 1.450e6, 9.32e6


def spiking_meter(rate: float, *, neurons: float = 0.0, weights: float = 0.0) -> Meter:
    layer = Row("l", "linear", "binary", dense_macs=T * F, acs=T * F * rate, elements=T * 1.109e6, weights=int(weights))
    layer.units = layer.nonzeros = layer.elements * rate
    layer.levels = 1
    fire = Row("n", "neuron", "binary", outputs=T * neurons, elements=T * neurons, states=1, levels=1)
    return Meter("net", [Pass(T, 1, {("l", "linear"): layer, ("n", "neuron"): fire})], spiking=True)


def twin_meter(share: float = 0.3) -> Meter:
    layer = Row("l", "linear", "analog", dense_macs=F, macs=F, elements=1.109e6, weights=int(W), bit_share=share)
    return Meter("twin", [Pass(1, 1, {("l", "linear"): layer})])


def rate_of(found: list[dict], snn: str, ann: str, level: str | None, steps: int = T) -> float:
    return next(r["rate"] for r in found if (r["snn"], r["ann"], r["level"], r["steps"]) == (snn, ann, level, steps))


def test_equal_bits_are_those_of_the_literature() -> None:
    assert [equal_bits(t) for t in (1, 2, 3, 4, 7, 8, 15, 16)] == [1, 2, 2, 3, 3, 4, 4, 5]


def test_break_even_against_bit_serial_is_where_t_r_equals_bits_times_share() -> None:
    found = break_even(spiking_meter(0.1), twin_meter(0.3), HOROWITZ_45NM, steps=[2, 4])
    assert rate_of(found, "SNN w8", "ANN w8a3 bit-serial", None) * T == pytest.approx(3 * 0.3)
    assert rate_of(found, "SNN w8", "ANN w8a2 bit-serial", None, 2) * 2 == pytest.approx(2 * 0.3)


def test_break_even_of_fp32_against_fp32_is_the_ratio_of_the_two_constants() -> None:
    found = break_even(spiking_meter(0.1), twin_meter(), HOROWITZ_45NM, steps=[T])
    assert rate_of(found, "SNN fp32", "ANN fp32", None) * T == pytest.approx(4.6 / 0.9)


def test_membrane_traffic_lowers_the_rate_that_breaks_even() -> None:
    found = break_even(spiking_meter(0.1, neurons=N, weights=W), twin_meter(), HOROWITZ_45NM, steps=[1, 4, 8])
    rates = [rate_of(found, "SNN w8", "ANN int8", level) for level in (None, "sram_8kb", "sram_1mb", "dram")]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == 0.0, "from DRAM the membranes alone cost more than the whole int8 network"
    by_steps = [rate_of(found, "SNN w8", "ANN int8", "sram_8kb", t) for t in (1, 4, 8)]
    assert by_steps == sorted(by_steps, reverse=True)


def test_the_worked_check_of_a_spikformer_4_384() -> None:
    """Arithmetic and memory of a Spikformer 4-384 at a rate of 0.2, computed by hand."""
    fp32, w8 = spiking(at_rate(spiking_meter(0.1, neurons=N, weights=W), T, 0.2), HOROWITZ_45NM)
    assert fp32.op_mj == pytest.approx(T * F * 0.2 * 0.9e-9)
    assert fp32.memory_mj(3.12) == pytest.approx(2.107, rel=0.01)
    assert fp32.memory_mj(10 / 64) == pytest.approx(0.106, rel=0.01)
    assert w8.op_mj == pytest.approx(0.0221, rel=0.01)
    assert w8.memory_mj(3.12) == pytest.approx(0.830, rel=0.02)
    dense, int8, parallel, serial = analog(twin_meter(0.3), HOROWITZ_45NM, T)
    assert dense.op_mj == pytest.approx(4.239, rel=0.01)
    assert int8.op_mj == pytest.approx(0.212, rel=0.01)
    assert serial.op_mj == pytest.approx(F * 3 * 0.3 * 0.03e-9)
    assert serial.op_mj < parallel.op_mj < int8.op_mj


def test_the_verdict_names_the_level_that_turns_it_around() -> None:
    _, w8 = spiking(spiking_meter(0.2, neurons=N, weights=W), HOROWITZ_45NM)
    int8 = analog(twin_meter(), HOROWITZ_45NM, T)[1]
    cases = sensitivity(w8, int8, dict(HOROWITZ_45NM.levels))
    assert cases[0]["snn_wins"], "arithmetic alone"
    assert {c["level"] for c in cases} == {None, *HOROWITZ_45NM.levels}
    text = " ".join(flips(cases))
    assert "arithmetic only: the spiking network needs less" in text
    assert "as given: turned around at sram_1mb, dram" in text
    assert "turned around at no level: membranes stay beside the adder" in text


def test_a_network_without_spike_driven_layers_breaks_even_never_or_always() -> None:
    dear, cheap = (
        Row("l", "linear", "analog", dense_macs=9 * F, macs=9 * F),
        Row("l", "linear", "analog", dense_macs=1, macs=1),
    )
    for row, expected in ((dear, 0.0), (cheap, float("inf"))):
        meter = Meter("net", [Pass(T, 1, {("l", "linear"): row})], spiking=True)
        assert (
            rate_of(break_even(meter, twin_meter(), HOROWITZ_45NM, steps=[T]), "SNN fp32", "ANN fp32", None) == expected
        )


def test_break_even_rates_are_drawn_by_memory_level(tmp_path: Path) -> None:
    found = break_even(spiking_meter(0.1, neurons=N, weights=W), twin_meter(), HOROWITZ_45NM, steps=[1, 4])
    drawn = figure(found)
    drawn.savefig(tmp_path / "break_even.png")
    assert (tmp_path / "break_even.png").stat().st_size > 5000
    labels = drawn.axes[0].get_legend_handles_labels()[1]
    assert labels == ["arithmetic only", *HOROWITZ_45NM.levels]
    with pytest.raises(ConfigError, match="SNN w8 / ANN int8"):
        figure(found, ann="ANN int9")
