"""Printed ImageNet energies against the operations of the same networks, counted by shape."""

import pytest
import torch

from spikeformers.core.errors import ConfigError
from spikeformers.energy.published import (
    PUBLISHED,
    DenseOperations,
    Published,
    check_published,
    dense_operations,
    explain,
    explain_first,
)
from spikeformers.models.vision.spikformer import SpikformerConfig


def spikformer(dim: int, depth: int, heads: int = 8) -> DenseOperations:
    with torch.device("meta"):
        twin = SpikformerConfig(dim=dim, depth=depth, heads=heads).twin().build()
    return dense_operations(twin, 3, 224, 224)


def entry(model: str, source: str) -> Published:
    return next(p for p in PUBLISHED if p.model == model and source in p.source)


@pytest.mark.parametrize(("dim", "depth"), [(384, 8), (512, 6), (512, 8), (512, 10), (768, 8)])
def test_spikformer_energies_imply_firing_rates_of_a_spikformer(dim: int, depth: int) -> None:
    operations = spikformer(dim, depth)
    printed = entry(f"spikformer_{depth}_{dim}", "Spikformer paper")
    found = check_published(printed, operations)
    assert operations.first == pytest.approx(3 * 9 * dim / 8 * 224 * 224 * 1e-9)
    assert operations.products < 0.02 * operations.weighted
    assert 0.2 < found["rate"] < 0.5
    assert found["gsops"] == printed.gsops
    assert 4.6 * found["first_charged"] * operations.first + 0.9 * found["gsops"] == pytest.approx(printed.mj)
    assert printed.first_gmacs == pytest.approx(4 * 0.0867, abs=0.003), (
        "the first layer of width 512 at four steps, for all"
    )


def test_a_rate_is_implied_where_no_operations_are_printed() -> None:
    operations = DenseOperations(first=0.1, weighted=8.0, products=0.5)
    found = check_published(Published("net", operations.paper_mj(4, 0.3), "somewhere"), operations)
    assert found["rate"] == pytest.approx(0.3)
    assert (found["first_charged"], found["gsops_printed"]) == (None, False)


def test_how_the_first_layer_was_charged_is_told() -> None:
    first = {"narrow": 0.1, "wide": 0.2}
    every = Published("wide", 4.6 * 0.8 + 0.9 * 3, "somewhere", 3.0)
    assert "0.800 GMAC for the first layer, its first convolution once at each of 4 steps" in explain_first(
        every, first
    )
    other = Published("narrow", 4.6 * 0.8 + 0.9 * 3, "somewhere", 3.0)
    assert "8.00 times its first convolution, as 4 steps of the first convolution of wide" in explain_first(
        other, first
    )
    assert explain_first(Published("wide", 1.0, "somewhere"), first) == ""


def test_the_rule_inverts() -> None:
    operations = DenseOperations(first=0.1, weighted=8.0, products=0.5)
    assert operations.implied_rate(operations.paper_mj(4, 0.27), 4) == pytest.approx(0.27)


def test_the_two_energies_of_spikformer_8_768_differ_by_integers_called_real() -> None:
    text = explain(
        entry("spikformer_8_768", "Spikformer paper"), entry("spikformer_8_768", "re-rated"), spikformer(768, 8)
    )
    assert "21.48 mJ" in text
    assert "32.07 mJ" in text
    assert "Charging 2.86 G" in text


def test_different_networks_are_not_explained_and_spiking_ones_not_counted_by_shape() -> None:
    operations = DenseOperations(first=0.1, weighted=8.0, products=0.5)
    with pytest.raises(ConfigError, match="different networks"):
        explain(PUBLISHED[0], PUBLISHED[1], operations)
    with torch.device("meta"):
        spiking = SpikformerConfig(dim=64, depth=1, heads=4, img_size=32).build()
    with pytest.raises(ConfigError, match="ANN twin"):
        dense_operations(spiking, 3, 32, 32)
