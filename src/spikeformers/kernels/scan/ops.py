"""The vocabulary of neuron equations, and its meaning on tensors.

A neuron's `step` receives an object `ops` and writes its equations with `+ - * /`, comparisons and the functions below.
`TorchOps` computes them with autograd (this is the reference); `trace.TraceOps` records them, and from the record come
the fused kernels, their backward passes and the equation in the docs.
"""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor


class Surrogate(Protocol):
    """What the scan needs to know of a surrogate: its derivative, written in `ops`."""

    def derivative(self, ops: Any, u: Any) -> Any: ...


class _Spike(torch.autograd.Function):
    """Heaviside step forward, surrogate derivative backward. NaN stays NaN, so that a broken input is seen."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, strict: bool, surrogate: Surrogate) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(u)
        ctx.surrogate = surrogate
        fired = u > 0 if strict else u >= 0
        return torch.where(torch.isnan(u), u, fired.to(u.dtype))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        (u,) = ctx.saved_tensors
        return grad * ctx.surrogate.derivative(TorchOps(ctx.surrogate), u), None, None


class _StraightThrough(torch.autograd.Function):
    """A step-shaped function forward, the identity backward."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:  # type: ignore[override]
        return function(u)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        return grad, None


class _Through(torch.autograd.Function):
    """One tensor forward, the gradient to another backward."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, smooth: Tensor) -> Tensor:  # type: ignore[override]
        ctx.shape, ctx.dtype = smooth.shape, smooth.dtype
        return value.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor]:  # type: ignore[override]
        return None, grad.sum_to_size(ctx.shape).to(ctx.dtype)


class TorchOps:
    """Neuron equations on tensors.

    Args:
        surrogate: derivative used by `spike`.
    """

    def __init__(self, surrogate: Surrogate | None = None) -> None:
        self.surrogate = surrogate

    def spike(self, u: Tensor, strict: bool = False) -> Tensor:
        """1 where u ≥ 0 (u > 0 if `strict`), else 0; its gradient is the surrogate's derivative at u."""
        assert self.surrogate is not None, "spike() inside a surrogate"
        return _Spike.apply(u, strict, self.surrogate)

    def detach(self, u: Tensor) -> Tensor:
        """The value of u with no gradient."""
        return u.detach()

    def through(self, value: Tensor, smooth: Tensor) -> Tensor:
        """`value` forward; backward the gradient of `smooth`, which kernels do not compute forward."""
        return _Through.apply(value, smooth)

    def round_half_even(self, u: Tensor) -> Tensor:
        """Nearest integer, ties to even; straight-through gradient."""
        return _StraightThrough.apply(u, torch.round)

    def floor(self, u: Tensor) -> Tensor:
        """Largest integer not above u; straight-through gradient."""
        return _StraightThrough.apply(u, torch.floor)

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
