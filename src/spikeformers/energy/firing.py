"""Neurons as the counter meets them: what fired, and what their updates cost."""

from torch import Tensor, nn

from spikeformers import neurons
from spikeformers.core.carry import Stateful
from spikeformers.energy.equations import update_primitives
from spikeformers.energy.operands import Operand
from spikeformers.energy.recorder import Recorder
from spikeformers.energy.rows import SYNAPTIC, Firing, Row
from spikeformers.neurons import NeuronConfig
from spikeformers.neurons.base import Neuron

Measured = tuple[Operand, list[float], list[float]]
"""Kind of an output, its unit spikes and its non-zero elements by step."""

_SAMPLES_AXIS = 1
"""Neurons see [T, B, ...]."""


def is_spiking(module: nn.Module) -> bool:
    """Whether a module is a spiking neuron: it holds a neuron's config, or is one of our neurons with state."""
    config = getattr(module, "config", None)
    if isinstance(config, NeuronConfig):
        return config.spiking
    return isinstance(module, Stateful) and type(module).__module__.startswith(f"{neurons.__name__}.")


class NeuronWatch:
    """Records neurons of a pass.

    A `Neuron` is priced by its equations wherever its scan is called. A neuron that is built otherwise, perhaps around
    a `Neuron`, is priced by the operators it runs; its spikes are those of the outermost module.
    """

    def __init__(self, recorder: Recorder, steps: int | None, samples: int | None) -> None:
        self.recorder = recorder
        self.given = (steps, samples)
        self.open: list[str] = []
        self.scanning = 0

    def enter(self, path: str, x: Tensor | None) -> None:
        """A spiking neuron's forward begins."""
        self.open.append(path)
        if x is not None:
            self.meet(x)

    def meet(self, x: Tensor) -> None:
        """The first neuron of a pass shows T and B."""
        if not self.recorder.fired:
            if self.given[1] is None and x.dim() > 1:
                self.recorder.now.samples = x.shape[_SAMPLES_AXIS]
            self.recorder.settle(self.given[0] or x.shape[0])
            self.recorder.fired = True

    def leave(self, path: str, module: nn.Module, y: Tensor | None) -> None:
        """A spiking neuron's forward ends."""
        self.open.pop()
        if y is None or isinstance(module, Neuron):
            return
        inner = any(kind == "neuron" and _inside(key, path) and key != path for key, kind in self.recorder.now.rows)
        row = self._fold(path)
        measured = self.recorder.measure(y)
        if not inner:
            self._spikes(row, y, measured)
            row.states = _states(module, y)
        if row.primitives or not inner:
            self.recorder.now.put(row)
        if not self.open:
            self._firing(path, y, measured)

    def scanned(self, path: str, module: Neuron, y: Tensor) -> None:
        """A `Neuron` has run its equations."""
        row, measured = Row(path, "neuron", calls=1), self.recorder.measure(y)
        self._spikes(row, y, measured)
        row.states = len(module.config.states())
        row.add(update_primitives(module.config), y.numel())
        self.recorder.now.put(row)
        if module.config.spiking and (not self.open or self.open[0] == path):
            self._firing(path, y, measured)

    def _fold(self, path: str) -> Row:
        """One neuron row of all element-wise rows that ran inside of a neuron."""
        rows, whole = self.recorder.now.rows, Row(path, "neuron", calls=1)
        for key in list(rows):
            if _inside(key[0], path) and key[1] not in (*SYNAPTIC, "neuron"):
                whole.add(rows.pop(key).primitives, 1.0)
        return whole

    def _spikes(self, row: Row, y: Tensor, measured: Measured) -> None:
        operand, units, nonzeros = measured
        row.operand, row.levels = operand.kind, operand.high
        row.outputs = row.elements = y.numel()
        row.units, row.nonzeros = sum(units), sum(nonzeros)

    def _firing(self, path: str, y: Tensor, measured: Measured) -> None:
        operand, units, nonzeros = measured
        size = y[0].numel()
        if operand.kind == "analog":
            self.recorder.now.notes.append(f"the neuron {path!r} put out analog values")
            rates = y.abs().float().reshape(y.shape[0], -1).mean(1).tolist()
        else:
            rates = [u * operand.scale / size for u in units]
        now = Firing(rates, sum(nonzeros) / y.numel(), operand.kind, size)
        before = self.recorder.now.firing.get(path)
        self.recorder.now.firing[path] = now if before is None else before.then(now)


def _inside(path: str, scope: str) -> bool:
    return not scope or path == scope or path.startswith(f"{scope}.")


def _states(module: nn.Module, y: Tensor) -> int:
    """State variables per neuron, where the module tells."""
    if isinstance(module, Stateful) and type(module).initial is not Stateful.initial:
        return len(module.initial(y[0]))
    return 0
