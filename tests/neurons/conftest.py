"""Tests of neurons look at the equations, so they run on the reference; only `test_fused` names another backend."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIKEFORMERS_KERNELS", "reference")


@pytest.fixture(autouse=True, scope="session")
def _kernel_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    given = os.environ.get("SPIKEFORMERS_CACHE")
    if given is None:
        os.environ["SPIKEFORMERS_CACHE"] = str(tmp_path_factory.getbasetemp().parent / "kernel-cache")
    yield
    if given is None:
        del os.environ["SPIKEFORMERS_CACHE"]
