import math

import pytest

from spikeformers.bench import numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (9999, "9,999"),
        (321_000, "321 k"),
        (1_234_567, "1.23 M"),
        (0.5, "0.50"),
        (2.5e9, "2.50 G"),
        (None, "–"),
    ],
)
def test_counts_have_three_digits_and_a_letter(value: float | None, text: str) -> None:
    assert numbers.count(value) == text


@pytest.mark.parametrize(
    ("millijoules", "text"), [(0.0412, "41.2 µJ"), (1.8, "1.80 mJ"), (1500.0, "1.50 J"), (2e-7, "200 pJ"), (0.0, "0 J")]
)
def test_energy_picks_its_unit(millijoules: float, text: str) -> None:
    assert numbers.energy(millijoules) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.25, "4.2 s"), (83.4, "1 min 23 s"), (59.7, "1 min 0 s"), (7260, "2 h 1 min")]
)
def test_durations_read_like_a_clock(seconds: float, text: str) -> None:
    assert numbers.duration(seconds) == text


def test_a_spread_needs_several_values() -> None:
    assert numbers.spread([0.97]) == "97.0%"
    assert numbers.spread([0.97, 0.99]) == "98.0% ± 1.4%"
    assert numbers.spread([-0.01, 0.03], "+") == "+1.0% ± 2.8%"


def test_the_ratio_names_the_direction() -> None:
    assert numbers.ratio(1.0, 3.3) == "3.3× less than"
    assert numbers.ratio(3.3, 1.0) == "3.3× more than"
    assert numbers.ratio(1.0, 1.01) == "the same as"
    assert numbers.ratio(0.0, 1.0) == "not comparable with"


@pytest.mark.parametrize("write", [numbers.percent, numbers.count, numbers.energy, numbers.duration, numbers.memory])
def test_unknown_numbers_are_shown_as_unknown(write: object) -> None:
    assert write(None) == write(math.nan) == numbers.UNKNOWN  # type: ignore[operator]
