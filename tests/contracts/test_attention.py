"""What every registered attention must keep in every model that lets it be chosen."""

from typing import Any

import pytest
import torch

from spikeformers import create_model
from spikeformers.core.errors import ConfigError
from spikeformers.layers.attention.base import ATTENTIONS
from spikeformers.models.base import MODELS, AttentiveConfig

FAMILIES = [f for f in MODELS.families() if issubclass(MODELS.entry(f).cls, AttentiveConfig)]
NAMES = ATTENTIONS.families()
WIDE = {"sdt_v3"}
"""Families whose values are wider than their keys."""
CHANNELWISE = {"sdsa1", "qk_token", "qk_channel"}


def changed(family: str, name: str | None = None, **fields: Any) -> torch.nn.Module:
    config = MODELS.config(f"{family}_tiny").but(timesteps=4, **fields)
    torch.manual_seed(0)
    model = (config if name is None else config.but(attention=name)).build()
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            torch.nn.init.constant_(module.weight, 2.0)
            torch.nn.init.constant_(module.bias, 0.5)
    return model


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("family", FAMILIES)
def test_an_attention_changes_the_output_or_is_refused_with_the_reason(family: str, name: str) -> None:
    default = changed(family)
    if default.config.attention == ATTENTIONS.config(name):
        return
    if family in WIDE and name in CHANNELWISE:
        with pytest.raises(ConfigError, match=f"{name!r} works channel by channel, so values must be as wide as keys"):
            changed(family, name)
        return
    model = changed(family, name)
    model.load_state_dict(default.state_dict(), strict=False)
    size, channels = default.config.image, default.config.in_channels
    x = torch.rand(4, 2, channels, *size, generator=torch.Generator().manual_seed(1)) * 3
    out = model(x)
    assert not torch.allclose(out, default(x)), "the attention changes nothing"
    out.square().sum().backward()
    missing = [n for n, p in model.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert not missing
    # Only an attention that sees later steps makes a model that does.
    later = torch.cat([x[:2], torch.rand(2, *x.shape[1:]) * 3])
    with torch.no_grad():
        same = torch.allclose(model.eval()(x)[:2], model(later)[:2], atol=1e-5)
    assert model.config.causal == ATTENTIONS.config(name).causal
    assert same or not model.config.causal


def test_chunks_that_do_not_fill_the_steps_are_refused_when_the_model_is_configured() -> None:
    with pytest.raises(ConfigError, match=r"chunk=2 steps does not fill timesteps=1; chunks that do: 1"):
        create_model("sdt_v3_tiny", attention="statten")
    with pytest.raises(ConfigError, match=r"does not fill timesteps=5; chunks that do: 1, 5"):
        create_model("spikingformer_tiny", attention="statten", timesteps=5)
    assert MODELS.config("sdt_v1_tiny").but(attention="statten").twin().attention.chunk == 1


def test_a_name_that_is_no_attention_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no attention is called 'stattn'; did you mean 'statten'"):
        create_model("sdt_v1_tiny", attention="stattn")


def test_spike_driven_attention_of_the_published_sizes_carries_over_to_the_spatio_temporal_one() -> None:
    torch.manual_seed(0)
    ours = create_model("sdt_v1_2_256", dim=64, depth=1, attention="statten").eval()
    other = create_model("statten_2_256", dim=64, depth=1).eval()
    other.load_state_dict(ours.state_dict())
    x = torch.rand(2, 3, 32, 32) * 3
    with torch.no_grad():
        assert torch.equal(ours(x), other(x))
