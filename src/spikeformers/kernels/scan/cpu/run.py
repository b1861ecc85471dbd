"""Running emitted kernels on tensors."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spikeformers.kernels.scan.cpu.cache import load
from spikeformers.kernels.scan.cpu.emit import Mode, backward_source, forward_source
from spikeformers.kernels.scan.layout import in_layout_of, with_steps_outermost
from spikeformers.kernels.scan.program import Program
from spikeformers.kernels.threads import run_shares, share_count

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
"""Element types of x; float16 goes through a float32 copy."""

_STORAGE = {torch.float32: "float32", torch.float64: "float64", torch.bfloat16: "uint16"}
_FORWARD_BLOCK = 2048
_BACKWARD_BYTES = 192 * 1024
_BACKWARD_BLOCK = 1024
_GRAIN = 32768


def forward(
    program: Program, x: Tensor, states: Sequence[Tensor], params: Sequence[Tensor], keep: bool
) -> list[Tensor]:
    """Outputs [T, ...] and, if `keep`, the last states."""
    if x.dtype is torch.float16:
        y, *last = forward(program, x.float(), states, params, keep)
        return [y.half(), *last]
    source = with_steps_outermost(x)
    y = torch.empty_like(source)
    wide = torch.float64 if x.dtype is torch.float64 else torch.float32
    step = source[0]
    last = [torch.empty_like(step, dtype=wide) for _ in program.states] if keep else []
    flat_params, mode = _parameters(program, params, step, x.dtype, bool(states), keep)
    kernel = _kernel(program, mode, "forward")
    arrays = [_steps(source), _steps(y), *(_flat(in_layout_of(s, step)) for s in states), *flat_params]
    _launch(kernel, [*arrays, *map(_flat, last)], source, _FORWARD_BLOCK)
    return [in_layout_of(y, x), *(in_layout_of(v, x[0]) for v in last)]


def backward(
    program: Program,
    x: Tensor,
    gy: Tensor,
    states: Sequence[Tensor],
    params: Sequence[Tensor],
    g_last: Sequence[Tensor],
) -> list[Tensor]:
    """Gradients of x, of the given initial states, and of the parameters."""
    if x.dtype is torch.float16:
        gx, *rest = backward(program, x.float(), gy.float(), states, params, g_last)
        return [gx.half(), *rest]
    source = with_steps_outermost(x)
    gx = torch.empty_like(source)
    step = source[0]
    wide = torch.float64 if x.dtype is torch.float64 else torch.float32
    flat_params, mode = _parameters(program, params, step, x.dtype, bool(states), bool(g_last))
    kernel = _kernel(program, mode, "backward")
    g_states = [torch.empty_like(step, dtype=wide) for _ in states]
    shares = torch.get_num_threads()
    sums = [
        torch.zeros_like(step, dtype=wide) if own else torch.zeros(shares, dtype=torch.float64)
        for own in mode.per_neuron
    ]
    arrays = [_steps(source), _steps(in_layout_of(gy, source)), _steps(gx)]
    arrays += [_flat(in_layout_of(s, step)) for s in states] + flat_params
    arrays += [_flat(in_layout_of(g.to(wide), step)) for g in g_last]
    arrays += [*map(_flat, g_states), *map(_flat, sums)]
    rows = x.shape[0] * len(program.states) + len(program.states) + 2 * len(params) + 3
    fitting = _BACKWARD_BYTES // (rows * (8 if wide is torch.float64 else 4)) // 16 * 16
    _launch(kernel, arrays, source, max(64, min(_BACKWARD_BLOCK, fitting)))
    g_params = [
        g if own else g.sum().to(wide).reshape(p.shape) for g, p, own in zip(sums, params, mode.per_neuron, strict=True)
    ]
    like = x[0]
    g_params = [in_layout_of(g, like) if own else g for g, own in zip(g_params, mode.per_neuron, strict=True)]
    return [in_layout_of(gx, x), *(in_layout_of(g, like) for g in g_states), *g_params]


def _parameters(
    program: Program, params: Sequence[Tensor], step: Tensor, dtype: torch.dtype, given: bool, last: bool
) -> tuple[list[Any], Mode]:
    own = tuple(p.dim() > 0 for p in params)
    flat = [_flat(in_layout_of(p, step)) if o else _flat(p.reshape(1)) for p, o in zip(params, own, strict=True)]
    wide = "float64" if dtype is torch.float64 else "float32"
    has_states = bool(program.states)
    return flat, Mode(_STORAGE[dtype], wide, own, given and has_states, last and has_states)


_kernels: dict[tuple[str, Mode, str], Any] = {}


def _kernel(program: Program, mode: Mode, name: str) -> Any:
    key = (program.key, mode, name)
    found = _kernels.get(key)
    if found is None:
        source = forward_source(program, mode) if name == "forward" else backward_source(program, mode)
        found = _kernels[key] = load(source, name)
    return found


def _launch(kernel: Callable[..., None], arrays: list[Any], x: Tensor, block: int) -> None:
    count = x.numel() // x.shape[0]
    if count == 0:
        return
    shares = min(share_count(x.numel(), _GRAIN), count)
    part = -(-count // shares)
    if part > 64:
        part = -(-part // 64) * 64
    shares = -(-count // part)
    block = min(block, part)

    def call(share: int) -> None:
        kernel(*arrays, share * part, min(count, (share + 1) * part), block, share)

    run_shares(call, shares)


def _steps(x: Tensor) -> Any:
    """A numpy view [T, N] of a tensor whose steps lie one after the other; bfloat16 as its 16 bits."""
    steps = x.shape[0]
    count = x.numel() // steps
    return _numpy(torch.as_strided(x, (steps, count), (count, 1)))


def _flat(x: Tensor) -> Any:
    """A numpy view [N] of a dense tensor, in storage order."""
    return _numpy(torch.as_strided(x, (x.numel(),), (1,)))


def _numpy(x: Tensor) -> Any:
    x = x.detach()
    return x.view(torch.int16).numpy().view(np.uint16) if x.dtype is torch.bfloat16 else x.numpy()
