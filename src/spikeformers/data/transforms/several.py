"""Several augmentations, one after another."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from spikeformers.core.errors import ConfigError
from spikeformers.data.transforms.base import AUGMENTS, AugmentConfig, Drawn


@AUGMENTS.register("several")
@dataclass(frozen=True, kw_only=True)
class Several(AugmentConfig):
    """Several augmentations in sequence, such as event_flip, then event_drop."""

    parts: tuple[AugmentConfig, ...] = ()
    """What is applied, first to last."""

    def __post_init__(self) -> None:
        if any(isinstance(part, Several) for part in self.parts):
            raise ConfigError("parts of an augmentation 'several' cannot be 'several' themselves; list them in one row")

    @property
    def axes(self) -> tuple[int, ...]:  # type: ignore[override]
        """What all parts can change."""
        common = set.intersection(*(set(part.axes) for part in self.parts or (AugmentConfig,)))
        return tuple(sorted(common))

    @property
    def mirrors(self) -> bool:
        return any(part.mirrors for part in self.parts)

    def draw(self, count: int, shape: torch.Size, generator: Generator) -> Drawn:
        drawn = [part.draw(count, shape, generator) for part in self.parts]
        return {f"{place}.{name}": value for place, each in enumerate(drawn) for name, value in each.items()}

    def apply(self, x: Tensor, drawn: Drawn) -> Tensor:
        for place, part in enumerate(self.parts):
            mark = f"{place}."
            x = part.apply(x, {k.removeprefix(mark): v for k, v in drawn.items() if k.startswith(mark)})
        return x
