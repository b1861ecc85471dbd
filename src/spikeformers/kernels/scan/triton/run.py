"""Running emitted Triton kernels on tensors."""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from spikeformers.kernels.scan.layout import in_layout_of, with_steps_outermost
from spikeformers.kernels.scan.program import Program
from spikeformers.kernels.scan.source import load
from spikeformers.kernels.scan.triton.emit import Mode, backward_source, forward_source

BLOCKS = {256: (2, 4), 512: (4,), 1024: (4, 8), 2048: (8,)}
"""Neurons of a block → numbers of warps that are tried for it."""
_UNTUNED = 512
_LANES = 2**20
_SCRATCH_BYTES = 256 * 1024 * 1024


def forward(
    program: Program, x: Tensor, states: Sequence[Tensor], params: Sequence[Tensor], keep: bool
) -> list[Tensor]:
    """Outputs [T, ...] and, if `keep`, the last states."""
    source = with_steps_outermost(x)
    y, step = torch.empty_like(source), source[0]
    wide = torch.float64 if x.dtype is torch.float64 else torch.float32
    last = [torch.empty_like(step, dtype=wide) for _ in program.states] if keep else []
    values, mode = _parameters(program, params, step, bool(states), keep)
    tensors = [program.numbers(wide, x.device), source, y, *(in_layout_of(s, step) for s in states), *values, *last]
    count = step.numel()
    if count:
        with _on(x):
            tuned(program, mode, "forward", x.shape[0], count)[lambda chosen: (-(-count // chosen["BLOCK"]),)](
                *tensors, x.shape[0], count, enable_fp_fusion=False
            )
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
    source = with_steps_outermost(x)
    gx, step = torch.empty_like(source), source[0]
    wide = torch.float64 if x.dtype is torch.float64 else torch.float32
    values, mode = _parameters(program, params, step, bool(states), bool(g_last))
    g_states = [torch.empty_like(step, dtype=wide) for _ in states]
    count, steps = step.numel(), x.shape[0]
    row = steps * max(1, len(program.states))
    largest = max(BLOCKS)
    lanes = (
        max(1, min(-(-count // largest), _LANES // largest, _SCRATCH_BYTES // (row * largest * wide.itemsize)))
        * largest
    )
    sums = [
        torch.zeros_like(step, dtype=wide) if own else torch.zeros(lanes // min(BLOCKS), dtype=wide, device=x.device)
        for own in mode.per_neuron
    ]
    tensors = [
        program.numbers(wide, x.device),
        source,
        in_layout_of(gy, source),
        gx,
        *(in_layout_of(s, step) for s in states),
        *values,
    ]
    tensors += [*(in_layout_of(g.to(wide), step) for g in g_last), *g_states, *sums]
    if count:
        past = torch.empty(lanes * row, dtype=wide, device=x.device)

        def programs(chosen: Any) -> tuple[int]:
            return (min(-(-count // chosen["BLOCK"]), lanes // chosen["BLOCK"]),)

        with _on(x):
            tuned(program, mode, "backward", steps, count)[programs](
                *tensors, past, steps, count, enable_fp_fusion=False
            )
    like = x[0]
    g_params = [
        in_layout_of(g, like) if own else g.sum(dtype=torch.float64).to(wide).reshape(p.shape)
        for g, p, own in zip(sums, params, mode.per_neuron, strict=True)
    ]
    return [in_layout_of(gx, x), *(in_layout_of(g, like) for g in g_states), *g_params]


_kernels: dict[tuple[str, Mode, str], Any] = {}


def kernel(program: Program, mode: Mode, name: str) -> Any:
    """The `triton.jit` function, `forward` or `backward`."""
    import triton

    key = (program.structure, mode, name)
    if key not in _kernels:
        source = forward_source(program, mode) if name == "forward" else backward_source(program, mode)
        _kernels[key] = load(source, "kernel", f"triton {triton.__version__}")
    return _kernels[key]


_tuned: dict[tuple[Any, ...], Any] = {}


def tuned(program: Program, mode: Mode, name: str, steps: int, count: int) -> Any:
    """The kernel with the fastest block size and number of warps for about so many steps and neurons.

    The first call of a size times them all; sizes between two powers of two share the choice. Triton's interpreter can
    only run one, which is the middle one.
    """
    import triton

    key = (program.structure, mode, name, steps.bit_length(), count.bit_length())
    if key not in _tuned:
        choices = [triton.Config({"BLOCK": b}, num_warps=w) for b, warps in BLOCKS.items() for w in warps]
        if os.environ.get("TRITON_INTERPRET") == "1":
            choices = [triton.Config({"BLOCK": _UNTUNED}, num_warps=BLOCKS[_UNTUNED][0])]
        # a choice with more programs leaves sums behind that the final one would not overwrite
        sums = [f"g_param_{j}" for j, own in enumerate(mode.per_neuron) if not own] if name == "backward" else []
        _tuned[key] = triton.autotune(choices, key=[], reset_to_zero=sums)(kernel(program, mode, name))
    return _tuned[key]


def _on(x: Tensor) -> AbstractContextManager[Any]:
    return torch.cuda.device(x.device) if x.is_cuda else nullcontext()


def _parameters(
    program: Program, params: Sequence[Tensor], step: Tensor, given: bool, last: bool
) -> tuple[list[Tensor], Mode]:
    own = tuple(p.dim() > 0 for p in params)
    values = [in_layout_of(p, step) if per_neuron else p for p, per_neuron in zip(params, own, strict=True)]
    wide = "float64" if step.dtype is torch.float64 else "float32"
    has_states = bool(program.states)
    return values, Mode(wide, own, given and has_states, last and has_states)
