"""How many operations an operator makes, from its shapes and its operands. No prices here."""

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from spikeformers.energy.operands import Operand

_EXACT = 2**24
"""Whole numbers below this are exact in float32."""


@lru_cache(maxsize=4096)
def reach(
    size: int, kernel: int, stride: int, padding: int, dilation: int, outputs: int, transposed: bool
) -> tuple[int, ...]:
    """Along one axis: how many (output, tap) pairs read each input position; padding reads nothing.

    Forward: input i is read by output o through tap k where i = o·stride − padding + k·dilation.
    Transposed: input i writes to output o = i·stride − padding + k·dilation.
    """
    if transposed:
        return tuple(
            sum(0 <= i * stride - padding + k * dilation < outputs for k in range(kernel)) for i in range(size)
        )
    counts = [0] * size
    for o in range(outputs):
        for k in range(kernel):
            i = o * stride - padding + k * dilation
            if 0 <= i < size:
                counts[i] += 1
    return tuple(counts)


def conv_macs(out: Tensor, x: Tensor, weight: Tensor, transposed: bool) -> int:
    """Multiply-accumulates of a dense convolution, taps on padding included: N·C_o·Π(out)·(C_i/g)·Π(k)."""
    positions = x.shape[0] * math.prod((x if transposed else out).shape[2:])
    return positions * weight.numel()


def conv_fan_out(
    x: Tensor,
    weight: Tensor,
    out: Tensor,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    groups: int,
) -> Tensor:
    """Synapses that one spike at each position of the map drives [H·W], in float64, borders exact."""
    axes = x.dim() - 2
    full = [list(v) * axes if len(v) == 1 else list(v) for v in (stride, padding, dilation)]
    channels = weight.shape[1] if transposed else weight.shape[0] // groups
    fan = torch.full((1,), float(channels), dtype=torch.float64)
    for d in range(axes):
        line = reach(
            x.shape[2 + d], weight.shape[2 + d], full[0][d], full[1][d], full[2][d], out.shape[2 + d], transposed
        )
        fan = (fan[:, None] * torch.tensor(line, dtype=torch.float64)).flatten()
    return fan


