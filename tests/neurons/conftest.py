"""Tests of neurons look at the equations, so they run on the reference; only `test_fused` names another backend."""

import pytest


@pytest.fixture(autouse=True)
def _reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIKEFORMERS_KERNELS", "reference")
