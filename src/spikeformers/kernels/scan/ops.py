"""The vocabulary of neuron equations, and its meaning on tensors.

A neuron's `step` receives an object `ops` and writes its equations with `+ - * /`, comparisons and the functions below.
`TorchOps` computes them with autograd (this is the reference); `trace.TraceOps` records them, and from the record come
the fused kernels, their backward passes and the equation in the docs.
"""

from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

from spikeformers.kernels.stepwise import stepwise


class Surrogate(Protocol):
    """What the scan needs to know of a surrogate: its derivative, written in `ops`."""

    def derivative(self, ops: Any, u: Any) -> Any: ...


def heaviside(u: Tensor) -> Tensor:
    """1 where u ≥ 0, else 0; NaN stays NaN."""
    return torch.where(torch.isnan(u), u, (u >= 0).to(u.dtype))


def heaviside_strict(u: Tensor) -> Tensor:
    """1 where u > 0, else 0; NaN stays NaN."""
    return torch.where(torch.isnan(u), u, (u > 0).to(u.dtype))


def _second(smooth: Tensor, value: Tensor) -> Tensor:
    return value.clone()


class TorchOps:
    """Neuron equations on tensors.

    Args:
        surrogate: derivative used by `spike`.
    """

    def __init__(self, surrogate: Surrogate | None = None) -> None:
        self.surrogate = surrogate

    def spike(self, u: Tensor, strict: bool = False) -> Tensor:
        """1 where u ≥ 0 (u > 0 if `strict`), else 0; its gradient is the surrogate's derivative at u.

        NaN stays NaN, so that a broken input is seen.
        """
        assert self.surrogate is not None, "spike() inside a surrogate"
        return stepwise(heaviside_strict if strict else heaviside, partial(self.surrogate.derivative, self), u)

    def detach(self, u: Tensor) -> Tensor:
        """The value of u with no gradient."""
        return u.detach()

    def through(self, value: Tensor, smooth: Tensor) -> Tensor:
        """`value` forward; backward the gradient of `smooth`, which kernels do not compute forward."""
        return stepwise(_second, 1.0, smooth.expand(value.shape).to(value.dtype), value)

    def round_half_even(self, u: Tensor) -> Tensor:
        """Nearest integer, ties to even; straight-through gradient."""
        return stepwise(torch.round, 1.0, u)

    def floor(self, u: Tensor) -> Tensor:
        """Largest integer not above u; straight-through gradient."""
        return stepwise(torch.floor, 1.0, u)

    def where(self, condition: Tensor, a: Tensor | float, b: Tensor | float) -> Tensor:
        """a where the condition holds, else b."""
        return torch.where(condition, a, b)

    def exp(self, u: Tensor) -> Tensor:
        """e^u."""
        return torch.exp(u)

    def log(self, u: Tensor) -> Tensor:
        """Natural logarithm."""
        return torch.log(u)

    def sqrt(self, u: Tensor) -> Tensor:
        """Square root."""
        return torch.sqrt(u)

    def tanh(self, u: Tensor) -> Tensor:
        """Hyperbolic tangent."""
        return torch.tanh(u)

    def sigmoid(self, u: Tensor) -> Tensor:
        """1 / (1 + e^-u)."""
        return torch.sigmoid(u)

    def sin(self, u: Tensor) -> Tensor:
        """Sine."""
        return torch.sin(u)

    def cos(self, u: Tensor) -> Tensor:
        """Cosine."""
        return torch.cos(u)

    def atan(self, u: Tensor) -> Tensor:
        """Arctangent."""
        return torch.atan(u)

    def erf(self, u: Tensor) -> Tensor:
        """Gauss error function."""
        return torch.erf(u)

    def abs(self, u: Tensor) -> Tensor:
        """Absolute value."""
        return torch.abs(u)

    def maximum(self, a: Tensor, b: Tensor | float) -> Tensor:
        """The larger of a and b; the gradient goes to the larger (to a at a tie). NaN in a stays NaN."""
        return torch.where(a < b, b, a)

    def minimum(self, a: Tensor, b: Tensor | float) -> Tensor:
        """The smaller of a and b; the gradient goes to the smaller (to a at a tie). NaN in a stays NaN."""
        return torch.where(a > b, b, a)

    def clamp(self, u: Tensor, low: float, high: float) -> Tensor:
        """u limited to [low, high]; gradient 1 inside, ends included."""
        return self.minimum(self.maximum(u, low), high)
