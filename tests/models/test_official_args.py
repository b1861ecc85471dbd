"""Arguments of official constructors: spellings, sizes that shapes tell, and what is refused."""

from typing import Any

import pytest
import torch

from spikeformers import create_model, from_official
from spikeformers.core.errors import CheckpointError, ConfigError
from spikeformers.models.base import MODELS
from spikeformers.models.hub import export_official
from spikeformers.models.official import OfficialArgs


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ({}, 224),
        ({"img_size": 32}, 32),
        ({"im": 32}, 32),
        ({"event_size": 48}, 48),
        ({"img_size_h": 32}, 32),
        ({"img_size": 32, "img_size_w": 48}, (32, 48)),
        ({"img_size": [32, 48]}, (32, 48)),
        ({"img_size_h": 32, "img_size_w": 48}, (32, 48)),
    ],
)
def test_the_image_size_is_read_from_whatever_says_it(given: dict[str, Any], size: int | tuple[int, int]) -> None:
    args = OfficialArgs("spikformer", given)
    assert args.image(default=224) == size
    args.done()


def test_heads_may_be_given_per_stage_only_if_they_are_equal() -> None:
    assert OfficialArgs("sdt_v1", {"h": 4}).heads(8) == 4
    assert OfficialArgs("sdt_v1", {"num_heads": [4, 4]}).heads(8) == 4
    with pytest.raises(ConfigError, match=r"num_heads=\[4, 8\] of sdt_v1 must be one number"):
        OfficialArgs("sdt_v1", {"num_heads": [4, 8]}).heads(8)


@pytest.mark.parametrize("spelling", ["long", "short"])
def test_every_spelling_of_an_argument_gives_the_same_model(spelling: str) -> None:
    torch.manual_seed(0)
    model = create_model("sdt_v1_tiny").eval()
    state = export_official(model)
    long: dict[str, Any] = {"img_size_h": 32, "img_size_w": 32, "in_channels": 2, "num_classes": 10, "embed_dims": 64}
    long |= {"num_heads": 8, "depths": 1, "pooling_stat": "1111", "dvs_mode": True, "T": 4, "norm_layer": None}
    short = {"im": 32, "ic": 2, "nc": 10, "dim": 64, "h": 8, "d": 1, "ps": "1111", "dvs": True, "step": 4}
    read = from_official("sdt_v1", state, **(long if spelling == "long" else short))
    assert read.config == model.config


def test_sizes_that_contradict_the_shapes_are_refused() -> None:
    state = export_official(create_model("spikformer_tiny"))
    with pytest.raises(
        ConfigError, match="num_classes contradicts the state dict of this spikformer, whose shapes say 10"
    ):
        from_official("spikformer", state, num_heads=4, num_classes=100)
    with pytest.raises(ConfigError, match="no argument 'num_head'; did you mean 'num_heads'"):
        from_official("spikformer", state, num_head=4)


KNOWN = [f for f in MODELS.families() if vars(MODELS.entry(f).cls).get("from_official")]


@pytest.mark.parametrize("family", KNOWN)
def test_a_state_dict_of_another_family_is_refused_whatever_it_lacks(family: str) -> None:
    other = export_official(create_model("qkformer_tiny" if family != "qkformer" else "sdt_v1_tiny"))
    for state in ({}, {"a.weight": torch.ones(2, 3), "head.weight": torch.ones(3, 2)}, other):
        with pytest.raises(CheckpointError):
            from_official(family, state)


def test_the_attention_mode_of_the_shared_code_base_chooses_the_operator() -> None:
    state = export_official(create_model("statten_tiny"))
    sizes = {"img_size_h": 32, "num_heads": 4, "pooling_stat": "0011"}
    ours = from_official("sdt_v1", state, **sizes, attention_mode="STAtten", chunk_size=4)
    other = from_official("statten", state, **sizes, attention_mode="STAtten", chunk_size=4)
    x = torch.rand(2, 3, 32, 32) * 3
    with torch.no_grad():
        assert torch.equal(ours(x), other(x))
    assert from_official("sdt_v1", state, **sizes, attention_mode="SDT").config.attention.family == "sdsa1"
    with pytest.raises(ConfigError, match="attention_mode='SDT' is another model: load it as family 'sdt_v1'"):
        from_official("statten", state, **sizes, attention_mode="SDT")
    with pytest.raises(ConfigError, match="also pools the queries"):
        from_official("sdt_v1", state, **sizes, attention_mode="SDT", dvs_mode=True)
