"""Augmentation of images and frame sequences [B, ..., H, W] with values in [0, 1], a whole batch at a time."""

import math
from dataclasses import dataclass

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


@AUGMENTS.register("affine")
@dataclass(frozen=True, kw_only=True)
class Affine(AugmentConfig):
    """Small shifts, rotations and changes of size, never mirrored: right for digits, letters and garments."""

    shift: float = 1.0
    """Largest shift along each axis, in pixels."""
    rotate: float = 10.0
    """Largest rotation, in degrees."""
    scale: float = 0.1
    """Largest relative change of size: 0.1 is between 1/1.1 and 1.1 times."""
    erase: float = 0.0
    """Probability that a random rectangle of a sample is blanked (random erasing)."""

    def __post_init__(self) -> None:
        for name in ("shift", "rotate", "scale"):
            check_not_negative(name, getattr(self, name))
        check_probability("erase", self.erase)

    def draw(self, count: int, shape: torch.Size, generator: Generator) -> Drawn:
        return {
            "shift": uniform(generator, -self.shift, self.shift, count, 2),
            "angle": uniform(generator, -math.radians(self.rotate), math.radians(self.rotate), count),
            "log_scale": uniform(generator, -math.log1p(self.scale), math.log1p(self.scale), count),
            **draw_erasing(self.erase, count, generator),
        }

    def apply(self, x: Tensor, drawn: Drawn) -> Tensor:
        moved = warp(x, drawn["shift"], drawn["angle"], drawn["log_scale"].exp())
        return erase(moved, drawn["erased"], drawn["box"])


@AUGMENTS.register("crop_flip")
@dataclass(frozen=True, kw_only=True)
class CropFlip(AugmentConfig):
    """Pad with zeros, crop at random to the old size, mirror left to right: the usual recipe for CIFAR."""

    padding: int = 4
    """Pixels added on each side before cropping."""
    flip: float = 0.5
    """Probability that a sample is mirrored left to right."""
    erase: float = 0.0
    """Probability that a random rectangle of a sample is blanked (random erasing)."""

    def __post_init__(self) -> None:
        check_not_negative("padding", self.padding)
        check_probability("flip", self.flip)
        check_probability("erase", self.erase)

    @property
    def mirrors(self) -> bool:
        return self.flip > 0

    def draw(self, count: int, shape: torch.Size, generator: Generator) -> Drawn:
        if self.padding >= min(shape[-2:]):
            raise ConfigError(
                f"padding={self.padding} is as large as the image ({shape[-2]}×{shape[-1]} pixels); give less"
            )
        return {
            "corner": torch.randint(0, 2 * self.padding + 1, (count, 2), generator=generator),
            "flipped": torch.rand(count, generator=generator) < self.flip,
            **draw_erasing(self.erase, count, generator),
        }

    def apply(self, x: Tensor, drawn: Drawn) -> Tensor:
        cut = crop(x, drawn["corner"], self.padding)
        turned = mirror(cut, drawn["flipped"])
        return erase(turned, drawn["erased"], drawn["box"])


def warp(x: Tensor, shift: Tensor, angle: Tensor, scale: Tensor, shear: Tensor | None = None) -> Tensor:
    """Shear, rotate, resize and shift about the image center, bilinear, zeros outside.

    Args:
        x: samples [B, ..., H, W].
        shift: pixels right and down [B, 2].
        angle: radians, counter-clockwise as seen [B].
        scale: factor of size, above 1 enlarges [B].
        shear: pixels to the right for each pixel down [B]; None is 0.
    """
    height, width = x.shape[-2:]
    flat = x.reshape(x.shape[0], -1, height, width)
    cos, sin = torch.cos(angle) / scale, torch.sin(angle) / scale
    # The grid maps output to input coordinates in [-1, 1]; H/W terms keep rotation rigid in pixels.
    linear = torch.stack([cos, -sin * height / width, sin * width / height, cos], -1).view(-1, 2, 2)
    if shear is not None:
        slant = torch.eye(2).repeat(len(x), 1, 1)
        slant[:, 0, 1] = -shear * height / width
        linear = slant @ linear
    offset = -linear @ (shift * 2 / torch.tensor([width, height])).unsqueeze(-1)
    grid = F.affine_grid(torch.cat([linear, offset], -1).to(x.dtype), list(flat.shape), align_corners=False)
    return F.grid_sample(flat, grid, padding_mode="zeros", align_corners=False).view(x.shape)


def crop(x: Tensor, corner: Tensor, padding: int) -> Tensor:
    """Windows of the size of `x` out of `x` padded with zeros; `corner` [B, 2] is their top and left."""
    height, width = x.shape[-2:]
    flat = F.pad(x.reshape(x.shape[0], -1, height, width), [padding] * 4)
    sample = torch.arange(len(x))[:, None, None]
    rows = (corner[:, :1] + torch.arange(height))[:, :, None]
    columns = (corner[:, 1:] + torch.arange(width))[:, None, :]
    return flat[sample, :, rows, columns].permute(0, 3, 1, 2).reshape(x.shape)


def draw_erasing(probability: float, count: int, generator: Generator) -> dict[str, Tensor]:
    """Numbers for `erase`: which samples, and their boxes as center and size in fractions of the image.

    A box covers 2 to 33 % of the image with sides in a ratio between 0.3 and 3.3 (Zhong et al., AAAI 2020).
    """
    erased = torch.rand(count, generator=generator) < probability
    area = uniform(generator, 0.02, 0.33, count)
    ratio = uniform(generator, math.log(0.3), math.log(1 / 0.3), count).exp()
    center = torch.rand(count, 2, generator=generator)
    size = torch.stack([(area * ratio).sqrt(), (area / ratio).sqrt()], -1)
    return {"erased": erased, "box": torch.cat([center, size], -1)}


def erase(x: Tensor, erased: Tensor, box: Tensor) -> Tensor:
    """Blank a box (row, column, height, width as fractions of the image) in the samples where `erased` is true."""
    if not bool(erased.any()):
        return x
    return x.masked_fill(inside_box(box, x) & per_sample(erased, x), 0.0)


def inside_box(box: Tensor, like: Tensor) -> Tensor:
    """Which pixels of `like` [B, ..., H, W] lie in a box [B, 4] (center row and column, height, width, as fractions)."""
    height, width = like.shape[-2:]
    rows = (torch.arange(height) + 0.5) / height
    columns = (torch.arange(width) + 0.5) / width
    in_rows = (rows - box[:, :1]).abs() < box[:, 2:3] / 2
    in_columns = (columns - box[:, 1:2]).abs() < box[:, 3:4] / 2
    inside = in_rows[:, :, None] & in_columns[:, None, :]
    return inside.view(len(like), *[1] * (like.dim() - 3), height, width)


def mirror(x: Tensor, flipped: Tensor) -> Tensor:
    """Mirror left to right the samples where `flipped` is true."""
    return torch.where(per_sample(flipped, x), x.flip(-1), x)


def per_sample(values: Tensor, like: Tensor) -> Tensor:
    """Values [B] shaped so that each applies to one sample of `like` [B, ...]."""
    return values.view(-1, *[1] * (like.dim() - 1))
