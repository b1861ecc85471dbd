"""Running emitted kernels on tensors."""

import ctypes
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from spikeformers.kernels.scan.cpu.emit import Mode, backward_rows, backward_source, forward_rows, forward_source
from spikeformers.kernels.scan.layout import in_layout_of, with_steps_outermost
from spikeformers.kernels.scan.program import Program
from spikeformers.kernels.scan.source import load
from spikeformers.kernels.threads import run_entry, thread_count

_INLINED = ("math.py", "stream.py", "trigonometry.py")
DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
"""Element types of x; float16 goes through a float32 copy."""

_STORAGE = {torch.float32: "float32", torch.float64: "float64", torch.bfloat16: "uint16"}
_FORWARD_BLOCK = 2048
_FORWARD_BYTES = 40 * 1024
_BACKWARD_BYTES = 192 * 1024
_BACKWARD_BLOCK = 1024
_GRAIN = 32768
_SHARES_A_THREAD = 8
_SMALLEST_SHARE = 16384
_PAST_CACHE = 32 * 2**20
"""Bytes from which results go past the caches, which would hardly hold them until they are read."""


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
    values, mode = _parameters(program, params, step, bool(states), keep)
    arrays = [program.numbers(wide, x.device), source, y, *(in_layout_of(s, step) for s in states), *values, *last]
    _launch(_kernel(program, mode, "forward"), arrays, source)
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
    values, mode = _parameters(program, params, step, bool(states), bool(g_last))
    g_states = [torch.empty_like(step, dtype=wide) for _ in states]
    shares = _shares(source)[1] if source.numel() else 1
    sums = [
        torch.zeros_like(step, dtype=wide) if own else torch.zeros(shares, dtype=torch.float64)
        for own in mode.per_neuron
    ]
    arrays = [
        program.numbers(wide, x.device),
        source,
        in_layout_of(gy, source),
        gx,
        *(in_layout_of(s, step) for s in states),
        *values,
    ]
    arrays += [*(in_layout_of(g.to(wide), step) for g in g_last), *g_states, *sums]
    _launch(_kernel(program, mode, "backward"), arrays, source)
    g_params = [
        g if own else g.sum().to(wide).reshape(p.shape) for g, p, own in zip(sums, params, mode.per_neuron, strict=True)
    ]
    like = x[0]
    g_params = [in_layout_of(g, like) if own else g for g, own in zip(g_params, mode.per_neuron, strict=True)]
    return [in_layout_of(gx, x), *(in_layout_of(g, like) for g in g_states), *g_params]


def _parameters(
    program: Program, params: Sequence[Tensor], step: Tensor, given: bool, last: bool
) -> tuple[list[Tensor], Mode]:
    own = tuple(p.dim() > 0 for p in params)
    values = [in_layout_of(p, step) if per_neuron else p for p, per_neuron in zip(params, own, strict=True)]
    wide = "float64" if step.dtype is torch.float64 else "float32"
    has_states = bool(program.states)
    return values, Mode(_STORAGE[step.dtype], wide, own, given and has_states, last and has_states)


@dataclass(frozen=True)
class _Kernel:
    """A compiled entry point, and how many neurons it takes at once so that what it works on stays in cache."""

    address: int
    width: int
    most: int
    cache: int
    rows: int
    rows_a_step: int

    def block(self, steps: int) -> int:
        """Neurons of a block for so many steps."""
        fitting = self.cache // ((self.rows + steps * self.rows_a_step) * self.width) // 16 * 16
        return max(64, min(self.most, fitting))


_kernels: dict[tuple[str, Mode, str], _Kernel] = {}


def _kernel(program: Program, mode: Mode, name: str) -> _Kernel:
    key = (program.structure, mode, name)
    found = _kernels.get(key)
    if found is None:
        width = 8 if mode.wide == "float64" else 4
        if name == "forward":
            source, room = forward_source(program, mode), (_FORWARD_BLOCK, _FORWARD_BYTES, *forward_rows(program))
        else:
            source, room = backward_source(program, mode), (_BACKWARD_BLOCK, _BACKWARD_BYTES, *backward_rows(program))
        found = _kernels[key] = _Kernel(load(source, "entry", toolchain()).address, width, *room)
    return found


def _shares(x: Tensor) -> tuple[int, int, int]:
    """(threads, shares, neurons a share): some shares for each thread, so that one held up does not hold up all."""
    count = x.numel() // x.shape[0]
    threads = thread_count(x.numel(), _GRAIN)
    wanted = 1 if threads == 1 else min(_SHARES_A_THREAD * threads, x.numel() // _SMALLEST_SHARE)
    part = -(-count // max(1, wanted))
    part = -(-part // 64) * 64
    return threads, -(-count // part), part


def _launch(kernel: _Kernel, arrays: Sequence[Tensor], x: Tensor) -> None:
    """Run a kernel on dense tensors that hold steps one after the other, or values of neurons or shares."""
    if x.numel() == 0:
        return
    threads, shares, part = _shares(x)
    past_cache = x.numel() * x.element_size() >= _PAST_CACHE
    head = (x.shape[0], x.numel() // x.shape[0], shares, part, min(kernel.block(x.shape[0]), part), 0, past_cache)
    arguments = (ctypes.c_int64 * (len(head) + len(arrays)))(*head, *(a.data_ptr() for a in arrays))
    run_entry(kernel.address, ctypes.addressof(arguments), min(threads, shares))


@cache
def toolchain() -> str:
    """What a kernel depends on besides its source: Numba and the functions that it inlines."""
    import numba

    functions = b"".join(Path(__file__).with_name(name).read_bytes() for name in _INLINED)
    return f"numba {numba.__version__} {hashlib.sha256(functions).hexdigest()} "