def unit_sums(x: Tensor, operand: Operand, dims: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Unit spikes and non-zero elements of `x`, summed over `dims`: both float64, both exact.

    For an analog operand, which has no unit spikes, both are the non-zero elements.
    """
    if x.is_meta:
        empty = torch.zeros([n for d, n in enumerate(x.shape) if d not in dims], dtype=torch.float64)
        return empty, empty
    terms = math.prod(x.shape[d] for d in dims)
    wide = torch.float32 if terms * max(operand.high, 1) < _EXACT else torch.float64
    if operand.kind == "binary":
        total = _sum(x, dims, wide)
        return total, total
    nonzero = _sum(x.sign().abs_() if x.is_floating_point() else (x != 0), dims, wide)
    if operand.kind == "analog":
        return nonzero, nonzero
    if operand.kind == "ternary":
        return nonzero, nonzero
    sizes = x.abs()
    if operand.kind == "scaled":
        sizes = (sizes.to(torch.float32) / operand.scale).round()
    return _sum(sizes, dims, wide), nonzero


def _sum(x: Tensor, dims: tuple[int, ...], wide: torch.dtype) -> Tensor:
    return x.sum(dims, dtype=wide).to("cpu", torch.float64)


def product_macs(a: Tensor, b: Tensor) -> int:
    """Multiply-accumulates of [..., m, k] @ [..., k, n]."""
    return a.numel() * b.shape[-1]


def coincidences(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> Tensor:
    """Accumulates of a product of two spike tensors, per batch entry.

    Every pair of non-zero partners makes one addition of the one value for each unit of the other; the cheaper of the
    two roles is taken. For binary operands this is the number of coincident spikes.

    Args:
        a: unit spikes and non-zeros of the left operand, summed over its rows: [batch, k] each.
        b: the same of the right operand, summed over its columns.
    """
    one = (a[1] * b[0]).sum(-1)
    other = (a[0] * b[1]).sum(-1)
    return one if float(one.sum()) <= float(other.sum()) else other


def bit_share(x: Tensor, bits: int) -> float:
    """Share of one-bits in the magnitudes of `x`, uniformly quantized to `bits` bits over its own range."""
    if x.is_meta:
        return 0.5
    sizes = x.abs().float()
    top = sizes.max()
    if not float(top) > 0.0:
        return 0.0
    levels = (sizes * ((2**bits - 1) / top)).round().to(torch.int32)
    ones = sum(int(((levels >> i) & 1).sum()) for i in range(bits))
    return ones / (x.numel() * bits)


def per_step(values: Tensor, steps: int) -> list[float]:
    """Sum a leading axis that holds T (major) times something into T numbers; one number where it does not divide."""
    if steps > 1 and values.dim() and values.shape[0] % steps == 0:
        return values.reshape(steps, -1).sum(1).tolist()
    return [float(values.sum())]


Primitives = dict[str, float]
"""Primitive → how many: `mac`, `ac`, `and`, `add`, `mul`, `compare`, `select`, `shift`, `special`."""

PER_ELEMENT: dict[str, tuple[str, Primitives]] = {
    "relu": ("activation", {"compare": 1}),
    "relu_": ("activation", {"compare": 1}),
    "threshold": ("activation", {"compare": 1}),
    "hardtanh": ("activation", {"compare": 2}),
    "clamp": ("activation", {"compare": 2}),
    "clamp_min": ("activation", {"compare": 1}),
    "clamp_max": ("activation", {"compare": 1}),
    "leaky_relu": ("activation", {"compare": 1, "mul": 1}),
    "_prelu_kernel": ("activation", {"compare": 1, "mul": 1}),
    "sigmoid": ("activation", {"special": 1}),
    "tanh": ("activation", {"special": 1}),
    "gelu": ("activation", {"special": 1, "mul": 1}),
    "silu": ("activation", {"special": 1, "mul": 1}),
    "silu_": ("activation", {"special": 1, "mul": 1}),
    "elu": ("activation", {"special": 1, "compare": 1}),
    "hardsigmoid": ("activation", {"compare": 2, "add": 1, "mul": 1}),
    "hardswish": ("activation", {"compare": 2, "add": 1, "mul": 2}),
    "softplus": ("activation", {"special": 2}),
    "mish": ("activation", {"special": 3, "mul": 1}),
    "exp": ("other", {"special": 1}),
    "log": ("other", {"special": 1}),
    "sqrt": ("other", {"special": 1}),
    "rsqrt": ("other", {"special": 1}),
    "sin": ("other", {"special": 1}),
    "cos": ("other", {"special": 1}),
    "erf": ("other", {"special": 1}),
    "atan": ("other", {"special": 1}),
    "pow": ("other", {"special": 1}),
    "reciprocal": ("other", {"special": 1}),
    "neg": ("other", {}),
    "abs": ("other", {}),
    "sign": ("other", {"compare": 1}),
    "round": ("other", {"add": 1}),
    "floor": ("other", {"add": 1}),
    "ceil": ("other", {"add": 1}),
    "maximum": ("other", {"compare": 1}),
    "minimum": ("other", {"compare": 1}),
    "where": ("other", {"select": 1}),
    "masked_fill": ("other", {"select": 1}),
    "ge": ("other", {"compare": 1}),
    "gt": ("other", {"compare": 1}),
    "le": ("other", {"compare": 1}),
    "lt": ("other", {"compare": 1}),
    "eq": ("other", {"compare": 1}),
    "ne": ("other", {"compare": 1}),
    "isnan": ("other", {"compare": 1}),
    "logical_and": ("other", {"and": 1}),
    "logical_or": ("other", {"and": 1}),
    "logical_not": ("other", {}),
    "bitwise_and": ("other", {"and": 1}),
    "bitwise_or": ("other", {"and": 1}),
    "bitwise_not": ("other", {}),
    "_softmax": ("softmax", {"special": 1, "add": 2, "compare": 1, "mul": 1}),
    "_log_softmax": ("softmax", {"special": 1, "add": 3, "compare": 1}),
    "native_layer_norm": ("norm", {"add": 4, "mul": 3}),
    "native_group_norm": ("norm", {"add": 4, "mul": 3}),
    "upsample_nearest1d": ("pool", {}),
    "upsample_nearest2d": ("pool", {}),
    "upsample_nearest3d": ("pool", {}),
    "upsample_bilinear2d": ("pool", {"mul": 4, "add": 3}),
    "cumsum": ("other", {"add": 1}),
    "lerp": ("other", {"add": 2, "mul": 1}),
}
"""ATen operator → row kind, and what it makes for each element of its output."""

_FREE = """
    alias arange as_strided bernoulli cat clone constant_pad_nd contiguous copy copy_ detach diagonal empty empty_like
    empty_permuted empty_strided expand expand_as eye fill fill_ flip full full_like gather index index_select
    lift_fresh linspace
    new_empty new_full new_ones new_zeros new_empty_strided ones ones_like pad permute pixel_shuffle pixel_unshuffle
    rand rand_like randint randn randn_like reflection_pad2d repeat repeat_interleave replication_pad2d reshape
    resolve_conj resolve_neg roll scalar_tensor select slice slice_scatter select_scatter split split_with_sizes
    squeeze stack t tile transpose unbind unfold im2col unsafe_split unsqueeze view view_as zero_ zeros zeros_like
    _reshape_alias _to_copy _unsafe_view _local_scalar_dense
    native_dropout channel_shuffle unsafe_chunk chunk expand_copy set_ is_same_size any all argmax topk sort tril triu
    _has_compatible_shallow_copy_type _conj _assert_async _assert_tensor_metadata embedding scatter index_put index_put_
"""

FREE = frozenset(_FREE.split())
"""Operators that move or make numbers and compute none; their traffic is not arithmetic."""
