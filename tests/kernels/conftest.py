"""Kernels compiled once for all tests of a session, whatever the number of processes."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def _kernel_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    given = os.environ.get("SPIKEFORMERS_CACHE")
    if given is None:
        os.environ["SPIKEFORMERS_CACHE"] = str(tmp_path_factory.getbasetemp().parent / "kernel-cache")
    yield
    if given is None:
        del os.environ["SPIKEFORMERS_CACHE"]
