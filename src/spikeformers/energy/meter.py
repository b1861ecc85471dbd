"""What a counter collected: passes, and their rows averaged."""

import copy
import math
from dataclasses import dataclass, field

from spikeformers.core.errors import ConfigError
from spikeformers.energy.rows import SYNAPTIC, Firing, Pass, Row


@dataclass
class Meter:
    """Counts of every pass through a model.

    Attributes:
        model: name of the model's class.
        passes: one for each call of the model, in order.
        spiking: whether the model holds a spiking neuron at all.
        static: facts of the model itself, under NeuroBench's names; filled by `assess`.
    """

    model: str
    passes: list[Pass] = field(default_factory=list)
    spiking: bool = False
    static: dict[str, float] = field(default_factory=dict)

    @property
    def samples(self) -> int:
        """Samples seen."""
        return sum(p.samples for p in self.passes)

    @property
    def steps(self) -> int:
        """T of the passes.

        Raises:
            ConfigError: nothing was counted yet, or passes had different T.
        """
        found = {p.steps for p in self.passes}
        if len(found) != 1:
            raise ConfigError(
                f"passes of {self.model} had T={sorted(found)}; count calls of one T at a time" if found else _EMPTY
            )
        return found.pop()

    def rows(self) -> list[Row]:
        """Rows summed over all passes, in the order they ran.

        Raises:
            ConfigError: the model was not called inside the block.
        """
        if not self.passes:
            raise ConfigError(_EMPTY)
        total = Pass()
        for one in self.passes:
            for row in one.rows.values():
                total.put(copy.deepcopy(row))
        return list(total.rows.values())

    def total(self, name: str) -> float:
        """Sum of one count over rows and passes: `dense_macs`, `macs`, `acs`, `ands`, or the name of a primitive."""
        return sum(_count(row, name) for row in self.rows())

    def per_sample(self, name: str) -> tuple[float, float]:
        """Mean of a total per sample, and its standard deviation over passes (0 for one pass)."""
        values = [sum(_count(r, name) for r in p.rows.values()) / p.samples for p in self.passes]
        return self.total(name) / self.samples, spread(values)

    @property
    def synops(self) -> float:
        """Synaptic operations per sample: accumulates plus multiply-accumulates."""
        return sum(row.acs + row.macs for row in self.rows()) / self.samples

    def firing(self) -> dict[str, Firing]:
        """Firing of every neuron layer, averaged over passes by their samples.

        `Firing.neurons` is the number per sample.
        """
        found: dict[str, Firing] = {}
        for path in {p: None for one in self.passes for p in one.firing}:
            parts = [(one.firing[path], one.samples) for one in self.passes if path in one.firing]
            weight = sum(n for _, n in parts)
            steps = min(len(f.rates) for f, _ in parts)
            found[path] = Firing(
                rates=[sum(f.rates[t] * n for f, n in parts) / weight for t in range(steps)],
                active=sum(f.active * n for f, n in parts) / weight,
                kind=max(
                    (f.kind for f, _ in parts),
                    key=lambda k: ("binary", "ternary", "integer", "scaled", "analog").index(k),
                ),
                neurons=parts[0][0].neurons // max(parts[0][1], 1),
            )
        return found

    @property
    def firing_rate(self) -> float:
        """Mean rate over all neurons of all layers."""
        firing = list(self.firing().values())
        neurons = sum(f.neurons for f in firing)
        return sum(f.rate * f.neurons for f in firing) / neurons if neurons else 0.0

    def unpriced(self) -> dict[str, int]:
        """Operators that no rule counts → elements they wrote."""
        found: dict[str, int] = {}
        for one in self.passes:
            for name, elements in one.unpriced.items():
                found[name] = found.get(name, 0) + elements
        return found

    def flags(self) -> list[str]:
        """What a reader must know before trusting the numbers."""
        flags = []
        if not self.spiking:
            flags.append("no spiking neuron: this is an ordinary network, every layer is charged multiply-accumulates")
        firing = self.firing()
        silent = [path for path, f in firing.items() if f.active == 0.0]
        if firing and len(silent) == len(firing):
            flags.append("all neurons are silent: the energy is that of a network that computes nothing")
        elif silent:
            flags.append(f"silent neuron layers: {', '.join(silent)}")
        for row in self.rows():
            if row.kind in SYNAPTIC and self.spiking and not row.spike_driven:
                flags.append(f"not spike-driven: {row.path} ({row.kind}) takes analog values")
        flags += [f"no rule for operator {n!r} ({e} elements): left out" for n, e in self.unpriced().items()]
        return flags + list(dict.fromkeys(note for one in self.passes for note in one.notes))


_EMPTY = "nothing was counted: call the model inside the `with energy.count(model)` block"


def _count(row: Row, name: str) -> float:
    return (
        getattr(row, name) if name in ("dense_macs", "macs", "acs", "ands", "events") else row.primitives.get(name, 0.0)
    )


def spread(values: list[float]) -> float:
    """Standard deviation of a sample; 0 for fewer than two values."""
    if len(values) < 2:
        return 0.0
    mean = sum(values) / len(values)
    return math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1))
