"""What torch's function transforms ask of the kernels: which of them is open, and the one refusal that all share."""

from typing import Any, NoReturn

import torch

from spikeformers.core.errors import BackendError


def forward_mode() -> bool:
    """Whether a scope of forward-mode differentiation is open (`torch.func.jvp`, `jacfwd`, `forward_ad.dual_level`)."""
    return torch.autograd.forward_ad._current_level >= 0


def transforming() -> bool:
    """Whether a transform of `torch.func` is running (`grad`, `vjp`, `jacrev`, `vmap`, `jvp`); not `backward`."""
    found: bool = torch._C._are_functorch_transforms_active()
    return found


def refuse_second_derivative(*args: Any) -> NoReturn:
    """Stands where the derivative of a derivative would.

    Raises:
        BackendError: always.
    """
    raise BackendError(
        "neurons have no second derivative: spikes are differentiated once, by their surrogate; "
        "call backward without create_graph=True, and one of torch.func.grad, jacrev and jvp, not one inside another"
    )
