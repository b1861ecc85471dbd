"""Mixing of the samples of a batch with each other; labels become probabilities in the same measure."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from spikeformers.core.config import Config
from spikeformers.core.errors import ConfigError
from spikeformers.core.registry import Registry
from spikeformers.data.transforms.base import Drawn, check_probability
from spikeformers.data.transforms.image import inside_box, per_sample

MIXES: Registry["MixConfig"] = Registry("mix", "spikeformers.data.transforms")


@dataclass(frozen=True, kw_only=True)
class MixConfig(Config):
    """Abstract: each sample is mixed with a partner from its own batch.

    Like augmentation, drawing is separate from applying: several processes can each mix their share of one batch
    exactly as a single process would mix the whole.
    """

    registry: ClassVar = MIXES
    axes: ClassVar[tuple[int, ...]] = (3, 4)
    """How many axes a sample may have: 2 for sequences [T, D], 3 for images [C, H, W], 4 for event frames [T, P, H, W]."""

    probability: float = 1.0
    """Share of the samples that is mixed; the others stay as they are."""

    def __post_init__(self) -> None:
        check_probability("probability", self.probability)

    def draw(self, count: int, generator: Generator) -> Drawn:
        """Random numbers for a batch of `count`: `partner` [B] and whatever `apply` needs, row i for sample i."""
        raise NotImplementedError

    def apply(self, x: Tensor, partner: Tensor, drawn: Drawn) -> tuple[Tensor, Tensor]:
        """Mixed samples [B, ...], and the share of each that comes from `x` [B].

        Args:
            x: samples [B, ..., H, W].
            partner: their partners, of the same shape.
            drawn: what `draw` gave, cut to these samples.
        """
        raise NotImplementedError

    def pairs(self, count: int, generator: Generator) -> dict[str, Tensor]:
        """A partner for each sample (perhaps itself), and which samples are mixed."""
        return {
            "partner": torch.randperm(count, generator=generator),
            "mixed": torch.rand(count, generator=generator) < self.probability,
        }


@MIXES.register("mixup", source="Zhang et al., ICLR 2018, arXiv:1710.09412")
@dataclass(frozen=True, kw_only=True)
class Mixup(MixConfig):
    r"""Weighted mean of two samples, $\lambda x+(1-\lambda)x'$ with $\lambda\sim\mathrm{Beta}(\alpha,\alpha)$."""

    axes: ClassVar[tuple[int, ...]] = (2, 3, 4)

    alpha: float = 0.2
    """Parameter α of the Beta distribution of the weight; larger mixes more evenly."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_alpha(self.alpha)

    def draw(self, count: int, generator: Generator) -> Drawn:
        return {**self.pairs(count, generator), "weight": beta(self.alpha, count, generator)}

    def apply(self, x: Tensor, partner: Tensor, drawn: Drawn) -> tuple[Tensor, Tensor]:
        weight = torch.where(drawn["mixed"], drawn["weight"], 1.0)
        each = per_sample(weight, x)
        return x * each + partner * (1 - each), weight


@MIXES.register("cutmix", source="Yun et al., ICCV 2019, arXiv:1905.04899")
@dataclass(frozen=True, kw_only=True)
class CutMix(MixConfig):
    r"""A rectangle of the partner is pasted in, alike in all channels and time steps.

    Its area is $1-\lambda$ of the image with $\lambda\sim\mathrm{Beta}(\alpha,\alpha)$, its center is uniform; what
    reaches over the border is cut off, and the labels are weighted by the pixels that remain.
    """

    alpha: float = 1.0
    """Parameter α of the Beta distribution of the kept area."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_alpha(self.alpha)

    def draw(self, count: int, generator: Generator) -> Drawn:
        side = (1 - beta(self.alpha, count, generator)).sqrt().unsqueeze(1)
        center = torch.rand(count, 2, generator=generator)
        return {**self.pairs(count, generator), "box": torch.cat([center, side, side], 1)}

    def apply(self, x: Tensor, partner: Tensor, drawn: Drawn) -> tuple[Tensor, Tensor]:
        inside = inside_box(drawn["box"], x) & per_sample(drawn["mixed"], x)
        return torch.where(inside, partner, x), 1 - inside.flatten(1).float().mean(1)


