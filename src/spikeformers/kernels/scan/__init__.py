"""One scan for all neurons: a recurrence over the leading axis T, given by a `Definition`."""

import torch
from torch import Tensor

from spikeformers.core.errors import ShapeError
from spikeformers.kernels import dispatch
from spikeformers.kernels.scan.autograd import register_definition, run_scan
from spikeformers.kernels.scan.definition import Definition
from spikeformers.kernels.scan.reference import scan_reference
from spikeformers.kernels.transforms import forward_mode

__all__ = ["BACKENDS", "Definition", "register_definition", "scan", "scan_reference"]


_ONLY_BACKWARD = "it has no forward mode (jvp, jacfwd, dual tensors)"


def _verify_triton(device: torch.device, dtype: torch.dtype) -> str | None:
    from spikeformers.kernels.scan.triton import verify

    return verify(device, dtype) or (_ONLY_BACKWARD if forward_mode() else None)


def _verify_cpu(device: torch.device, dtype: torch.dtype) -> str | None:
    if device.type != "cpu":
        return f"tensors are on {device.type}"
    if dtype not in (torch.float32, torch.float64, torch.bfloat16, torch.float16):
        return f"no kernel for {dtype}"
    try:
        import numba  # noqa: F401
    except ImportError as error:
        return f"numba cannot be imported ({error})"
    return _ONLY_BACKWARD if forward_mode() else None


def _verify_reference(device: torch.device, dtype: torch.dtype) -> str | None:
    return None


BACKENDS: dict[str, dispatch.Verifier] = {
    "cpu": _verify_cpu,
    "triton": _verify_triton,
    "reference": _verify_reference,
}
"""Implementations of the scan, in the order in which `auto` asks them."""


def scan(
    definition: Definition,
    x: Tensor,
    state: dict[str, Tensor] | None,
    params: dict[str, Tensor],
    *,
    keep: bool = True,
    backend: str = "auto",
) -> tuple[Tensor, dict[str, Tensor]]:
    """Run a neuron over T.

    Nothing is saved for backward but x (and `state` and `params`); the backward pass recomputes what it needs.

    Args:
        definition: the neuron's equations.
        x: input [T, ...]; half precisions compute in float32 and the output is cast back.
        state: one tensor like x[0] for each state; None starts from the definition's initial values.
        params: tensors broadcastable to x[0].
        keep: whether the last states are wanted; if not, the dict of states is empty.
        backend: auto, reference, cpu or triton.

    Returns:
        Outputs [T, ...] and the states after the last step (float32 where x is of half precision).

    Raises:
        ConfigError: the definition cannot become a kernel, or there is no such backend.
        ShapeError: T is 0, or x is not floating point.
        BackendError: the backend that was named cannot run here.
    """
    if x.dim() == 0 or x.shape[0] == 0 or not x.is_floating_point():
        raise ShapeError(
            f"a scan takes floating-point input [T, ...] with T ≥ 1; got {x.dtype} of shape {tuple(x.shape)}"
        )
    program = register_definition(definition).program
    chosen = dispatch.choose("scan", backend, x.device, x.dtype, BACKENDS)
    wide = torch.float64 if x.dtype == torch.float64 else torch.float32
    if chosen == "reference":
        dispatch.ran("scan", "reference")
        if state is None:
            state = {n: torch.full_like(x[0], v, dtype=wide) for n, v in definition.states.items()}
        y, last = scan_reference(definition, x, state, params)
        return y, last if keep else {}
    states = [] if state is None else [state[name].to(wide) for name in program.names]
    values = program.invariants({name: value.to(wide) for name, value in params.items()})
    values = [v.reshape(()) if v.numel() == 1 else v.expand(x.shape[1:]) for v in values]
    y, *last = run_scan(x, states, values, program.key, keep, chosen)
    return y, dict(zip(program.names, last, strict=True)) if keep else {}
