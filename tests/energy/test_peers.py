"""The counter against the counters of NeuroBench 2.3 and SpikingJelly 2.0 themselves, on a network that all can read.

They run where the optional extra `peers` is installed. What they see differently is tested as well: NeuroBench is blind to
products of activations; SpikingJelly calls integers real numbers, and counts a product of spikes with integers as if
every integer were there.
"""

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from spikeformers import energy
from spikeformers.energy.neurobench import neurobench, static_metrics
from spikeformers.energy.rows import Row
from spikeformers.layers.time import over_time
from spikeformers.neurons import IF

pytestmark = pytest.mark.peers


class Net(nn.Module):
    """Events → convolution → tokens → attention without softmax → residual sum → head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.down = nn.Conv2d(2, 6, 3, padding=1), nn.Conv2d(6, 8, 3, stride=2, padding=1)
        self.q, self.k, self.v, self.head = (nn.Linear(8, 8) for _ in range(4))
        self.fires = nn.ModuleList(IF(v_threshold=0.2) for _ in range(5))

    def forward(self, x: Tensor) -> Tensor:
        x = self.fires[0](over_time(self.stem, x))
        x = self.fires[1](over_time(self.down, x)).flatten(3).mT
        q, k, v = (fire(layer(x)) for fire, layer in zip(self.fires[2:], (self.q, self.k, self.v), strict=True))
        return self.head(x + (q @ k.mT) @ v).mean(2)


@pytest.fixture(scope="module", autouse=True)
def _imports_may_warn() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    return Net().eval()


@pytest.fixture
def events() -> Tensor:
    return (torch.rand(3, 2, 2, 8, 8) < 0.4).float()


def counted(net: Net, x: Tensor) -> tuple[energy.Meter, dict[str, Row]]:
    with torch.no_grad(), energy.count(net) as meter:
        net(x)
    rows = {row.path: row for row in meter.rows() if row.kind in ("conv", "linear", "product")}
    assert {row.operand for row in rows.values()} == {"binary", "integer"}
    return meter, rows


def test_neurobench_counts_the_same_operations_and_is_blind_to_attention(net: Net, events: Tensor) -> None:
    workload = pytest.importorskip("neurobench.metrics.workload", exc_type=ImportError)
    models = pytest.importorskip("neurobench.models", exc_type=ImportError)
    meter, rows = counted(net, events)
    wrapped = models.TorchModel(net)
    wrapped.add_activation_module(type(net.fires[0]))
    wrapped.register_hooks()
    with torch.no_grad():
        y = wrapped(events)
    batch = (events.transpose(0, 1), None)
    ours = neurobench(meter)
    theirs = workload.SynapticOperations()(wrapped, y, batch)
    assert ours["SynapticOperations"] == pytest.approx(theirs)
    assert theirs["Effective_ACs"] > 1000
    assert theirs["Effective_MACs"] > 100, "the residual sum is integers"
    assert rows["[0]"].acs > 0 < rows["[1]"].acs, "what it does not see"
    sparsity = workload.ActivationSparsity()(wrapped, y, batch)
    assert ours["ActivationSparsity"] == pytest.approx(sparsity)
    wrapped.cleanup_hooks()


def test_neurobenchs_static_metrics_agree(net: Net) -> None:
    static = pytest.importorskip("neurobench.metrics.static", exc_type=ImportError)
    models = pytest.importorskip("neurobench.models", exc_type=ImportError)
    with torch.no_grad():
        net.q.weight[:4] = 0.0
    ours, wrapped = static_metrics(net), models.TorchModel(net)
    for name in ("Footprint", "ParameterCount", "ConnectionSparsity"):
        assert ours[name] == pytest.approx(getattr(static, name)()(wrapped)), name
    assert ours["ConnectionSparsity"] > 0


def spikingjelly_counts(net: Net, x: Tensor) -> tuple[dict[str, Any], dict[str, Any]]:
    """Accumulates and multiply-accumulates by SpikingJelly, by module path."""
    counters = pytest.importorskip("spikingjelly.activation_based.op_counter", exc_type=ImportError)
    acs, macs = counters.SynOpCounter(), counters.MACCounter()
    with torch.no_grad(), counters.DispatchCounterMode([acs, macs]):
        net(x)

    def by_path(counter: Any) -> dict[str, dict[str, int]]:
        return {
            path.removeprefix("Net").removeprefix("."): {str(op).split(".")[1]: n for op, n in found.items()}
            for path, found in counter.get_counts().items()
        }

    return by_path(acs), by_path(macs)


def test_spikingjelly_counts_the_same_where_it_sees_spikes_and_dense_layers_where_it_sees_integers(
    net: Net, events: Tensor
) -> None:
    _, rows = counted(net, events)
    acs, macs = spikingjelly_counts(net, events)
    weighted = [row for row in rows.values() if row.kind != "product"]
    assert {row.path for row in weighted} == {"stem", "down", "q", "k", "v", "head"}
    for row in weighted:
        accumulates, multiplies = sum(acs[row.path].values()), sum(macs[row.path].values())
        expected = (row.acs, 0) if row.operand == "binary" else (0, row.dense_macs)
        assert (accumulates, multiplies) == expected, row.path
    assert rows["head"].operand == "integer"
    assert rows["head"].macs == 0


def test_spikingjelly_agrees_on_coincidences_and_takes_integer_partners_for_dense(net: Net, events: Tensor) -> None:
    _, rows = counted(net, events)
    acs, _ = spikingjelly_counts(net, events)
    first, second = rows["[0]"], rows["[1]"]
    assert (first.operand, first.partner) == ("binary", "binary")
    assert second.shape is not None
    tokens, spikes_of_v = second.shape[1], second.nonzeros
    assert acs[""]["bmm"] == first.acs + spikes_of_v * tokens
    assert first.acs > 100
    assert second.acs < spikes_of_v * tokens
