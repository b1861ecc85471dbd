"""Spike-driven Transformer V3: how much of its branches is added before training."""

import math

import pytest
import torch

from spikeformers.core.errors import ConfigError
from spikeformers.models.hub import create_model
from spikeformers.models.vision.sdt_v3 import SDTV3


def test_at_scale_zero_every_block_starts_as_its_skip_connections() -> None:
    model = create_model("sdt_v3_tiny", init_scale=0.0)
    assert isinstance(model, SDTV3)
    for blocks, width in zip(model.trunk.levels, (8, 16, 16, 32, 32), strict=True):
        x = torch.randn(1, 3, width, 2, 2)
        assert torch.equal(blocks(x), x)


def test_small_branches_keep_gradients_from_growing_towards_the_image() -> None:
    grown = {}
    for scale in (0.1, 1.0):
        torch.manual_seed(0)
        model = create_model("sdt_v3_tiny", init_scale=scale, neuron="multispike")
        assert isinstance(model, SDTV3)
        model(torch.rand(8, 3, 32, 32)).square().sum().backward()
        first, last = model.trunk.downs[0].conv.weight.grad, model.trunk.downs[4].unit.conv.weight.grad
        assert first is not None
        assert last is not None
        grown[scale] = float(first.norm() / last.norm())
    assert grown[0.1] < 2.0
    assert grown[1.0] > 5.0


@pytest.mark.parametrize("scale", [-0.1, math.inf, math.nan])
def test_a_scale_that_is_no_share_is_refused(scale: float) -> None:
    with pytest.raises(ConfigError, match="init_scale"):
        create_model("sdt_v3_tiny", init_scale=scale)
