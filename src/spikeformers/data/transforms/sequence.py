"""Augmentation of sequences [B, T, D] whose D features are neighbors, such as the bands of a spectrogram."""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from spikeformers.core.errors import ConfigError
from spikeformers.data.transforms.base import (
    AUGMENTS,
    AugmentConfig,
    Drawn,
    check_not_negative,
    check_probability,
    uniform,
)


@AUGMENTS.register(
    "spectral",
    source="Park et al., Interspeech 2019, arXiv:1904.08779 (masks); Jaitly & Hinton, ICML workshop 2013 (vocal tract)",
)
@dataclass(frozen=True, kw_only=True)
class Spectral(AugmentConfig):
    """For spectrograms [T, bands]: another start, tempo, vocal tract and loudness; a span of steps and of bands masked."""

    axes: ClassVar[tuple[int, ...]] = (2,)

    shift: float = 0.1
    """Largest shift along time, as a fraction of T; the first or last step fills the gap."""
    tempo: float = 0.2
    """Largest relative change of tempo: 0.2 is between 1/1.2 and 1.2 times."""
    tract: float = 0.15
    """Largest relative change of the scale of the bands, as other lengths of the vocal tract make it."""
    loudness: float = 0.3
    """Largest constant that is added."""
    mask_steps: float = 0.2
    """Longest span of steps that takes the sample's mean, as a fraction of T."""
    mask_bands: float = 0.2
    """Widest span of bands that takes the sample's mean, as a fraction of them."""

    def __post_init__(self) -> None:
        for name in ("shift", "tempo", "tract", "loudness"):
            check_not_negative(name, getattr(self, name))
        for name in ("mask_steps", "mask_bands"):
            check_probability(name, getattr(self, name))
        if self.shift >= 1:
            raise ConfigError(f"shift={self.shift} moves a sample out of its own window; give less than 1")

    def draw(self, count: int, shape: torch.Size, generator: Generator) -> Drawn:
        steepest = torch.log1p(torch.tensor([self.tempo, self.tract]))
        return {
            "shift": uniform(generator, -self.shift, self.shift, count),
            "log_scale": uniform(generator, -1.0, 1.0, count, 2) * steepest,
            "gain": uniform(generator, -self.loudness, self.loudness, count),
            "span": torch.rand(count, 2, generator=generator) * torch.tensor([self.mask_steps, self.mask_bands]),
            "start": torch.rand(count, 2, generator=generator),
        }

    def apply(self, x: Tensor, drawn: Drawn) -> Tensor:
        tempo, tract = drawn["log_scale"].exp().unbind(1)
        moved = rescale_axes(x, tempo, tract, drawn["shift"])
        masked = torch.zeros(len(x), *x.shape[1:], dtype=torch.bool)
        for axis, size in enumerate(x.shape[1:]):
            span = drawn["span"][:, axis, None]
            start = drawn["start"][:, axis, None] * (1 - span)
            place = (torch.arange(size) + 0.5) / size
            masked |= ((place >= start) & (place < start + span)).unsqueeze(2 - axis)
        filled = torch.where(masked, x.mean((1, 2), keepdim=True), moved)
        return filled + drawn["gain"].view(-1, 1, 1)


def rescale_axes(x: Tensor, first: Tensor, second: Tensor, shift: Tensor) -> Tensor:
    """Samples [B, T, D] with both axes enlarged from their beginning and the first shifted, bilinear, borders repeated.

    Args:
        x: the samples.
        first, second: factors of size along T and D [B]; above 1 enlarges.
        shift: to later steps, as a fraction of T [B].
    """
    zero = torch.zeros_like(first)
    along_second = torch.stack([1 / second, zero, 1 / second - 1], -1)
    along_first = torch.stack([zero, 1 / first, 1 / first - 1 - 2 * shift / first], -1)
    maps = x.unsqueeze(1)
    grid = F.affine_grid(torch.stack([along_second, along_first], 1).to(x.dtype), list(maps.shape), align_corners=False)
    return F.grid_sample(maps, grid, padding_mode="border", align_corners=False).squeeze(1)
