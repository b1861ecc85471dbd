"""AdamW."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch.optim import Optimizer

from spikeformers.engine.optim.base import OPTIMIZERS, OptimizerConfig, check_betas


@OPTIMIZERS.register("adamw", source="Loshchilov and Hutter, ICLR 2019, arXiv:1711.05101")
@dataclass(frozen=True, kw_only=True)
class AdamWConfig(OptimizerConfig):
    """Adam with decoupled weight decay."""

    betas: tuple[float, float] = (0.9, 0.999)
    """Decay of the running mean of gradients and of their squares."""
    eps: float = 1e-8
    """Added to the denominator."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_betas(self.betas)

    def over(self, groups: Iterable[dict[str, Any]]) -> Optimizer:
        return torch.optim.AdamW(groups, lr=self.lr, betas=self.betas, eps=self.eps)
