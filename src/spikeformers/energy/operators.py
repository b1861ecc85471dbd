"""From one dispatched operator and its tensors to rows of counts."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from spikeformers.energy.formulas import (
    FREE,
    PER_ELEMENT,
    Primitives,
    bit_share,
    coincidences,
    conv_fan_out,
    conv_macs,
    per_step,
    product_macs,
    unit_sums,
)
from spikeformers.energy.operands import KINDS, Operand, classify
from spikeformers.energy.rows import Pass, Row

_MANY = 15
"""Event counts above this in a model's input are worth a remark: they may be pixels."""


class Weights:
    """Which tensors are weights: parameters, buffers, and what is computed from these alone (casts, folds, views)."""

    def __init__(self) -> None:
        self._pinned: set[int] = set()
        self._derived: dict[int, Tensor] = {}

    def pin(self, model: nn.Module) -> None:
        """Know the parameters and buffers of a model."""
        for tensor in (*model.parameters(), *model.buffers()):
            self._pinned.add(_storage(tensor))

    def __contains__(self, x: Tensor) -> bool:
        key = _storage(x)
        return key in self._pinned or key in self._derived

    def follow(self, inputs: list[Tensor], outputs: list[Tensor]) -> None:
        """An operator of weights (and scalars) alone gives a weight; holding it keeps its storage from being reused."""
        if any(x in self for x in inputs) and all(x in self or x.dim() == 0 for x in inputs):
            for y in outputs:
                if y not in self:
                    self._derived[_storage(y)] = y

    def forget(self) -> None:
        """Let go of the derived ones."""
        self._derived.clear()


Sums = tuple[Tensor, Tensor, float, float, float]
"""Accumulates and events by leading index; unit spikes, non-zeros, and accumulates if all inputs were 1, in all."""


