"""LAMB: layer-wise adaptive moments for large batches (You et al., ICLR 2020, arXiv:1904.00962)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from spikeformers.engine.optim.base import OPTIMIZERS, OptimizerConfig, check_betas


@OPTIMIZERS.register(
    "lamb", source="You et al., 'Large batch optimization for deep learning', ICLR 2020, arXiv:1904.00962"
)
@dataclass(frozen=True, kw_only=True)
class LambConfig(OptimizerConfig):
    """Adam whose step in each tensor is scaled to the tensor's own norm, for large batches."""

    betas: tuple[float, float] = (0.9, 0.999)
    """Decay of the running mean of gradients and of their squares."""
    eps: float = 1e-6
    """Added to the denominator."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_betas(self.betas)

    def over(self, groups: Iterable[dict[str, Any]]) -> Optimizer:
        return Lamb(groups, lr=self.lr, betas=self.betas, eps=self.eps)


class Lamb(Optimizer):
    r"""Adam's direction $u=\hat m/(\sqrt{\hat v}+\epsilon)+\lambda w$, scaled by $\|w\|/\|u\|$ in each decayed tensor.

    Tensors without weight decay (biases, norms) take Adam's step, as in the authors' code.

    Args:
        params: parameters or groups of them.
        lr: learning rate.
        betas: decay of the running mean of gradients and of their squares.
        eps: ε.
        weight_decay: λ, where a group does not bring its own.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step; `closure` recomputes the loss with gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, group)
        return loss

    def _move(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state, grad = self.state[parameter], parameter.grad
        if not state:
            state["step"] = torch.zeros(())
            state["mean"], state["square"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        first, second = group["betas"]
        state["step"] += 1
        state["mean"].lerp_(grad, 1 - first)
        state["square"].mul_(second).addcmul_(grad, grad, value=1 - second)
        step = state["step"].item()
        deviation = (state["square"] / (1 - second**step)).sqrt_().add_(group["eps"])
        update = state["mean"] / (1 - first**step) / deviation
        if group["weight_decay"]:
            update.add_(parameter, alpha=group["weight_decay"])
            size, length = parameter.norm(), update.norm()
            update.mul_(torch.where((size > 0) & (length > 0), size / length, torch.ones_like(size)))
        parameter.sub_(update, alpha=group["lr"])
