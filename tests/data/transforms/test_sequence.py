"""Augmented spectrograms stay what they were where nothing is asked, and move the way the fields say."""

import pytest
import torch

from spikeformers.core.errors import ConfigError
from spikeformers.data.transforms.sequence import Spectral, rescale_axes

OFF = {"shift": 0.0, "tempo": 0.0, "tract": 0.0, "loudness": 0.0, "mask_steps": 0.0, "mask_bands": 0.0}


def augmented(x: torch.Tensor, **fields: float) -> torch.Tensor:
    config = Spectral(**{**OFF, **fields})
    return config.apply(x, config.draw(len(x), x.shape[1:], torch.Generator().manual_seed(0)))


def test_nothing_asked_changes_nothing() -> None:
    x = torch.rand(4, 12, 7)
    torch.testing.assert_close(augmented(x), x, rtol=1e-5, atol=1e-5)


def test_a_shift_moves_steps_and_repeats_the_border() -> None:
    x = torch.rand(1, 10, 4)
    one, later = torch.ones(1), rescale_axes(x, torch.ones(1), torch.ones(1), torch.tensor([0.2]))
    torch.testing.assert_close(later[:, 2:], x[:, :-2], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(later[:, :2], x[:, :1].expand(1, 2, 4), rtol=1e-5, atol=1e-5)
    earlier = rescale_axes(x, one, one, torch.tensor([-0.2]))
    torch.testing.assert_close(earlier[:, :-2], x[:, 2:], rtol=1e-5, atol=1e-5)


def test_scales_enlarge_each_axis_from_its_beginning() -> None:
    steps = (torch.arange(20.0) + 0.5).view(1, 20, 1).expand(1, 20, 6)
    slower = rescale_axes(steps, torch.tensor([2.0]), torch.ones(1), torch.zeros(1))
    torch.testing.assert_close(slower[0, 1:, 0], (torch.arange(20.0) + 0.5)[1:] / 2, rtol=1e-4, atol=1e-4)
    bands = steps.transpose(1, 2)
    shorter = rescale_axes(bands, torch.ones(1), torch.tensor([2.0]), torch.zeros(1))
    torch.testing.assert_close(shorter[0, 0, 1:], (torch.arange(20.0) + 0.5)[1:] / 2, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("field", "axis"), [("mask_steps", 1), ("mask_bands", 2)])
def test_masks_are_one_span_of_the_samples_mean(field: str, axis: int) -> None:
    x = torch.rand(200, 20, 20)
    out = augmented(x, **{field: 0.5})
    masked = torch.isclose(out, x.mean((1, 2), keepdim=True), rtol=1e-4).all(3 - axis)
    spans = masked.sum(1)
    assert spans.max() <= 10
    assert spans.float().mean() == pytest.approx(5, abs=0.7)
    assert (masked.float().diff(dim=1).abs().sum(1) <= 2).all()


def test_loudness_is_one_number_a_sample_within_its_bounds() -> None:
    x = torch.rand(50, 5, 5)
    gain = augmented(x, loudness=0.3) - x
    assert (gain.flatten(1).std(1) < 1e-5).all()
    assert gain.abs().max() <= 0.3 + 1e-5
    assert gain.std() > 0.1


@pytest.mark.parametrize("fields", [{"tempo": -0.1}, {"mask_bands": 1.5}, {"shift": 1.0}])
def test_impossible_values_are_refused(fields: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(fields))):
        Spectral(**fields)