@MIXES.register("event_mix", source="Shen et al., Information Sciences 2023, arXiv:2205.12054 (EventMix)")
@dataclass(frozen=True, kw_only=True)
class EventMix(MixConfig):
    r"""Events of the partner inside soft blobs of space and time replace those of the sample.

    A Gaussian mixture is drawn over (t, y, x); the part of the volume in which its density is highest, $1-\lambda$ of
    it with $\lambda\sim\mathrm{Beta}(\alpha,\alpha)$, is taken from the partner. Labels are weighted by the events that
    remain of each: $\lambda_n = n/(n+n')$, as a region without events says nothing. (Mask by Gaussian mixture and
    labels by counts are the paper's; how the blobs are drawn is ours.)
    """

    axes: ClassVar[tuple[int, ...]] = (4,)

    alpha: float = 1.0
    """Parameter α of the Beta distribution of the kept volume."""
    blobs: int = 3
    """Gaussians of the mixture."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_alpha(self.alpha)
        if self.blobs < 1:
            raise ConfigError(f"blobs={self.blobs} must be at least 1")

    def draw(self, count: int, generator: Generator) -> Drawn:
        return {
            **self.pairs(count, generator),
            "taken": 1 - beta(self.alpha, count, generator),
            "center": torch.rand(count, self.blobs, 3, generator=generator),
            "width": torch.rand(count, self.blobs, 3, generator=generator) * 0.3 + 0.1,
        }

    def apply(self, x: Tensor, partner: Tensor, drawn: Drawn) -> tuple[Tensor, Tensor]:
        mask = self._mask(x, drawn).unsqueeze(2)  # [B, T, 1, H, W]
        mixed = torch.where(mask, partner, x)
        kept = x.masked_fill(mask, 0.0).abs().flatten(1).sum(1)
        total = mixed.abs().flatten(1).sum(1)
        return mixed, torch.where(total > 0, kept / total.clamp(min=1e-12), 1.0)

    @staticmethod
    def _mask(x: Tensor, drawn: Drawn) -> Tensor:
        """Where the partner's events are taken, [B, T, H, W]."""
        density = torch.zeros(len(x), x.shape[1], *x.shape[3:])
        axes = [(torch.arange(size) + 0.5) / size for size in density.shape[1:]]
        for center, width in zip(drawn["center"].unbind(1), drawn["width"].unbind(1), strict=True):
            one = [
                torch.exp(-0.5 * ((axis - c.unsqueeze(1)) / w.unsqueeze(1)) ** 2)
                for axis, c, w in zip(axes, center.unbind(1), width.unbind(1), strict=True)
            ]
            density += one[0][:, :, None, None] * one[1][:, None, :, None] * one[2][:, None, None, :]
        flat = density.flatten(1)
        count = (drawn["taken"] * drawn["mixed"] * flat.shape[1]).round().long()
        rank = flat.argsort(dim=1, descending=True, stable=True).argsort(1)
        return (rank < count.unsqueeze(1)).view_as(density)


@MIXES.register("mixup_or_cutmix", source="Wightman, huggingface/pytorch-image-models (Mixup, mode batch)")
@dataclass(frozen=True, kw_only=True)
class MixupOrCutMix(MixConfig):
    """Every batch gets either mixup or cutmix, the usual recipe for ImageNet."""

    mixup_alpha: float = 0.8
    """Parameter α of mixup."""
    cutmix_alpha: float = 1.0
    """Parameter α of cutmix."""
    cutmix_share: float = 0.5
    """Share of the batches that get cutmix."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_alpha(self.mixup_alpha)
        check_alpha(self.cutmix_alpha)
        check_probability("cutmix_share", self.cutmix_share)

    def draw(self, count: int, generator: Generator) -> Drawn:
        cut = bool(torch.rand(1, generator=generator) < self.cutmix_share)
        chosen = self._cutmix if cut else self._mixup
        return {**chosen.draw(count, generator), "cut": torch.full((count,), cut)}

    def apply(self, x: Tensor, partner: Tensor, drawn: Drawn) -> tuple[Tensor, Tensor]:
        chosen = self._cutmix if bool(drawn["cut"].all()) else self._mixup
        return chosen.apply(x, partner, drawn)

    @property
    def _mixup(self) -> Mixup:
        return Mixup(alpha=self.mixup_alpha, probability=self.probability)

    @property
    def _cutmix(self) -> CutMix:
        return CutMix(alpha=self.cutmix_alpha, probability=self.probability)


def beta(alpha: float, count: int, generator: Generator) -> Tensor:
    r"""Draws [count] from $\mathrm{Beta}(\alpha,\alpha)$, as $g/(g+g')$ of two Gamma variables."""
    gammas = torch._standard_gamma(torch.full((2, count), alpha, dtype=torch.float64), generator=generator)
    total = gammas.sum(0)
    even = torch.full_like(total, 0.5)
    return torch.where(total > 0, gammas[0] / total, even).to(torch.float32)


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Labels [n] as probabilities [n, classes].

    Raises:
        ConfigError: the targets are no class labels.
    """
    if labels.dim() != 1 or labels.is_floating_point():
        raise ConfigError(
            f"mixing needs class labels [n], but targets have shape {tuple(labels.shape)}; set mix to none"
        )
    return torch.nn.functional.one_hot(labels, classes).to(torch.float32)


def blend(one: Tensor, two: Tensor, share: Tensor) -> Tensor:
    """Class probabilities [B, K] of mixed samples; `share` [B] is that of `one`."""
    return one * share.unsqueeze(1) + two * (1 - share.unsqueeze(1))


def check_alpha(alpha: float) -> None:
    """Refuse a parameter that no Beta distribution has.

    Raises:
        ConfigError: it is not above 0.
    """
    if not 0 < alpha < math.inf:
        raise ConfigError(f"alpha={alpha} of a Beta distribution must be above 0")
