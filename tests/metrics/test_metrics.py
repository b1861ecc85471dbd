"""Metrics: right values, and parts merge into the whole."""

import math

import pytest
import torch

from spikeformers.metrics.classification import Classification
from spikeformers.metrics.firing import FiringRates


def test_accuracy_confusion_and_mean_loss_are_right() -> None:
    metric = Classification(3)
    metric.update(torch.eye(3), torch.tensor([0, 1, 0]), torch.tensor(2.0))
    metric.update(torch.eye(3)[:1], torch.tensor([0]), torch.tensor(6.0))
    assert metric.confusion.tolist() == [[2, 0, 1], [0, 1, 0], [0, 0, 0]]
    assert metric.compute() == {"loss": 3.0, "accuracy": 0.75}


def test_probabilities_count_as_their_most_probable_class() -> None:
    metric = Classification(2)
    metric.update(torch.tensor([[0.0, 1.0]]), torch.tensor([[0.3, 0.7]]), torch.tensor(0.0))
    assert metric.compute()["accuracy"] == 1.0


def test_an_empty_metric_is_nan_and_not_zero() -> None:
    assert math.isnan(Classification(2).compute()["accuracy"])
    assert math.isnan(FiringRates().compute()["firing_rate"])


def test_parts_merge_into_the_whole() -> None:
    whole, first, second = Classification(4), Classification(4), Classification(4)
    for part in (first, second):
        scores, targets, loss = torch.rand(5, 4), torch.randint(4, (5,)), torch.rand(())
        whole.update(scores, targets, loss)
        part.update(scores, targets, loss)
    first.merge(second.sums)
    assert first.compute() == pytest.approx(whole.compute())
    rates, one, other = FiringRates(), FiringRates(), FiringRates()
    for part in (one, other):
        spikes = (torch.rand(3, 2, 7) > 0.5).float()
        rates.update("a", spikes)
        part.update("a", spikes)
    one.merge(other.sums)
    assert one.per_layer() == rates.per_layer()


def test_firing_rates_are_per_step_and_weighted_by_layer_size() -> None:
    rates = FiringRates()
    rates.update("small", torch.tensor([[[1.0]], [[0.0]]]))
    rates.update("large", torch.tensor([[[1.0, -1.0, 0.0]], [[0.0, 0.0, 0.0]]]))
    assert rates.per_layer() == {"small": [1.0, 0.0], "large": [pytest.approx(2 / 3), 0.0]}
    assert rates.compute()["firing_rate"] == pytest.approx(3 / 8)
