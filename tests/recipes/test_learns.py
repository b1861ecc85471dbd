"""The common recipe takes every family."""

import pytest

from spikeformers.cli.request import read_config, read_request
from spikeformers.models.base import MODELS


@pytest.mark.parametrize("family", MODELS.families())
def test_a_tiny_variant_of_every_family_fits_the_recipe(family: str) -> None:
    words = f"learns_digits model={family}_tiny --model.in-channels 1 --model.img-size 32 --data.size 32"
    config = read_config(read_request("train", words.split()))
    assert config.model.family == family
    assert config.data.info.shape == (config.model.in_channels, config.model.img_size, config.model.img_size)
    assert len(config.data.info.classes) == config.model.num_classes