class Recorder:
    """Rows of the pass that is running.

    Work before the first spiking neuron waits until that neuron has shown T and B.

    Args:
        bits: measure the share of one-bits of analog inputs, quantized to this width.
    """

    def __init__(self, bits: int | None = None) -> None:
        self.bits = bits
        self.weights = Weights()
        self.now = Pass()
        self.path = ""
        self.fired = False
        self.operator = ""
        self._steps: int | None = None
        self._waiting: list[Callable[[], None]] = []
        self._products: dict[str, int] = {}
        self._weighted = 0
        self._linear_output: Tensor | None = None
        self._recent: list[tuple[tuple[Any, ...], Tensor, Operand]] = []

    def begin(self, now: Pass, steps: int | None) -> None:
        """Start a pass; T may be unknown still."""
        self.now, self._steps, self.fired = now, steps, False
        self._products, self._weighted = {}, 0

    def settle(self, steps: int) -> None:
        """T is known: count what waited."""
        self._steps = steps
        waiting, self._waiting = self._waiting, []
        for work in waiting:
            work()

    def finish(self) -> bool:
        """End the pass; whether anything was counted."""
        self.settle(self._steps or 1)
        self.now.steps = self._steps or 1
        self.weights.forget()
        self._linear_output, self._recent = None, []
        return bool(self.now.rows or self.now.unpriced)

    def _do(self, work: Callable[[], None]) -> None:
        if self._steps is None:
            self._waiting.append(work)
        else:
            work()

    def operand(self, x: Tensor) -> Operand:
        """Classify, remembering the last few tensors (queries, keys and values share their input)."""
        key = (x.data_ptr(), x.numel(), x.dtype, self.fired)
        for seen, _, operand in self._recent:
            if seen == key:
                return operand
        operand = classify(x, scaled=self.fired)
        self._recent = [*self._recent[-3:], (key, x, operand)]
        return operand

    def nonzeros(self, x: Tensor, operand: Operand) -> float:
        """Non-zero elements of a spike tensor."""
        return float(unit_sums(x.reshape(1, -1), operand, (1,))[1])

    def measure(self, y: Tensor) -> tuple[Operand, list[float], list[float]]:
        """Kind of a neuron's output [T, ...], its unit spikes and its non-zero elements by step."""
        operand = self.operand(y)
        units, nonzeros = (
            unit_sums(y.flatten(1), operand, (1,)) if y.dim() > 1 else unit_sums(y[:, None], operand, (1,))
        )
        return operand, units.tolist(), nonzeros.tolist()

    def record(
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any, *, inside_neuron: bool
    ) -> None:
        """Count one operator.

        Args:
            inside_neuron: the neuron's equations already give its element-wise work.
        """
        name = self.operator = func.name().removeprefix("aten::").split(".")[0]
        inputs, outputs = _tensors(args) + _tensors(tuple(kwargs.values())), _tensors((out,))
        self._changed(func, args)
        if inputs and all(x in self.weights or x.dim() == 0 for x in inputs):
            self.weights.follow(inputs, outputs)
            return
        if name in FREE:
            self._follow_linear(name, args, outputs)
            return
        if not outputs or not (outputs[0].is_floating_point() or outputs[0].dtype == torch.bool):
            return
        handler = _HANDLERS.get(name)
        if handler is not None and (not inside_neuron or handler in _MATMULS):
            handler(self, self.path, args, kwargs, out)
        elif inside_neuron:
            return
        elif name in PER_ELEMENT:
            kind, primitives = PER_ELEMENT[name]
            self._elementwise(self.path, kind, primitives, outputs[0].numel(), outputs[0])
        else:
            self.now.unpriced[name] = self.now.unpriced.get(name, 0) + outputs[0].numel()

    def _changed(self, func: Any, args: tuple[Any, ...]) -> None:
        if self._recent and func._schema.is_mutable and args and isinstance(args[0], Tensor):
            pointer = args[0].data_ptr()
            self._recent = [entry for entry in self._recent if entry[0][0] != pointer]

    def _follow_linear(self, name: str, args: tuple[Any, ...], outputs: list[Tensor]) -> None:
        last = self._linear_output
        if name in ("clone", "_to_copy") and last is not None and _storage(args[0]) == _storage(last):
            self._linear_output = outputs[0]

    def _elementwise(self, path: str, kind: str, primitives: Primitives, times: float, out: Tensor) -> None:
        row = Row(path, kind, calls=1, outputs=out.numel(), elements=out.numel())
        row.add(primitives, times)
        self.now.put(row)

    def _start(self, path: str, kind: str, dense: int, out: Tensor) -> Row:
        row = Row(path, kind, calls=1, dense_macs=dense, outputs=out.numel())
        if kind != "product":
            row.first = self._weighted == 0
            self._weighted += 1
            self._linear_output = out
        return row

    def weighted(
        self, path: str, kind: str, x: Tensor, weight: Tensor, out: Tensor, dense: int, sums: Callable[[Operand], Sums]
    ) -> None:
        """A layer with weights: decide by its input.

        Args:
            sums: operand → its accumulates and events.
        """
        row = self._start(path, kind, dense, out)
        row.operand = (operand := self.operand(x)).kind
        row.weights = weight.numel()
        before_first_neuron = not self.fired
        if before_first_neuron and operand.kind == "integer" and operand.high > _MANY:
            self.now.notes.append(
                f"{path} takes whole numbers up to {operand.high} as its input and is charged that many accumulates for "
                "each; if these are pixels and no event counts, scale or normalize them"
            )

        def work() -> None:
            acs, events, row.units, row.nonzeros, row.synapses = sums(operand)
            row.elements = x.numel()
            row.events, row.levels = float(events.sum()), operand.high
            if operand.spikes:
                row.step_acs = per_step(acs, self._steps or 1)
                row.acs = float(acs.sum())
            else:
                self._analog(row, x, before_first_neuron)
                row.bit_share = bit_share(x, self.bits) if self.bits else None
            self.now.put(row)

        self._do(work)

    def _analog(self, row: Row, x: Tensor, before_first_neuron: bool) -> None:
        """Charge multiply-accumulates, once if every step shows the same input."""
        steps, rows = self._steps or 1, x.shape[0] if x.dim() else 1
        row.macs = row.dense_macs
        if steps == 1 or not before_first_neuron or x.is_meta:
            return
        if rows * x[0].numel() and rows % (steps * self.now.samples) == 0:
            by_step = x.reshape(steps, -1)
            if bool((by_step == by_step[:1]).all()):
                row.repeats = steps
                row.macs = row.dense_macs / steps
        elif rows % self.now.samples == 0:
            row.repeats = steps
            row.dense_macs *= steps
            row.events, row.synapses, row.outputs = row.events * steps, row.synapses * steps, row.outputs * steps
            row.elements, row.nonzeros, row.units = row.elements * steps, row.nonzeros * steps, row.units * steps

    def product(self, path: str, a: Tensor, b: Tensor, out: Tensor) -> None:
        """A product of two activations [batch, m, k] @ [batch, k, n]: decide by both."""
        index = self._products.get(path, 0)
        self._products[path] = index + 1
        row = self._start(f"{path}[{index}]", "product", product_macs(a, b), out)
        row.shape = (a.shape[0], a.shape[1], a.shape[2], b.shape[2])
        left, right = self.operand(a), self.operand(b)

        def work() -> None:
            self._count_product(row, a, b, left, right)
            self.now.put(row)

        self._do(work)

    def _count_product(self, row: Row, a: Tensor, b: Tensor, left: Operand, right: Operand) -> None:
        m, n = a.shape[-2], b.shape[-1]
        of_a, of_b = unit_sums(a, left, (1,)), unit_sums(b, right, (2,))
        drive_left = left.spikes and (not right.spikes or left.high <= right.high)
        driver, sums, operand = (a, of_a, left) if drive_left or not right.spikes else (b, of_b, right)
        row.operand, row.partner = (left.kind, right.kind) if driver is a else (right.kind, left.kind)
        row.elements, row.levels = driver.numel(), operand.high
        row.partner_elements = (b if driver is a else a).numel()
        row.units, row.nonzeros = float(sums[0].sum()), float(sums[1].sum())
        if left.spikes and right.spikes:
            acs = coincidences(of_a, of_b)
            row.ands = min(float(of_a[1].sum()) * n, float(of_b[1].sum()) * m)
            row.events = float((of_a[1] * of_b[1]).sum())
        else:
            acs = sums[0].sum(-1) * (n if driver is a else m)
            row.events = row.nonzeros * (n if driver is a else m)
        if left.spikes or right.spikes:
            row.acs, row.step_acs = float(acs.sum()), per_step(acs, self._steps or 1)
        else:
            row.macs = row.dense_macs
            row.bit_share = bit_share(driver, self.bits) if self.bits else None


