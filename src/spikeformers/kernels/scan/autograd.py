"""The fused scan as operators of torch: `spikeformers::scan` and `spikeformers::scan_backward`.

A neuron travels through them as the key of its program. Saved for backward are the operator's inputs, nothing else.
Eager models go through `run_scan`, which spares half of what the bookkeeping of an operator with lists of tensors costs.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from spikeformers.core.errors import BackendError
from spikeformers.kernels.dispatch import ran
from spikeformers.kernels.scan.definition import Definition
from spikeformers.kernels.scan.program import Program

_programs: dict[str, Program] = {}


def register_definition(definition: Definition) -> Definition:
    """Make a neuron known to the operators, checking its equations; returns the definition itself.

    Raises:
        ConfigError: the step cannot become a kernel; the message names the line.
    """
    program = definition.program
    _programs.setdefault(program.key, program)
    return definition


def _program(key: str) -> Program:
    if key not in _programs:
        raise BackendError(f"no neuron {key!r} in this process; build its module before running a graph that holds it")
    return _programs[key]


def _implementation(backend: str) -> Any:
    if backend == "triton":
        from spikeformers.kernels.scan.triton import run
    else:
        from spikeformers.kernels.scan.cpu import run  # type: ignore[no-redef]
    return run


def _wide(x: Tensor) -> torch.dtype:
    return torch.float64 if x.dtype is torch.float64 else torch.float32


@torch.library.custom_op("spikeformers::scan", mutates_args=())
def scan_op(
    x: Tensor, states: Sequence[Tensor], params: Sequence[Tensor], key: str, keep: bool, backend: str
) -> list[Tensor]:
    """[y, *last states if keep]; without `states` the scan starts from the program's initial values."""
    ran("scan", backend)
    return _implementation(backend).forward(_program(key), x, states, params, keep)


@scan_op.register_fake
def _(
    x: Tensor, states: Sequence[Tensor], params: Sequence[Tensor], key: str, keep: bool, backend: str
) -> list[Tensor]:
    last = [torch.empty_like(x[0], dtype=_wide(x)) for _ in _program(key).states] if keep else []
    return [torch.empty_like(x), *last]


@torch.library.custom_op("spikeformers::scan_backward", mutates_args=())
def scan_backward_op(
    x: Tensor,
    gy: Tensor,
    states: Sequence[Tensor],
    params: Sequence[Tensor],
    g_last: Sequence[Tensor],
    key: str,
    backend: str,
) -> list[Tensor]:
    """[gradient of x, *of the given initial states, *of the parameters]."""
    ran("scan_backward", backend)
    return _implementation(backend).backward(_program(key), x, gy, states, params, g_last)


@scan_backward_op.register_fake
def _(
    x: Tensor,
    gy: Tensor,
    states: Sequence[Tensor],
    params: Sequence[Tensor],
    g_last: Sequence[Tensor],
    key: str,
    backend: str,
) -> list[Tensor]:
    g_states = [torch.empty_like(x[0], dtype=_wide(x)) for _ in states]
    g_params = [torch.empty_like(x[0], dtype=_wide(x)) if p.dim() else torch.empty_like(p) for p in params]
    return [torch.empty_like(x), *g_states, *g_params]


def _save(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    x, states, params, ctx.key, _, ctx.backend = inputs
    ctx.counts = len(states), len(params)
    ctx.save_for_backward(x, *states, *params)


def _gradient(ctx: Any, grads: list[Tensor | None]) -> tuple[Any, ...]:
    x, *rest = ctx.saved_tensors
    states, params = rest[: ctx.counts[0]], rest[ctx.counts[0] :]
    gy, *g_last = grads
    gy = torch.zeros_like(x) if gy is None else gy
    if all(g is None for g in g_last):
        g_last = []
    g_last = [torch.zeros_like(x[0], dtype=_wide(x)) if g is None else g for g in g_last]
    found = scan_backward_op(x, gy, states, params, g_last, ctx.key, ctx.backend)
    g_states, g_params = found[1 : 1 + len(states)], found[1 + len(states) :]
    return found[0], g_states, g_params, None, None, None


class _Eager(torch.autograd.Function):
    """The operator with its gradient, over flat tensors."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, key: str, keep: bool, backend: str, states: int, *rest: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.key, ctx.backend, ctx.counts = key, backend, (states, len(rest) - states)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, *rest)
        return tuple(scan_op(x, rest[:states], rest[states:], key, keep, backend))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Any, ...]:
        gx, g_states, g_params, *_ = _gradient(ctx, list(grads))
        return gx, None, None, None, None, *g_states, *g_params


def run_scan(
    x: Tensor, states: Sequence[Tensor], params: Sequence[Tensor], key: str, keep: bool, backend: str
) -> Sequence[Tensor]:
    """As `scan_op`, with less bookkeeping where nothing is being compiled."""
    rest = (*states, *params)
    graph = torch.is_grad_enabled() and any(t.requires_grad for t in (x, *rest))
    if not graph or torch.compiler.is_compiling():
        return scan_op(x, states, params, key, keep, backend)
    found: Sequence[Tensor] = _Eager.apply(x, key, keep, backend, len(states), *rest)  # type: ignore[no-untyped-call]
    return found


def _refuse(ctx: Any, *grads: Any) -> Any:
    raise BackendError(
        "the scan has no second derivative: spikes are differentiated once, by their surrogate; "
        "call backward without create_graph=True"
    )


scan_op.register_autograd(_gradient, setup_context=_save)
scan_backward_op.register_autograd(_refuse)
