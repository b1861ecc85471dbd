"""Tests of neurons look at the equations, so they run on the reference; the kernels have tests of their own."""

import pytest


@pytest.fixture(autouse=True)
def _reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIKEFORMERS_KERNELS", "reference")
