"""Equations for the docs, from the step itself."""

from typing import Any

from spikeformers.kernels.scan.latex import equation


def test_an_equation_shows_output_and_states_in_plain_numbers(case: Any) -> None:
    text = equation(case("leaky_strict").definition)
    y, v = text.splitlines()
    assert y.startswith("y_{t} = \\Theta_{>}")
    assert "\\frac{3 v_{t-1}}{4}" in y
    assert v.startswith("v_{t} = ")
    assert "y_{t}" in v
    assert "1.0" not in text


def test_every_function_has_a_symbol(case: Any) -> None:
    assert "\\tanh" in equation(case("smooth").definition)
    adaptive = equation(case("adaptive").definition)
    assert "e^{" in adaptive
    assert "cases" in adaptive
