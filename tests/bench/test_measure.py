from typing import Any

import pytest
import torch
from torch import nn

from spikeformers.bench.measure import Portions, fit_batch_norms, measure_model, measure_recipe
from spikeformers.core.errors import ConfigError
from spikeformers.recipes import RECIPES

SMALL = Portions(batches=2, size=1)


def test_batch_norms_take_the_statistics_of_all_batches_and_keep_their_settings() -> None:
    norm = nn.BatchNorm1d(3, momentum=0.1).eval()
    batches = [torch.randn(50, 3) + 4, torch.randn(50, 3) + 2]
    fit_batch_norms(norm, batches)
    assert torch.allclose(norm.running_mean, torch.stack([b.mean(0) for b in batches]).mean(0), atol=1e-6)  # type: ignore[arg-type]
    assert norm.momentum == 0.1
    assert not norm.training


@pytest.fixture(scope="module")
def dim() -> dict[str, Any]:
    return measure_model("spikformer_tiny", SMALL, rate=0.1).to_dict()


def test_a_model_by_name_fires_and_says_what_was_measured(dim: dict[str, Any]) -> None:
    assert dim["firing_rate"] > 0.005
    assert "rate 0.1" in dim["inputs"]
    assert "untrained" in dim["weights"]


def test_a_higher_input_rate_costs_more_in_the_first_layer(dim: dict[str, Any]) -> None:
    bright = measure_model("spikformer_tiny", SMALL, rate=0.4).to_dict()
    low, high = (next(row["acs"] for row in found["layers"] if row["dense_macs"]) for found in (dim, bright))
    assert 3.5 < high / low < 4.5


def test_the_same_seed_measures_the_same(dim: dict[str, Any]) -> None:
    assert measure_model("spikformer_tiny", SMALL, rate=0.1).to_dict() == dim


def test_a_recipe_is_measured_on_its_own_data() -> None:
    base = RECIPES.config("spikformer_digits")
    found = measure_recipe(base.but(model=base.model.but(dim=16, depth=1, heads=2)), SMALL).to_dict()
    assert found["inputs"] == "2 validation samples of digits, encoder direct"
    assert 0 < found["snn_mj"] < found["ann_mj"]


def test_nothing_to_measure_on_is_refused() -> None:
    with pytest.raises(ConfigError, match="batches=0 must be at least 1"):
        Portions(batches=0)
