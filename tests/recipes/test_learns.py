"""The common recipe takes every family."""

import pytest
import torch
from torch.nn.utils import get_total_norm

from spikeformers.cli.request import read_config, read_request
from spikeformers.models.base import MODELS
from spikeformers.recipes.learns import THRESHOLD


def words(family: str) -> list[str]:
    return f"learns_digits model={family}_tiny --model.in-channels 1 --model.img-size 32 --data.size 32".split()


@pytest.mark.parametrize("family", MODELS.families())
def test_a_tiny_variant_of_every_family_fits_the_recipe(family: str) -> None:
    config = read_config(read_request("train", words(family)))
    assert config.model.family == family
    assert config.data.info.shape == (config.model.in_channels, config.model.img_size, config.model.img_size)
    assert len(config.data.info.classes) == config.model.num_classes


@pytest.mark.parametrize("seed", range(3))
def test_norms_behind_the_attention_of_sdt_v2_do_not_blow_up_gradients_before_training(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a threshold of 1 it is silent: without variance, three norms in a row make them 10⁷ times as large."""
    monkeypatch.setenv("SPIKEFORMERS_KERNELS", "reference")
    request = read_request("train", [*words("sdt_v2"), "--model.neuron.v-threshold", str(THRESHOLD)])
    config = read_config(request)
    torch.manual_seed(seed)
    model = config.build_task().model.train()
    train, some = config.data.build().train, torch.arange(config.train.batch_size)
    torch.nn.functional.cross_entropy(model.readout(model(train.inputs(some))), train.targets(some)).backward()
    assert get_total_norm([p.grad for p in model.parameters()]) < 100
