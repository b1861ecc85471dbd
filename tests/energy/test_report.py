import json

import pytest
import torch

from spikeformers import energy
from spikeformers.core.errors import ConfigError
from spikeformers.models.base import MODELS, ModelConfig


@pytest.fixture(scope="module")
def config() -> ModelConfig:
    return MODELS.config("spikformer_tiny")


@pytest.fixture(scope="module")
def assessment(config: ModelConfig) -> energy.Assessment:
    torch.manual_seed(0)
    model, twin = config.build(), config.twin().build()
    with torch.no_grad():
        model.train()
        for _ in range(8):
            model(_images(config, 8))
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
