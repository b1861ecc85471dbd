"""Meta-SpikeFormer: exact merging of RepConv, the four attention operators, the second head."""

import pytest
import torch
from torch import nn

from spikeformers.core.errors import ConfigError
from spikeformers.layers.quantized import quantize_weights
from spikeformers.layers.repconv import RepConv, merge_repconvs
from spikeformers.models.hub import count_parameters, create_model


def shaken(module: nn.Module) -> nn.Module:
    """In eval mode and double precision, with norms that do something."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.uniform_(part.bias, -0.5, 1.0)
            nn.init.normal_(part.running_mean)
            nn.init.uniform_(part.running_var, 0.5, 1.5)
    return module.double().eval()


@pytest.mark.parametrize("bits", [None, 4])
def test_a_merged_repconv_is_one_convolution_that_computes_the_same(bits: int | None) -> None:
    rep = RepConv(6, 10)
    if bits is not None:
        quantize_weights(rep, bits)
    shaken(rep)
    x = torch.randn(2, 3, 6, 5, 7, dtype=torch.float64)
    with torch.no_grad():
        merged = rep.merged()(x.flatten(0, 1)).unflatten(0, (2, 3))
        assert (rep(x) - merged).abs().max() < 1e-12


def test_merging_a_model_keeps_its_outputs_and_removes_parameters() -> None:
    model = shaken(create_model("sdt_v2_tiny"))
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    before, size = model(x), sum(p.numel() for p in model.parameters())
    assert merge_repconvs(model) == 8
    assert (model(x) - before).abs().max() < 1e-9
    assert sum(p.numel() for p in model.parameters()) != size
    assert not any(isinstance(m, RepConv) for m in model.modules())


@pytest.mark.parametrize("kind", ["sdsa1", "sdsa2", "sdsa3", "sdsa4"])
def test_every_attention_operator_trains(kind: str) -> None:
    model = create_model("sdt_v2_tiny", attention=kind, neuron="relu", timesteps=1).train()
    model(torch.rand(4, 3, 32, 32)).square().mean().backward()
    attention = model.trunk.levels[3][0].attention
    assert all(p.grad is not None and p.grad.any() for n, p in attention.named_parameters() if not n.endswith("bias"))


def test_attention_without_keys_has_the_published_size() -> None:
    assert round(count_parameters("sdt_v2_31m_sdsa2") / 1e6, 1) == 28.6


def test_the_output_is_the_mean_of_both_heads() -> None:
    model = create_model("sdt_v2_tiny", distillation_head=True).eval()
    maps = model.features(torch.rand(2, 3, 32, 32))[-1]
    labels, teacher = model.logits(maps)
    assert teacher is not None
    torch.testing.assert_close(model.classify(maps), (labels + teacher) / 2)


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="heads=7"):
        create_model("sdt_v2_tiny", heads=7)
    with pytest.raises(ConfigError, match="img_size=40"):
        create_model("sdt_v2_tiny", img_size=40)
