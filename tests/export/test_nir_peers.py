"""Files of ours in other frameworks, and theirs here: the same spikes. They run where the peers and nirtorch are installed."""

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from spikeformers.neurons import LIF

nir = pytest.importorskip("nir")
pytest.importorskip("nirtorch")

from spikeformers.export.nir import from_nir, read, to_nir, write  # noqa: E402

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(autouse=True)
def _reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIKEFORMERS_KERNELS", "reference")


def imported(name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name)


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Linear(8, 16), LIF(tau=4.0, decay_input=False), nn.Linear(16, 5), LIF(tau=4.0, v_threshold=0.25)]
    return lively(nn.Sequential(*layers)).eval()


def lively(net: nn.Module) -> nn.Module:
    """The net with currents that make every layer fire."""
    with torch.no_grad():
        for name, value in net.named_parameters():
            value.copy_(3.0 * value if name.endswith("weight") else value + 0.5)
    return net


@pytest.fixture
def x() -> Tensor:
    return 2.0 * torch.randn(20, 3, 8, generator=torch.Generator().manual_seed(1))


def test_snntorch_runs_what_we_write(net: nn.Module, x: Tensor, tmp_path: Path) -> None:
    reader = imported("snntorch.import_nir")
    write(tmp_path / "net.nir", to_nir(net, (8,)))
    theirs, state, spikes = reader.import_from_nir(read(tmp_path / "net.nir")), None, []
    for current in x:
        spike, state = theirs(current, state)
        spikes.append(spike)
    y = net(x)
    assert 0.05 < y.mean() < 0.95
    assert torch.equal(torch.stack(spikes), y)


def test_spikingjelly_runs_what_we_write(net: nn.Module, x: Tensor, tmp_path: Path) -> None:
    exchange = imported("spikingjelly.activation_based.nir_exchange")
    functional = imported("spikingjelly.activation_based.functional")
    write(tmp_path / "net.nir", to_nir(net, (8,)))
    theirs = exchange.import_from_nir(read(tmp_path / "net.nir"), dt=1e-4)
    functional.set_step_mode(theirs, "m")
    y = theirs(x)
    assert torch.equal(y[0] if isinstance(y, tuple) else y, net(x))


def test_what_spikingjelly_writes_runs_here(x: Tensor) -> None:
    exchange = imported("spikingjelly.activation_based.nir_exchange")
    neuron = imported("spikingjelly.activation_based.neuron")
    layer = imported("spikingjelly.activation_based.layer")
    functional = imported("spikingjelly.activation_based.functional")
    torch.manual_seed(0)
    layers = [layer.Linear(8, 16), neuron.LIFNode(tau=3.0), layer.Linear(16, 5), neuron.IFNode()]
    theirs = lively(nn.Sequential(*layers))
    functional.set_step_mode(theirs, "m")
    graph = exchange.export_to_nir(theirs, x[:2], dt=1e-4)
    functional.reset_net(theirs)
    y = theirs(x)
    assert 0.02 < y.mean() < 0.95
    assert torch.equal(from_nir(graph)(x), y)