def _storage(x: Tensor) -> int:
    """Names the memory behind a tensor and its views, also where there is none (meta device)."""
    return x.untyped_storage()._cdata


def _tensors(values: tuple[Any, ...]) -> list[Tensor]:
    found = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, list | tuple):
            found.extend(v for v in value if isinstance(v, Tensor))
    return found


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
    r._elementwise(path, "softmax", PER_ELEMENT["_softmax"][1], scores, out[0])
    index = r._products[path]
    r._products[path] = index + 1
    row = r._start(f"{path}[{index}]", "product", scores * v.shape[-1], out[0])
    row.operand = row.partner = "analog"
    row.macs, row.elements, row.partner_elements = row.dense_macs, float(scores), float(v.numel())
    r.now.put(row)


def _norm(r: Recorder, path: str, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
    """y = a·x + b per channel: free where it can be folded into the weights that made x."""
    x, y = args[0], _tensors((out,))[0]
    row = Row(path, "norm", calls=1, outputs=y.numel(), elements=x.numel())
    follows = r._linear_output is not None and _storage(x) == _storage(r._linear_output)
    row.add({"mul": 1, "add": 1}, x.numel(), folded=follows)
    r.now.put(row)


def _two_terms(r: Recorder, path: str, args: tuple[Any, ...], kwargs: dict[str, Any], out: Tensor) -> None:
    """a + b: a residual where both are activations; spikes (the plainer of two kinds) are added only where they are."""
    a, b = args[0], args[1] if len(args) > 1 else kwargs["other"]
    if not isinstance(a, Tensor) or not isinstance(b, Tensor) or a.dim() == 0 or b.dim() == 0:
        r._elementwise(path, "scale", {"add": 1}, out.numel(), out)
        return
    if a in r.weights or b in r.weights:
        r._elementwise(path, "bias", {"add": 1}, out.numel(), out)
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
        r._elementwise(path, "scale", {"shift" if power else "mul": 1}, out.numel(), out)
    elif a in r.weights or b in r.weights:
        r._elementwise(path, "scale", {"mul": 1}, out.numel(), out)
    else:
        kinds = {r.operand(a).kind, r.operand(b).kind}
        primitive = "and" if kinds == {"binary"} else "select" if "binary" in kinds else "mul"
        r._elementwise(path, "gate", {primitive: 1}, out.numel(), out)


def _pool_max(r: Recorder, path: str, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
    y = _tensors((out,))[0]
    window = math.prod(args[1]) if len(args) > 1 and isinstance(args[1], list | tuple) else args[0].numel() // y.numel()
    binary = r.operand(args[0]).kind == "binary"
    r._elementwise(path, "pool", {"and" if binary else "compare": window - 1}, y.numel(), y)


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
