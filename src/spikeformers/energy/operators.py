"""What each ATen operator is: a weighted layer, a product of activations, a sum, a pool, or an element-wise function."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from spikeformers.energy.formulas import FREE, PER_ELEMENT, conv_fan_out, conv_macs, product_macs, unit_sums
from spikeformers.energy.operands import KINDS, Operand
from spikeformers.energy.recorder import Recorder, Sums, storage, tensors
from spikeformers.energy.rows import Row


def record(
    r: Recorder, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any, *, inside_neuron: bool
) -> None:
    """Count one operator.

    Args:
        r: where to.
        func: the operator.
        args, kwargs, out: what it got and gave.
        inside_neuron: the neuron's equations already give its element-wise work.
    """
    name = r.operator = func.name().removeprefix("aten::").split(".")[0]
    inputs, outputs = tensors(args) + tensors(tuple(kwargs.values())), tensors((out,))
    r.changed(func, args)
    if inputs and all(x in r.weights or x.dim() == 0 for x in inputs):
        r.weights.follow(inputs, outputs)
        return
    if name in FREE:
        r.follow_linear(name, args, outputs)
        return
    if not outputs or not (outputs[0].is_floating_point() or outputs[0].dtype == torch.bool):
        return
    handler = _HANDLERS.get(name)
    if handler is not None and (not inside_neuron or handler in _MATMULS):
        handler(r, r.path, args, kwargs, out)
    elif inside_neuron:
        return
    elif name in PER_ELEMENT:
        kind, primitives = PER_ELEMENT[name]
        r.elementwise(r.path, kind, primitives, outputs[0].numel(), outputs[0])
    else:
        r.now.unpriced[name] = r.now.unpriced.get(name, 0) + outputs[0].numel()


def _convolution(r: Recorder, path: str, args: tuple[Any, ...], kwargs: dict[str, Any], out: Tensor) -> None:
    x, weight = args[0], args[1]
    stride, padding, dilation, transposed = args[3:7]
    groups = args[8]
    fan = conv_fan_out(x, weight, out, stride, padding, dilation, transposed, groups)

    def sums(operand: Operand) -> Sums:
        maps = x.flatten(2)
        units, nonzeros = unit_sums(maps, operand, (1,))
        synapses = float(fan.sum()) * x.shape[0] * x.shape[1]
        return (units * fan).sum(1), (nonzeros * fan).sum(1), float(units.sum()), float(nonzeros.sum()), synapses

    r.weighted(path, "conv", x, weight, out, conv_macs(out, x, weight, transposed), sums)


def _matrix(r: Recorder, path: str, a: Tensor, b: Tensor, out: Tensor) -> None:
    """[m, k] @ [k, n]: weighted if one side is a weight, else a product."""
    if b in r.weights or a in r.weights:
        x, weight, fan = (a, b, b.shape[-1]) if b in r.weights else (b, a, a.shape[-2])

        def sums(operand: Operand) -> Sums:
            units, nonzeros = unit_sums(x, operand, (x.dim() - 1,))
            return units * fan, nonzeros * fan, float(units.sum()), float(nonzeros.sum()), float(x.numel() * fan)

        r.weighted(path, "linear", x, weight, out, product_macs(a, b), sums)
    else:
        r.product(path, a.reshape(-1, *a.shape[-2:]), b.reshape(-1, *b.shape[-2:]), out)


def _mm(r: Recorder, path: str, args: tuple[Any, ...], kwargs: dict[str, Any], out: Tensor) -> None:
    _matrix(r, path, args[0], args[1], out)


def _addmm(r: Recorder, path: str, args: tuple[Any, ...], kwargs: dict[str, Any], out: Tensor) -> None:
    _matrix(r, path, args[1], args[2], out)


def _mv(r: Recorder, path: str, args: tuple[Any, ...], kwargs: dict[str, Any], out: Tensor) -> None:
    _matrix(r, path, args[-2], args[-1][:, None], out)


def _dot(r: Recorder, path: str, args: tuple[Any, ...], kwargs: dict[str, Any], out: Tensor) -> None:
    _matrix(r, path, args[0][None], args[1][:, None], out)


def _fused_attention(r: Recorder, path: str, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
    """softmax(q·kᵀ)·v in one operator: two products and a softmax between them."""
    q, k, v = (t.reshape(-1, *t.shape[-2:]) for t in args[:3])
    r.product(path, q, k.transpose(1, 2), out[0])
    scores = q.shape[0] * q.shape[1] * k.shape[1]
    r.elementwise(path, "softmax", PER_ELEMENT["_softmax"][1], scores, out[0])
    index = r.products[path]
    r.products[path] = index + 1
    row = r.start(f"{path}[{index}]", "product", scores * v.shape[-1], out[0])
    row.operand = row.partner = "analog"
    row.macs, row.elements, row.partner_elements = row.dense_macs, float(scores), float(v.numel())
    r.now.put(row)


def _norm(r: Recorder, path: str, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
    """y = a·x + b per channel: free where it can be folded into the weights that made x."""
    x, y = args[0], tensors((out,))[0]
    row = Row(path, "norm", calls=1, outputs=y.numel(), elements=x.numel())
    follows = r.linear_output is not None and storage(x) == storage(r.linear_output)
    row.add({"mul": 1, "add": 1}, x.numel(), folded=follows)
    r.now.put(row)


def _two_terms(r: Recorder, path: str, args: tuple[Any, ...], kwargs: dict[str, Any], out: Tensor) -> None:
    """a + b: a residual where both are activations; spikes (the plainer of two kinds) are added only where they are."""
    a, b = args[0], args[1] if len(args) > 1 else kwargs["other"]
    if not isinstance(a, Tensor) or not isinstance(b, Tensor) or a.dim() == 0 or b.dim() == 0:
        r.elementwise(path, "scale", {"add": 1}, out.numel(), out)
        return
    if a in r.weights or b in r.weights:
        r.elementwise(path, "bias", {"add": 1}, out.numel(), out)
        return
    row = Row(path, "residual", "analog", calls=1, outputs=out.numel(), elements=out.numel())
    adds = float(out.numel())
    operands = [(r.operand(term), term) for term in (a, b)]
    simplest = min((o.kind for o, _ in operands), key=KINDS.index)
    for operand, term in operands:
        if operand.spikes and operand.kind == simplest:
            row.operand = operand.kind
            adds = min(adds, r.nonzeros(term, operand) * out.numel() / term.numel())
    row.nonzeros = row.units = adds
    row.add({"add": 1}, adds)
    r.now.put(row)


def _two_factors(r: Recorder, path: str, args: tuple[Any, ...], kwargs: dict[str, Any], out: Tensor) -> None:
    """a · b: a scale by a number or weight, a gate where one side is binary spikes."""
    a, b = args[0], args[1] if len(args) > 1 else kwargs["other"]
    number = next((v for v in (b, a) if not isinstance(v, Tensor) or v.dim() == 0), None)
    if number is not None:
        size = abs(float(number))
        power = size > 0 and math.isfinite(size) and math.frexp(size)[0] == 0.5
        r.elementwise(path, "scale", {"shift" if power else "mul": 1}, out.numel(), out)
    elif a in r.weights or b in r.weights:
        r.elementwise(path, "scale", {"mul": 1}, out.numel(), out)
    else:
        kinds = {r.operand(a).kind, r.operand(b).kind}
        primitive = "and" if kinds == {"binary"} else "select" if "binary" in kinds else "mul"
        r.elementwise(path, "gate", {primitive: 1}, out.numel(), out)


def _pool_max(r: Recorder, path: str, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
    y = tensors((out,))[0]
    window = math.prod(args[1]) if len(args) > 1 and isinstance(args[1], list | tuple) else args[0].numel() // y.numel()
    binary = r.operand(args[0]).kind == "binary"
    r.elementwise(path, "pool", {"and" if binary else "compare": window - 1}, y.numel(), y)


def _pool_mean(r: Recorder, path: str, args: tuple[Any, ...], kwargs: dict[str, Any], out: Tensor) -> None:
    """Averages and sums: an addition for each element (spikes: each spike) beyond the first, one shift or product."""
    x = args[0]
    fixed = (
        len(args) > 1
        and isinstance(args[1], list | tuple)
        and "avg_pool" in r.operator
        and "adaptive" not in r.operator
    )
    window = math.prod(args[1]) if fixed else max(x.numel() // max(out.numel(), 1), 1)
    adds = float(out.numel() * (window - 1))
    operand = r.operand(x)
    if operand.spikes:
        adds = min(adds, r.nonzeros(x, operand) * window * out.numel() / x.numel())
    row = Row(path, "pool", calls=1, outputs=out.numel(), elements=x.numel())
    row.add({"add": 1}, adds)
    if r.operator != "sum":
        row.add({"shift" if math.frexp(window)[0] == 0.5 else "mul": 1}, out.numel())
    r.now.put(row)


Handler = Callable[[Recorder, str, tuple[Any, ...], dict[str, Any], Any], None]

_MATMULS: frozenset[Handler] = frozenset({_convolution, _mm, _addmm, _mv, _dot, _fused_attention})

_HANDLERS: dict[str, Handler] = {
    "convolution": _convolution,
    "_convolution": _convolution,
    "mm": _mm,
    "bmm": _mm,
    "addmm": _addmm,
    "addmm_": _addmm,
    "baddbmm": _addmm,
    "mv": _mv,
    "addmv": _mv,
    "dot": _dot,
    **dict.fromkeys(
        (
            "_scaled_dot_product_flash_attention",
            "_scaled_dot_product_flash_attention_for_cpu",
            "_scaled_dot_product_efficient_attention",
            "_scaled_dot_product_cudnn_attention",
        ),
        _fused_attention,
    ),
    **dict.fromkeys(
        (
            "native_batch_norm",
            "_native_batch_norm_legit",
            "_native_batch_norm_legit_no_training",
            "_batch_norm_with_update",
            "_batch_norm_no_update",
            "cudnn_batch_norm",
            "miopen_batch_norm",
        ),
        _norm,
    ),
    **dict.fromkeys(("add", "add_", "sub", "sub_", "rsub"), _two_terms),
    **dict.fromkeys(("mul", "mul_", "div", "div_"), _two_factors),
    **dict.fromkeys(
        ("max_pool2d_with_indices", "max_pool3d_with_indices", "adaptive_max_pool2d", "amax", "max", "amin"), _pool_max
    ),
    **dict.fromkeys(
        (
            "avg_pool2d",
            "avg_pool3d",
            "_adaptive_avg_pool2d",
            "_adaptive_avg_pool3d",
            "mean",
            "sum",
        ),
        _pool_mean,
    ),
}
