import pytest

from spikeformers.bench.energy_tables import machine_lines, rate, who_wins

CASES = [
    {"comparison": "A / B", "assumption": name, "level": level, "snn_mj": snn, "ann_mj": ann, "snn_wins": snn < ann}
    for name, level, snn, ann in (
        ("arithmetic only", None, 1.0, 4.0),
        ("as given", "near", 2.0, 4.0),
        ("as given", "far", 9.0, 6.0),
        ("membranes stay", "near", 1.5, 4.5),
        ("membranes stay", "far", 3.0, 6.0),
    )
]


def test_who_wins_is_a_matrix_of_assumptions_and_levels() -> None:
    table = who_wins([*CASES, {**CASES[0], "comparison": "C / D"}], "A / B")
    assert table.columns == ("assumption", "arithmetic", "+ near", "+ far")
    assert table.rows == [
        ("as given", "spiking 4×", "spiking 2×", "analog 1.5×"),
        ("membranes stay", "spiking 4×", "spiking 3×", "spiking 2×"),
    ]


def test_without_memory_levels_arithmetic_still_has_a_row() -> None:
    assert who_wins(CASES[:1], "A / B").rows == [("", "spiking 4×")]


@pytest.mark.parametrize(("value", "text"), [(0.0, "never"), (float("inf"), "always"), (0.25, "0.25")])
def test_rates_that_break_even_are_said_in_words_where_there_is_none(value: float, text: str) -> None:
    assert rate(value) == text


def test_joules_that_were_read_stand_beside_the_model() -> None:
    seconds = {"median": 0.2, "min": 0.1, "max": 0.3}
    machine = {
        "seconds": seconds, "batch": 2, "repeats": 5, "peak_process_mib": 100.0, "peak_device_bytes": None,
        "joules": 3.0, "joules_source": "a meter", "joules_missing": None,
    }  # fmt: skip
    lines = machine_lines({"machine": machine, "snn_mj": 1e-3})
    assert lines[0].startswith("100.0 ms per sample")
    assert lines[-1] == "1.50 J per sample by a meter; the model says 1.00 µJ"
    assert machine_lines({"snn_mj": 1.0}) == []
