"""Functions with jumps whose derivative is said, not computed: spikes, roundings, straight-through estimators.

Every such function of the package is `stepwise`, which all of torch's transforms know: `backward`, `torch.func.grad`,
`vjp`, `jacrev`, `vmap`, and forward mode (`torch.func.jvp`, `jacfwd`, `torch.autograd.forward_ad`).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from spikeformers.kernels.transforms import forward_mode, refuse_second_derivative

Elementwise = Callable[..., Tensor]


def stepwise(step: Elementwise, slope: Elementwise | float, u: Tensor, *rest: Tensor) -> Tensor:
    """step(u, *rest), whose derivative is slope(u, *rest) with respect to u and 0 with respect to `rest`.

    Args:
        step: a function elementwise in u.
        slope: its derivative, or a number; 1.0 passes gradients and tangents straight through.
        u: what is differentiated.
        rest: further tensors that the two read; they may not capture tensors themselves.

    Raises:
        BackendError: the slope is differentiated once more.
    """
    form = _WithTangent if forward_mode() else _Stepwise
    y: Tensor = form.apply(step, slope, u, *rest)
    return y


class _Stepwise(torch.autograd.Function):
    """Saves what the slope reads."""

    generate_vmap_rule = True

    @staticmethod
    def forward(step: Elementwise, slope: Elementwise | float, u: Tensor, *rest: Tensor) -> Tensor:
        return step(u, *rest)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, ctx.slope, *tensors = inputs
        ctx.unread = len(tensors) - 1
        if callable(ctx.slope):
            ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, _times_slope(ctx, grad), *[None] * ctx.unread


class _WithTangent(_Stepwise):
    """With a rule for forward mode; apart, since `torch.compile` takes no function that has one."""

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _Stepwise.setup_context(ctx, inputs, output)
        if callable(ctx.slope):
            ctx.save_for_forward(*inputs[2:])

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> Tensor | None:
        return None if tangents[2] is None else _times_slope(ctx, tangents[2])


class _Slope(torch.autograd.Function):
    """A slope that refuses to be differentiated."""

    generate_vmap_rule = True

    @staticmethod
    def forward(slope: Elementwise, u: Tensor, *rest: Tensor) -> Tensor:
        return slope(u, *rest)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        pass

    backward = staticmethod(refuse_second_derivative)
    jvp = staticmethod(refuse_second_derivative)


def _times_slope(ctx: Any, direction: Tensor) -> Tensor:
    if not callable(ctx.slope):
        return direction * float(ctx.slope)
    again = (torch.is_grad_enabled() or forward_mode()) and not torch.compiler.is_compiling()
    slope = _Slope.apply(ctx.slope, *ctx.saved_tensors) if again else ctx.slope(*ctx.saved_tensors)
    return direction * slope
