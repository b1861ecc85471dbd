"""A reference machine that works spike by spike: it adds a weight where a spike arrives, and does nothing elsewhere.

It runs the unchanged model. Every convolution and matrix product whose operand holds spikes is carried out event by
event, and each scalar addition is counted as it is made; nothing here uses the formulas of the counter. So equal
logits show that the model is spike-driven, and equal counts show that the counter is right. For small models only.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from spikeformers.energy.firing import is_spiking
from spikeformers.energy.operands import Operand, classify
from spikeformers.energy.recorder import Weights


@dataclass
class Simulation:
    """What the machine did.

    Attributes:
        output: what the model returned.
        additions: scalar additions made for spikes, in weighted layers and in products of activations.
        multiplies: multiply-accumulates of layers that had to run densely, since their input is analog.
        dense_layers: how many operators those were.
        events: spikes that arrived, each counted once at every layer that it reaches.
    """

    output: Any = None
    additions: int = 0
    multiplies: int = 0
    dense_layers: int = 0
    events: int = 0


def simulate(model: nn.Module, x: Tensor) -> Simulation:
    """Run a model spike by spike.

    Use double precision (`model.double()`, `x.double()`) where logits are to be equal: sums are made in another order,
    and a neuron at its threshold sees the difference.

    Args:
        model: any module, in evaluation mode.
        x: its input.
    """
    result = Simulation()
    machine = _Machine(model, result)
    handles = [m.register_forward_pre_hook(machine.fire) for m in model.modules() if is_spiking(m)]
    try:
        with torch.no_grad(), torch.compiler.set_stance("force_eager"), machine:
            result.output = model(x)
    finally:
        for handle in handles:
            handle.remove()
    return result


class _Machine(TorchDispatchMode):
    def __init__(self, model: nn.Module, result: Simulation) -> None:
        super().__init__()
        self.result = result
        self.weights = Weights()
        self.weights.pin(model)
        self.fired = False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), torch._C.DispatchKey.CompositeImplicitAutograd):
            with self:
                return func.decompose(*args, **kwargs)
        name = func.name().removeprefix("aten::").split(".")[0]
        if name == "convolution":
            return self._convolution(func, *args)
        if name in ("mm", "bmm"):
            return self._product(func, args, args[0], args[1], None)
        if name in ("addmm", "baddbmm"):
            return self._product(func, args, args[1], args[2], args[0])
        out = func(*args, **kwargs)
        self.weights.follow([a for a in args if isinstance(a, Tensor)], [out] if isinstance(out, Tensor) else [])
        return out

    def fire(self, *_: Any) -> None:
        """A spiking neuron is about to run: from here on, common factors pass as spikes, as they do in the counter."""
        self.fired = True

    def _kind(self, x: Tensor) -> Operand:
        return classify(x, scaled=self.fired)

    def _dense(self, func: Any, args: tuple[Any, ...], multiplies: int) -> Tensor:
        self.result.multiplies += multiplies
        self.result.dense_layers += 1
        return func(*args)

    def _convolution(
        self, func: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: list[int], padding: list[int],
        dilation: list[int], transposed: bool, output_padding: list[int], groups: int,
    ) -> Tensor:  # fmt: skip
        operand = self._kind(x)
        shape = torch.ops.aten.convolution(
            x.to("meta"), weight.to("meta"), None, stride, padding, dilation, transposed, output_padding, groups
        ).shape
        if not operand.spikes or transposed:
            args = (x, weight, bias, stride, padding, dilation, transposed, output_padding, groups)
            return self._dense(func, args, x.shape[0] * shape[2:].numel() * weight.numel())
        out = x.new_zeros(shape)
        if bias is not None:
            out += bias.view(1, -1, *[1] * (x.dim() - 2))
        inputs, outputs = weight.shape[1], weight.shape[0] // groups
        for (sample, channel, *position), value, units in _spikes(x, operand):
            self.result.events += 1
            group = channel // inputs
            to = slice(group * outputs, (group + 1) * outputs)
            for tap in itertools.product(*(range(k) for k in weight.shape[2:])):
                where = _landing(position, tap, stride, padding, dilation, shape[2:])
                if where is not None:
                    source: tuple[Any, ...] = (to, channel % inputs, *tap)
                    target: tuple[Any, ...] = (sample, to, *where)
                    synapses = weight[source]
                    out[target] += value * synapses
                    self.result.additions += units * synapses.numel()
        return out

    def _product(self, func: Any, args: tuple[Any, ...], a: Tensor, b: Tensor, start: Tensor | None) -> Tensor:
        weighted = a in self.weights or b in self.weights
        left = Operand("analog") if a in self.weights else self._kind(a)
        right = Operand("analog") if b in self.weights else self._kind(b)
        if not left.spikes and not right.spikes:
            return self._dense(func, args, a.numel() * b.shape[-1])
        out = a.new_zeros(*a.shape[:-1], b.shape[-1])
        if left.spikes and right.spikes and not weighted:
            self._coincide(out, a, b, left, right)
        elif left.spikes:
            for (*batch, row, inner), value, units in _spikes(a, left):
                synapses = b[(*batch, inner)]
                out[(*batch, row)] += value * synapses
                self.result.events += 1
                self.result.additions += units * synapses.numel()
        else:
            for (*batch, inner, column), value, units in _spikes(b, right):
                source: tuple[Any, ...] = (*batch, slice(None), inner)
                target: tuple[Any, ...] = (*batch, slice(None), column)
                synapses = a[source]
                out[target] += value * synapses
                self.result.events += 1
                self.result.additions += units * synapses.numel()
        return out if start is None else out + start

    def _coincide(self, out: Tensor, a: Tensor, b: Tensor, left: Operand, right: Operand) -> None:
        """Where two spikes meet, the value of one is added for each unit of the other; the cheaper role is taken."""
        partners: dict[tuple[int, ...], list[tuple[int, float, int]]] = {}
        for (*batch, inner, column), value, units in _spikes(b, right):
            partners.setdefault((*batch, inner), []).append((column, value, units))
        by_left = by_right = 0
        for (*batch, row, inner), value, units in _spikes(a, left):
            self.result.events += 1
            for column, other, other_units in partners.get((*batch, inner), ()):
                out[(*batch, row, column)] += value * other
                by_left += units
                by_right += other_units
        self.result.additions += min(by_left, by_right)


def _spikes(x: Tensor, operand: Operand) -> Iterator[tuple[list[int], float, int]]:
    """Every spike: where, its value, and how many unit spikes it stands for."""
    for where in x.nonzero().tolist():
        value = float(x[tuple(where)])
        yield where, value, round(abs(value) / operand.scale)


def _landing(
    position: list[int], tap: tuple[int, ...], stride: list[int], padding: list[int], dilation: list[int], size: Any
) -> list[int] | None:
    """The output that a spike reaches through one tap of the kernel, or None if there is none."""
    where = []
    for i, k, s, p, d, n in zip(position, tap, stride, padding, dilation, size, strict=True):
        distance = i + p - k * d
        if distance % s or not 0 <= distance // s < n:
            return None
        where.append(distance // s)
    return where
