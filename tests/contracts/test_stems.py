"""What every registered stem must keep in every model that lets it be chosen."""

import pytest
import torch

from spikeformers import create_model
from spikeformers.core.errors import ConfigError
from spikeformers.layers.stems import STEMS, StemConfig
from spikeformers.models.base import MODELS

FAMILIES = [f for f in MODELS.families() if MODELS.entry(f).cls.field_types().get("stem") is StemConfig]


@pytest.mark.parametrize("name", STEMS.families())
@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_trains_behind_any_stem(family: str, name: str) -> None:
    torch.manual_seed(0)
    model = create_model(f"{family}_tiny", stem=name, pools="1111", img_size=32)
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            torch.nn.init.constant_(module.weight, 2.0)
            torch.nn.init.constant_(module.bias, 0.5)
    config = model.config
    x = torch.rand(config.timesteps, 3, config.in_channels, 32, 32) * 3
    (level,) = model.features(x)
    assert level.shape == (config.timesteps, 3, config.dim, 2, 2)
    model(x).square().sum().backward()
    missing = [n for n, p in model.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert not missing
    assert level.std() > 0


def test_a_stem_that_cannot_pool_as_the_model_does_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"'scs' halves the map in each of its four units; pools='0011' must be '1111'"
    ):
        create_model("spikformer_4_384", stem="scs")
    with pytest.raises(ConfigError, match=r"1 of img_size=\(1, 32\) is not divisible by the stride 16"):
        create_model("spikformer_tiny", stem="scs", pools="1111", img_size=(1, 32))


def test_the_convolution_stem_makes_spikformer_the_size_of_its_second_version() -> None:
    def size(name: str, **changes: str) -> int:
        with torch.device("meta"):
            return sum(p.numel() for p in create_model(name, **changes).parameters())

    assert size("spikformer_8_512", stem="scs") == size("spikformer_v2_8_512")
