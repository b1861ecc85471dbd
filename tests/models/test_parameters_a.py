"""Trainable parameters of named variants against those of the official classes, less what these never use."""

from typing import Any

import pytest
import torch

from spikeformers.models.hub import count_parameters, create_model

PARAMETERS = {
    # Less two layer norms in each block.
    "spikingformer_8_384": 16_816_024,
    "spikingformer_8_512": 29_689_384,
    "spikingformer_8_768": 66_338_632,
    "spikingformer_4_256": 4_156_202 - 4_096,
    "spikingformer_2_384": 5_765_818 - 3_072,
    "spikingformer_4_384": 9_326_266 - 6_144,
    "spikingformer_2_256": 2_568_714 - 2_048,
    # Less the h×h talking-heads weight of each block.
    "sdt_v1_8_384": 16_816_536 - 512,
    "sdt_v1_10_384": 20_374_040 - 640,
    "sdt_v1_6_512": 23_373_736 - 384,
    "sdt_v1_8_512": 29_689_896 - 512,
    "sdt_v1_10_512": 36_006_056 - 640,
    "sdt_v1_8_768": 66_339_144 - 512,
    "sdt_v1_2_256": 2_567_082 - 128,
    "sdt_v1_2_512": 10_233_546 - 128,
    "sdt_v1_2_256_events": 2_566_794 - 128,
    "statten_8_512": 29_689_896 - 512,
    "statten_8_768": 66_339_144 - 512,
    "statten_2_256": 2_567_082 - 128,
    "statten_2_512": 10_233_546 - 128,
    "statten_2_256_events": 2_566_794 - 128,
    "qkformer_10_384": 16_473_688,
    "qkformer_10_512": 29_079_336,
    "qkformer_10_768": 64_962_760,
    "qkformer_4_384": 6_706_234,
    "qkformer_2_256": 1_504_138,
    "maxformer_10_384": 16_237_240,
    "maxformer_10_512": 28_653_480,
    "maxformer_10_768": 63_992_200,
    "maxformer_4_384": 6_568_282,
    "maxformer_2_256": 1_455_626,
    "ms_qkformer_10_384": 16_473_688,
    "ms_qkformer_10_512": 29_079_336,
    "ms_qkformer_10_768": 64_962_760,
    # Not in the tables; counted on the official classes.
    "ms_qkformer_4_384": 6_706_234,
    "ms_qkformer_2_256": 1_504_138,
    "max_resnet_18": 12_502_090,
    "autost_4_384": 9_324_761,
    "autost_2_384": 5_765_067,
    "autost_4_256": 4_155_209,
    "autost_1_192": 926_444,
    "autost_10_384": 22_964_483,
    # Less two layer norms in each block.
    "tim_2_256": 2_570_794 - 2_048,
    "semm_4_384": 7_739_242,
    "semm_8_384": 16_049_656,
    "semm_8_512": 27_550_088,
}

# The same models with another head or perceptron.
CHANGED: list[tuple[str, dict[str, Any], int]] = [
    ("spikformer_4_256", {"num_classes": 100}, 4_182_404 - 4_096),
    ("spikformer_2_384", {"num_classes": 100}, 5_802_772 - 3_072),
    ("spikformer_4_384", {"num_classes": 100}, 9_365_524 - 6_144),
    ("spikingformer_4_256", {"num_classes": 100}, 4_179_332 - 4_096),
    ("spikingformer_2_384", {"num_classes": 100}, 5_800_468 - 3_072),
    ("spikingformer_4_384", {"num_classes": 100}, 9_360_916 - 6_144),
    ("spikingformer_2_256", {"num_classes": 11}, 2_568_971 - 2_048),
    ("sdt_v1_2_256", {"num_classes": 100}, 2_590_212 - 128),
    ("sdt_v1_2_512", {"num_classes": 100}, 10_279_716 - 128),
    ("sdt_v1_2_256_events", {"num_classes": 11, "pools": "0111", "img_size": 128}, 2_567_051 - 128),
    ("statten_2_256", {"num_classes": 100}, 2_590_212 - 128),
    ("statten_2_512", {"num_classes": 100}, 10_279_716 - 128),
    ("statten_2_256_events", {"num_classes": 101}, 2_590_181 - 128),
    ("qkformer_4_384", {"num_classes": 100}, 6_740_884),
    ("qkformer_2_256", {"num_classes": 11, "mlp_ratio": 4.0}, 1_999_371),
    ("maxformer_4_384", {"num_classes": 100}, 6_602_932),
    ("maxformer_2_256", {"num_classes": 11}, 1_455_883),
    ("max_resnet_18", {"num_classes": 100}, 12_548_260),
    ("tim_2_256", {"num_classes": 101}, 2_594_181 - 2_048),
    ("semm_4_384", {"num_classes": 100}, 7_773_892),
]


@pytest.mark.parametrize(("name", "parameters"), PARAMETERS.items())
def test_parameter_counts_are_the_official_ones(name: str, parameters: int) -> None:
    assert count_parameters(name) == parameters


@pytest.mark.parametrize(("name", "changes", "parameters"), CHANGED)
def test_parameter_counts_with_another_head_are_the_official_ones(
    name: str, changes: dict[str, Any], parameters: int
) -> None:
    with torch.device("meta"):
        model = create_model(name, **changes)
    assert sum(p.numel() for p in model.parameters()) == parameters


def test_the_largest_searched_model_has_150_7_million_parameters() -> None:
    assert round(count_parameters("autost_15_768") / 1e6, 1) == 150.7
