"""The fused scan as operators of torch: `spikeformers::scan` and `spikeformers::scan_backward`.

A neuron travels through them as the key of its program. Saved for backward are the operator's inputs, nothing else.
Eager models go through `run_scan`, which spares half of what the bookkeeping of an operator with lists of tensors costs.
"""

from collections.abc import Sequence
from typing import Any, NoReturn

import torch
from torch import Tensor

from spikeformers.core.errors import BackendError
from spikeformers.kernels.dispatch import ran
from spikeformers.kernels.scan.batching import mapped, mapped_parameters, summed
from spikeformers.kernels.scan.definition import Definition
from spikeformers.kernels.scan.program import Program
from spikeformers.kernels.transforms import forward_mode, refuse_second_derivative, transforming

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
    found = _run_backward(x, gy, states, params, g_last, ctx.key, ctx.backend)
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


class _Transformed(_Eager):
    """The same inside the transforms of `torch.func`, whose form of a function costs twice the bookkeeping."""

    @staticmethod
    def forward(  # type: ignore[override]
        x: Tensor, key: str, keep: bool, backend: str, states: int, *rest: Tensor
    ) -> tuple[Tensor, ...]:
        return tuple(run_scan(x, rest[:states], rest[states:], key, keep, backend))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        x, ctx.key, _, ctx.backend, states, *rest = inputs
        ctx.counts = states, len(rest) - states
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, *rest)

    @staticmethod
    def vmap(
        info: Any, axes: tuple[Any, ...], x: Tensor, key: str, keep: bool, backend: str, states: int, *rest: Tensor
    ) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        size, of_rest = info.batch_size, axes[5:]
        (x,) = mapped([x], axes[:1], size, at=1)
        starts = mapped(rest[:states], of_rest[:states], size)
        params = mapped_parameters(rest[states:], of_rest[states:], size, x, shared=True)
        found = tuple(run_scan(x, starts, params, key, keep, backend))
        return found, (1, *[0] * (len(found) - 1))


class _Backward(torch.autograd.Function):
    """The gradient inside the transforms of `torch.func` and where forward mode is open."""

    @staticmethod
    def forward(
        x: Tensor, gy: Tensor, key: str, backend: str, counts: tuple[int, int], *rest: Tensor
    ) -> tuple[Tensor, ...]:
        states, params, last = _parts(rest, counts)
        return tuple(scan_backward_op(x, gy, states, params, last, key, backend))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        pass

    @staticmethod
    def vmap(
        info: Any,
        axes: tuple[Any, ...],
        x: Tensor,
        gy: Tensor,
        key: str,
        backend: str,
        counts: tuple[int, int],
        *rest: Tensor,
    ) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        size, (states, params, last), of = info.batch_size, _parts(rest, counts), _parts(axes[5:], counts)
        x, gy = mapped([x, gy], axes[:2], size, at=1)
        values = mapped_parameters(params, of[1], size, x, shared=False)
        found = _run_backward(x, gy, mapped(states, of[0], size), values, mapped(last, of[2], size), key, backend)
        g_params = summed(found[1 + len(states) :], params, of[1])
        return (*found[: 1 + len(states)], *g_params), (1, *[0] * (len(found) - 1))

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> NoReturn:
        raise BackendError(
            "the backward pass of a fused scan has no forward mode (jvp, jacfwd, dual tensors); run the forward pass with "
            "backend = 'reference'"
        )

    backward = staticmethod(refuse_second_derivative)


def _parts(rest: Sequence[Any], counts: tuple[int, int]) -> tuple[Sequence[Any], Sequence[Any], Sequence[Any]]:
    """What belongs to states, to parameters, and to last states."""
    states, params = counts
    return rest[:states], rest[states : states + params], rest[states + params :]


def _run_backward(
    x: Tensor,
    gy: Tensor,
    states: Sequence[Tensor],
    params: Sequence[Tensor],
    g_last: Sequence[Tensor],
    key: str,
    backend: str,
) -> Sequence[Tensor]:
    """As `scan_backward_op`, under any transform."""
    if not (_inside_transform() or forward_mode()):
        return scan_backward_op(x, gy, states, params, g_last, key, backend)
    counts = len(states), len(params)
    found: Sequence[Tensor] = _Backward.apply(x, gy, key, backend, counts, *states, *params, *g_last)
    return found


def _inside_transform() -> bool:
    """Whether a transform of `torch.func` is running; what is being compiled goes on eagerly then."""
    found = transforming()
    if found and torch.compiler.is_compiling():
        torch._dynamo.graph_break(msg="fused neurons inside torch.func run eagerly")
    return found


def run_scan(
    x: Tensor, states: Sequence[Tensor], params: Sequence[Tensor], key: str, keep: bool, backend: str
) -> Sequence[Tensor]:
    """As `scan_op`, with less bookkeeping where nothing is being compiled, and under any transform but forward mode."""
    rest = (*states, *params)
    inside = _inside_transform()
    graph = torch.is_grad_enabled() and any(t.requires_grad for t in (x, *rest))
    if not inside and (not graph or torch.compiler.is_compiling()):
        return scan_op(x, states, params, key, keep, backend)
    form = _Transformed if inside else _Eager
    found: Sequence[Tensor] = form.apply(x, key, keep, backend, len(states), *rest)  # type: ignore[no-untyped-call]
    return found


scan_op.register_autograd(_gradient, setup_context=_save)
scan_backward_op.register_autograd(refuse_second_derivative)
