import json
from dataclasses import replace

import pytest
import torch

from spikeformers import energy
from spikeformers.core.errors import ConfigError
from spikeformers.energy.attention import associations
from spikeformers.models.base import ModelConfig
from spikeformers.models.vision.spikformer import SpikformerConfig


@pytest.fixture(scope="module")
def config() -> ModelConfig:
    return SpikformerConfig(img_size=16, num_classes=4, dim=32, depth=1, heads=2, mlp_ratio=2.0, pools="0011")


@pytest.fixture(scope="module")
def assessment(config: ModelConfig) -> energy.Assessment:
    torch.manual_seed(0)
    model, twin = config.build(), config.twin().build()
    with torch.no_grad():
        model.train()
        for _ in range(3):
            model(_images(config, 2))
    return energy.assess(model, twin, [_images(config, 2), _images(config, 3)])


def _images(config: ModelConfig, batch: int) -> torch.Tensor:
    return torch.randn(batch, config.in_channels, config.img_size, config.img_size)


def test_the_dictionary_is_json_and_adds_up(assessment: energy.Assessment) -> None:
    found = json.loads(json.dumps(assessment.to_dict()))
    assert found["samples"] == 5
    assert sum(e["snn_mj"] for e in found["layers"]) == pytest.approx(found["snn_mj"])
    assert found["synops"] == pytest.approx(sum(e["acs"] + e["macs"] for e in found["layers"]))
    assert found["snn_mj"] > 0
    assert found["ann_mj"] > 0


def test_the_dense_convention_is_the_arithmetic_of_the_twin(assessment: energy.Assessment) -> None:
    by_name = {c["name"]: c["mj"] for c in assessment.to_dict()["conventions"]}
    assert assessment.twin is not None
    macs = assessment.twin.total("macs") / assessment.twin.samples
    assert by_name["dense, one step"] == pytest.approx(macs * 4.6e-9)


def test_the_first_layer_is_named_as_not_spike_driven(assessment: energy.Assessment) -> None:
    analog = [e["path"] for e in assessment.to_dict()["layers"] if not e["spike_driven"]]
    assert len(analog) == 1
    assert any(analog[0] in flag and "not spike-driven" in flag for flag in assessment.flags())


def test_no_batches_are_refused(config: ModelConfig) -> None:
    with pytest.raises(ConfigError, match="at least one batch"):
        energy.assess(config.build(), None, [])


def test_an_unknown_price_table_is_refused_with_the_nearest_name(config: ModelConfig) -> None:
    with pytest.raises(ConfigError, match="horowitz_45nm"):
        energy.assess(config.build(), None, [_images(config, 1)], prices="horowitz_45")


def test_the_ann_twin_has_no_accumulates_and_is_flagged_without_neurons(config: ModelConfig) -> None:
    found = energy.assess(config.twin().build(), None, [_images(config, 1)])
    assert found.meter.total("acs") == 0
    assert found.ann_mj is None
    assert any("no spiking neuron" in flag for flag in found.flags())


def test_the_spiking_model_and_three_quantized_twins_stand_side_by_side(assessment: energy.Assessment) -> None:
    variants = {v["name"]: v for v in assessment.to_dict()["variants"]}
    assert list(variants) == ["SNN fp32", "SNN w8", "ANN fp32", "ANN int8", "ANN w8a3", "ANN w8a3 bit-serial"]
    assert variants["SNN fp32"]["op_mj"] == pytest.approx(assessment.snn_mj)
    assert variants["ANN fp32"]["op_mj"] == pytest.approx(assessment.ann_mj)
    for variant in variants.values():
        totals = list(variant["total_mj"].values())
        assert len(totals) >= 3
        assert totals == sorted(totals)
        assert totals[0] > variant["op_mj"]


def test_the_verdict_covers_both_widths(assessment: energy.Assessment) -> None:
    text = " ".join(assessment.verdict())
    assert "SNN fp32 / ANN fp32" in text
    assert "SNN w8 / ANN int8" in text
    assert "SNN w8 / ANN w8a3 bit-serial" in text


def test_a_table_without_a_price_that_is_needed_is_refused_and_a_partial_one_flagged(config: ModelConfig) -> None:
    short = energy.PriceTable("short", "a guess", {"fp32": {"ac": 1.0}})
    with pytest.raises(ConfigError, match=r"'short' has no fp32 price for mac \("):
        energy.assess(config.build(), None, [_images(config, 1)], prices=short)
    told = energy.assess(config.build(), None, [_images(config, 1)], prices=replace(short, partial=True))
    assert any("no price for 'mac'" in flag for flag in told.flags())


def test_the_measured_rate_is_that_of_the_break_even_rates(assessment: energy.Assessment) -> None:
    driven = [e for e in assessment.layers() if e["dense_macs"] and e["spike_driven"]]
    expected = sum(e["acs"] for e in driven) / sum(e["dense_macs"] for e in driven)
    assert assessment.input_rate == pytest.approx(expected)
    assert {r["steps"] for r in assessment.break_even((1, 3))} == {1, 3, 4}


def test_break_even_needs_a_twin(config: ModelConfig) -> None:
    found = energy.assess(config.build(), None, [_images(config, 1)])
    with pytest.raises(ConfigError, match="twin"):
        found.break_even()


def test_a_chip_without_a_multiplier_flags_the_analog_layer(config: ModelConfig) -> None:
    found = energy.assess(config.build(), config.twin().build(), [_images(config, 1)], prices="loihi")
    assert any("no price for 'mac'" in flag for flag in found.flags())
    assert any("the ANN twin cannot be priced" in flag for flag in found.flags())
    assert [v.name for v in found.variants()] == ["SNN fp32"]
    assert found.ann_mj is None
    assert found.to_dict()["break_even"] == []


def test_event_input_is_averaged_over_time_for_the_twin(config: ModelConfig) -> None:
    events = torch.randint(0, 3, (6, 2, 3, 16, 16)).float()
    found = energy.assess(config.build(), config.twin().build(), [events])
    assert (found.meter.steps, found.meter.samples) == (6, 2)
    assert found.twin is not None
    assert (found.twin.steps, found.twin.samples) == (1, 2)
    assert found.layers()[0]["input"] != "analog"
    assert found.layers()[0]["macs"] == 0, "event counts are spikes"


def test_the_model_is_put_back_into_the_mode_it_was_in(config: ModelConfig) -> None:
    model = config.build().train()
    model.head.eval()
    energy.assess(model, None, [_images(config, 1)])
    assert model.training
    assert not model.head.training


def test_an_all_silent_network_is_flagged(config: ModelConfig) -> None:
    model = config.build()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    found = energy.assess(model, None, [_images(config, 1)])
    assert any("all neurons are silent" in flag for flag in found.flags())


@pytest.mark.parametrize(
    ("tokens_first", "order", "macs", "other"), [(True, "(q·kᵀ)·v", 100, 40), (False, "q·(kᵀ·v)", 40, 100)]
)
def test_both_association_orders_of_attention_are_told(tokens_first: bool, order: str, macs: int, other: int) -> None:
    class Attention(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x @ x.mT) @ x if tokens_first else x @ (x.mT @ x)

    model = Attention()
    with energy.count(model) as meter:
        model((torch.rand(3, 5, 2) < 0.5).float())  # 5 tokens, 2 channels
    found = associations(meter.rows())
    assert [(a["order"], a["dense_macs"], a["other_dense_macs"]) for a in found] == [(order, macs, other)]
