"""Trainable parameters of named variants against those of the official classes, less what these never use."""

import pytest

from spikeformers.models.hub import count_parameters

PARAMETERS = {
    "swformer_6_512": 21_806_632,
    "swformer_8_512": 27_600_424,
    "swformer_8_512_b4": 23_141_928,
    "swformer_4_384": 7_479_226,
    "swformer_2_256": 2_157_834,
    # Less two layer norms in each of six global blocks.
    "sglformer_8_384": 16_248_856 - 24 * 384,
    "sglformer_8_384_late": 16_248_856 - 24 * 384,
    "sglformer_8_512": 28_671_016 - 24 * 512,
    "sglformer_8_512_late": 28_671_016 - 24 * 512,
    "sglformer_8_768": 64_024_648 - 24 * 768,
    "sglformer_4_384": 8_852_874,
    "sglformer_4_256_t10": 4_066_130,
    "sglformer_4_256": 4_164_434,
}


@pytest.mark.parametrize(("name", "parameters"), PARAMETERS.items())
def test_parameter_counts_are_the_official_ones(name: str, parameters: int) -> None:
    assert count_parameters(name) == parameters
