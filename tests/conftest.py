"""What every test gets: fixed seeds, one thread (the suite runs in two processes), no network, a private cache, and the shared folder where there is one."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest
import torch

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="module")
def _settings_stay() -> Iterator[None]:
    """What one file of tests leaves in the environment would decide which kernels the next one runs."""
    before = _settings()
    yield
    assert _settings() == before, "these tests changed settings in the environment and left them so"


def _settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("SPIKEFORMERS_")}


@pytest.fixture(autouse=True, scope="session")
def _kernel_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Kernels are compiled once for all tests of a session, whatever the number of processes."""
    given = os.environ.get("SPIKEFORMERS_CACHE")
    if given is None:
        os.environ["SPIKEFORMERS_CACHE"] = str(tmp_path_factory.getbasetemp().parent / "kernel-cache")
    yield
    if given is None:
        del os.environ["SPIKEFORMERS_CACHE"]


@pytest.fixture(autouse=True)
def _private_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIKEFORMERS_DATA", str(tmp_path_factory.getbasetemp() / "data"))


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.socket.connect

    def connect(self: socket.socket, address: object) -> None:
        local = self.family == socket.AF_UNIX or (
            isinstance(address, tuple) and str(address[0]) in ("127.0.0.1", "::1", "localhost")
        )
        if not local:
            raise OSError(f"tests may not open connections ({address})")
        real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of golden files and real recordings that lies beside a developer's checkout."""
    folder = Path(os.environ.get("SPIKEFORMERS_SHARED", REPOSITORY.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"needs the developers' folder {folder.name}/ beside the checkout (or SPIKEFORMERS_SHARED)")
    return folder
