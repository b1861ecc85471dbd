"""Agreement with counters that others wrote, and with a compiled model."""

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from spikeformers import energy
from spikeformers.models.vision.spikformer import SpikformerConfig
from spikeformers.neurons import IF
from spikeformers.neurons.lif import LIFConfig


@pytest.fixture(scope="module")
def config() -> SpikformerConfig:
    return SpikformerConfig(img_size=16, num_classes=4, dim=32, depth=1, heads=2, pools="0011")


def test_dense_counts_of_the_twin_are_those_of_torch(config: SpikformerConfig) -> None:
    twin, x = config.twin().build().eval(), torch.randn(2, 3, 16, 16)
    with torch.no_grad(), FlopCounterMode(display=False) as flops:
        twin(x)
    with torch.no_grad(), energy.count(twin) as meter:
        twin(x)
    assert 2 * meter.total("dense_macs") == flops.get_total_flops()
    assert meter.total("macs") == meter.total("dense_macs")


def test_spikformer_4_384_has_the_published_operations() -> None:
    """921.5 M multiply-accumulates per step in weighted layers, half of them in the stem; 1.450 M neurons; 9.28 M weights."""
    config = SpikformerConfig(img_size=32, num_classes=10, dim=384, depth=4, heads=12, pools="0011")
    twin = config.twin().build().eval()
    with torch.no_grad(), energy.count(twin) as meter:
        twin(torch.randn(1, 3, 32, 32))
    weighted = [r for r in meter.rows() if r.kind in ("conv", "linear")]
    assert sum(r.dense_macs for r in weighted) == pytest.approx(921.5e6, rel=1e-4)
    assert sum(r.dense_macs for r in weighted if r.path.startswith("stem")) == pytest.approx(0.5 * 921.5e6, rel=0.02)
    assert sum(r.elements for r in weighted) == pytest.approx(1.109e6, rel=0.05)
    assert sum(r.outputs for r in meter.rows() if r.kind == "activation") == pytest.approx(1.450e6, rel=1e-3)


class NeuroBench:
    """NeuroBench's rule, by its definition: run the layer on binary inputs with all-ones weights and sum the output."""

    def __init__(self, model: nn.Module) -> None:
        self.macs = self.acs = self.dense = 0.0
        for module in model.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.register_forward_pre_hook(self.hook)

    def hook(self, module: nn.Module, args: tuple[Tensor, ...]) -> None:
        x = args[0]
        ones = torch.ones_like(module.weight)
        run = nn.functional.linear if isinstance(module, nn.Linear) else self.convolve(module)
        count = float(run((x != 0).double(), ones.double()).sum())
        if bool(torch.isin(x, torch.tensor([-1.0, 0.0, 1.0])).all()):
            self.acs += count
        else:
            self.macs += count
        self.dense += float(run(torch.ones_like(x).double(), ones.double()).sum())

    @staticmethod
    def convolve(layer: nn.Conv2d) -> object:
        return lambda x, w: nn.functional.conv2d(x, w, None, layer.stride, layer.padding, layer.dilation, layer.groups)


def test_operations_by_neurobenchs_definition_agree(config: SpikformerConfig) -> None:
    """The neurons see events, so that no layer is skipped; attention products are outside of NeuroBench's view."""
    torch.manual_seed(0)
    model = config.but(neuron=LIFConfig(v_threshold=0.3)).build()
    events = torch.poisson(torch.full((3, 2, 3, 16, 16), 0.5))
    with torch.no_grad():
        for _ in range(3):
            model.train()(events)
    assessment = energy.assess(model, None, [events])
    oracle = NeuroBench(model.eval())
    with torch.no_grad():
        model(events)
    found = assessment.to_dict()["neurobench"]["SynapticOperations"]
    assert oracle.acs > 0
    assert oracle.macs > 0, "residual sums are integers, which NeuroBench calls MACs"
    assert found == {
        "Effective_MACs": oracle.macs / 2,
        "Effective_ACs": oracle.acs / 2,
        "Dense": oracle.dense / 2,
    }


def test_a_compiled_model_counts_like_the_model_and_compiles_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the fused kernel, which is what a compiled model holds."""
    monkeypatch.delenv("SPIKEFORMERS_KERNELS")
    model = nn.Sequential(nn.Linear(3, 4), IF(), nn.Linear(4, 2)).eval()
    compiled, x = torch.compile(model, backend="eager"), torch.rand(2, 5, 3)
    with torch.no_grad():
        with energy.count(compiled) as through:
            y = compiled(x)
        with energy.count(model) as direct:
            expected = model(x)
        assert torch.equal(y, expected)
        assert [(r.path, r.kind, r.acs, r.macs) for r in through.rows()] == [
            (r.path, r.kind, r.acs, r.macs) for r in direct.rows()
        ]
        assert through.firing().keys() == {"1"}
        torch.testing.assert_close(compiled(x), expected)


def test_fused_attention_of_an_ann_is_seen() -> None:
    class Attention(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.scaled_dot_product_attention(x, x, x)

    model, x = Attention(), torch.randn(2, 3, 5, 4)
    with torch.no_grad(), energy.count(model) as meter:
        model(x)
    assert meter.total("macs") == 2 * (2 * 3 * 5 * 5 * 4)
    assert any(r.kind == "softmax" for r in meter.rows())
