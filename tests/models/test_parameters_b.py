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
    "sdt_v2_8m": 8_333_176,
    "sdt_v2_15m": 15_112_208,
    "sdt_v2_31m": 31_333_864,
    "sdt_v2_31m_kd": 31_814_864,
    "sdt_v2_55m": 55_350_248,
    "sdt_v2_55m_kd": 55_991_248,
    "sdt_v2_124m": 123_741_160,
    "sdt_v2_124m_kd": 124_702_160,
    "sdt_v3_t": 2_702_048,
    "sdt_v3_s": 5_105_608,
    "sdt_v3_m": 10_023_112,
    "sdt_v3_l": 18_987_504,
    "sdt_v3_12_512": 82_502_952,
    "sdt_v3_12_512_kd": 83_015_952,
    "sdt_v3_12_768": 170_971_714,
    "sdt_v3_12_768_kd": 171_740_714,
    # Step sizes of weights counted, those of the inputs' quantizers, which are never used, not.
    "qsd_8_256": 8_336_504 + 32_544,
    "spikingresformer_ti": 11_180_992,
    "spikingresformer_s": 17_813_824,
    "spikingresformer_m": 35_601_472,
    "spikingresformer_l": 60_375_680,
    "spikingresformer_ti_cifar10": 10_793_152,
    "spikingresformer_ti_cifar100": 10_827_712,
    "spikingresformer_dvsg": 2_709_830,
    # With one learned ceiling per activation.
    "masked_spiking_transformer_t": 28_332_514 + 124,
    "masked_spiking_transformer_t_cifar10": 27_527_044 + 124,
    "masked_spiking_transformer_t_cifar100": 27_596_254 + 124,
    "spiking_resnet_18": 11_689_512,
    "spiking_resnet_34": 21_797_672,
    "spiking_resnet_50": 25_557_032,
    "spiking_resnet_101": 44_549_160,
    "spiking_resnet_152": 60_192_808,
    "sew_resnet_18": 11_689_512,
    "sew_resnet_34": 21_797_672,
    "sew_resnet_50": 25_557_032,
    "sew_resnet_101": 44_549_160,
    "sew_resnet_152": 60_192_808,
    "spiking_vgg_11": 132_863_336,
    "spiking_vgg_11_bn": 132_868_840,
    "spiking_vgg_13": 133_047_848,
    "spiking_vgg_13_bn": 133_053_736,
    "spiking_vgg_16": 138_357_544,
    "spiking_vgg_16_bn": 138_365_992,
    "spiking_vgg_19": 143_667_240,
    "spiking_vgg_19_bn": 143_678_248,
    "spiking_vggsnn": 9_271_498,
    "ms_resnet_18": 11_693_736,
    "ms_resnet_34": 21_801_896,
    "ms_resnet_104": 77_350_504,
}
# Published sizes in millions, for families without official code or counts to the last digit.
MILLIONS = {
    "spikformer_v2_8_384": 29.11,
    "spikformer_v2_8_512": 51.55,
    "spikformer_v2_12_512": 64.18,
    "spikformer_v2_16_768": 172.28,
    "sdt_v2_31m_sdsa2": 28.59,
}


@pytest.mark.parametrize(("name", "parameters"), PARAMETERS.items())
def test_parameter_counts_are_the_official_ones(name: str, parameters: int) -> None:
    assert count_parameters(name) == parameters


@pytest.mark.parametrize(("name", "millions"), MILLIONS.items())
def test_parameter_counts_round_to_the_published_ones(name: str, millions: float) -> None:
    assert abs(count_parameters(name) / 1e6 - millions) < 0.0051
