"""The rows of the pass that is running, and what must be remembered to fill them."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from spikeformers.energy.formulas import Primitives, bit_share, coincidences, per_step, product_macs, unit_sums
from spikeformers.energy.operands import Operand, classify
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
            self._pinned.add(storage(tensor))

    def __contains__(self, x: Tensor) -> bool:
        key = storage(x)
        return key in self._pinned or key in self._derived

    def follow(self, inputs: list[Tensor], outputs: list[Tensor]) -> None:
        """An operator of weights (and scalars) alone gives a weight; holding it keeps its storage from being reused."""
        if any(x in self for x in inputs) and all(x in self or x.dim() == 0 for x in inputs):
            for y in outputs:
                if y not in self:
                    self._derived[storage(y)] = y

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
        self.products: dict[str, int] = {}
        self._weighted = 0
        self.linear_output: Tensor | None = None
        self._recent: list[tuple[tuple[Any, ...], Tensor, Operand]] = []

    def begin(self, now: Pass, steps: int | None) -> None:
        """Start a pass; T may be unknown still."""
        self.now, self._steps, self.fired = now, steps, False
        self.products, self._weighted = {}, 0

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
        self.linear_output, self._recent = None, []
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
        flat = y if y.dim() > 1 else y[:, None]
        units, nonzeros = unit_sums(flat, operand, tuple(range(1, flat.dim())))
        return operand, units.tolist(), nonzeros.tolist()

    def changed(self, func: Any, args: tuple[Any, ...]) -> None:
        if self._recent and func._schema.is_mutable and args and isinstance(args[0], Tensor):
            pointer = args[0].data_ptr()
            self._recent = [entry for entry in self._recent if entry[0][0] != pointer]

    def follow_linear(self, name: str, args: tuple[Any, ...], outputs: list[Tensor]) -> None:
        last = self.linear_output
        if name in ("clone", "_to_copy") and last is not None and storage(args[0]) == storage(last):
            self.linear_output = outputs[0]

    def elementwise(self, path: str, kind: str, primitives: Primitives, times: float, out: Tensor) -> None:
        row = Row(path, kind, calls=1, outputs=out.numel(), elements=out.numel())
        row.add(primitives, times)
        self.now.put(row)

    def start(self, path: str, kind: str, dense: int, out: Tensor) -> Row:
        row = Row(path, kind, calls=1, dense_macs=dense, outputs=out.numel())
        if kind != "product":
            row.first = self._weighted == 0
            self._weighted += 1
            self.linear_output = out
        return row

    def weighted(
        self, path: str, kind: str, x: Tensor, weight: Tensor, out: Tensor, dense: int, sums: Callable[[Operand], Sums]
    ) -> None:
        """A layer with weights: decide by its input.

        Args:
            sums: operand → its accumulates and events.
        """
        row = self.start(path, kind, dense, out)
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
        index = self.products.get(path, 0)
        self.products[path] = index + 1
        row = self.start(f"{path}[{index}]", "product", product_macs(a, b), out)
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


def storage(x: Tensor) -> int:
    """Names the memory behind a tensor and its views, also where there is none (meta device)."""
    return x.untyped_storage()._cdata


def tensors(values: tuple[Any, ...]) -> list[Tensor]:
    found = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, list | tuple):
            found.extend(v for v in value if isinstance(v, Tensor))
    return found
