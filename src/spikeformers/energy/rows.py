"""What the counter writes down: one row per module and kind of work, grouped by pass through the model."""

from dataclasses import dataclass, field

from spikeformers.energy.formulas import Primitives
from spikeformers.energy.operands import KINDS, Kind

SYNAPTIC = ("conv", "linear", "product")
"""Kinds of row that hold multiply-accumulates: convolutions, weighted sums, products of two activations."""


@dataclass
class Row:
    """Operations of one kind in one module, summed over the samples and steps of a pass.

    Attributes:
        path: module path; the two products of an attention are `path[0]`, `path[1]` in the order they ran.
        kind: `conv`, `linear`, `product`, `neuron`, `norm`, `pool`, `residual`, `bias`, `scale`, `gate`,
            `activation`, `softmax` or `other`.
        operand: kind of the operand that decides: the input of a weighted layer, the driving one of a product.
        partner: kind of the other operand of a product; None for a weighted layer.
        first: whether this is the first weighted layer that ran.
        dense_macs: multiply-accumulates of the dense run, padding included, all steps.
        macs: those really needed: none for spikes; for analog input all, or those of one step if every step is equal.
        acs: accumulates: one for each unit of a spike and each synapse it drives, borders exact.
        ands: coincidence tests of products of two spike tensors.
        synapses: what the accumulates would be if every input were 1.
        events: non-zero operand elements times the synapses they drive; counted for analog operands too.
        primitives: other operations, by name.
        folded: operations that vanish into the preceding weights (batch norm); not charged.
        elements, units, nonzeros: size of the operand, its sum in unit spikes, its non-zero elements.
        partner_elements: size of the other operand of a product.
        outputs, weights: elements written, and elements of the weight.
        states: state variables per neuron.
        repeats: steps that repeat the same analog input; 1 where inputs differ.
        step_acs: accumulates by step, where the leading axis shows the steps.
        levels: largest number of units in one element.
        shape: (batch, m, k, n) of a product [batch, m, k] · [batch, k, n].
        bit_share: share of one-bits in an analog input quantized to the width that the counter was asked to measure.
    """

    path: str
    kind: str
    operand: Kind = "binary"
    partner: Kind | None = None
    first: bool = False
    calls: int = 0
    dense_macs: float = 0.0
    macs: float = 0.0
    acs: float = 0.0
    ands: float = 0.0
    synapses: float = 0.0
    events: float = 0.0
    primitives: Primitives = field(default_factory=dict)
    folded: Primitives = field(default_factory=dict)
    elements: float = 0.0
    units: float = 0.0
    nonzeros: float = 0.0
    partner_elements: float = 0.0
    outputs: float = 0.0
    weights: int = 0
    states: int = 0
    repeats: int = 1
    step_acs: list[float] = field(default_factory=list)
    levels: int = 0
    bit_share: float | None = None
    shape: tuple[int, int, int, int] | None = None

    @property
    def spike_driven(self) -> bool:
        """Whether its multiply-accumulates are accumulates."""
        return self.kind not in SYNAPTIC or self.macs == 0.0

    @property
    def rate(self) -> float:
        """Unit spikes per element of the operand."""
        return self.units / self.elements if self.elements else 0.0

    @property
    def active(self) -> float:
        """Share of operand elements that are not zero."""
        return self.nonzeros / self.elements if self.elements else 0.0

    def add(self, primitives: Primitives, times: float, *, folded: bool = False) -> None:
        """Add operations per element, `times` over."""
        into = self.folded if folded else self.primitives
        for name, count in primitives.items():
            if count * times:
                into[name] = into.get(name, 0.0) + count * times

    def merge(self, other: "Row") -> None:
        """Add the counts of another row of the same module and kind."""
        self.operand = max(self.operand, other.operand, key=KINDS.index)
        if self.partner is not None and other.partner is not None:
            self.partner = max(self.partner, other.partner, key=KINDS.index)
        for name in (
            "calls",
            "dense_macs",
            "macs",
            "acs",
            "ands",
            "synapses",
            "events",
            "elements",
            "units",
            "nonzeros",
            "partner_elements",
            "outputs",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        if self.bit_share is not None and other.bit_share is not None:
            self.bit_share += (other.bit_share - self.bit_share) * other.calls / self.calls
        self.add(other.primitives, 1.0)
        self.add(other.folded, 1.0, folded=True)
        self.first = self.first or other.first
        self.weights, self.states = max(self.weights, other.weights), max(self.states, other.states)
        self.levels, self.repeats = max(self.levels, other.levels), min(self.repeats, other.repeats)
        if len(self.step_acs) == len(other.step_acs):
            self.step_acs = [a + b for a, b in zip(self.step_acs, other.step_acs, strict=True)]
        else:
            self.step_acs = self.step_acs + other.step_acs if self.step_acs and other.step_acs else []


@dataclass
class Firing:
    """What one neuron layer did in a pass.

    Attributes:
        rates: mean |output| by step.
        active: share of outputs that are not zero.
        kind: kind of its output.
        neurons: elements of one step, all samples.
    """

    rates: list[float]
    active: float
    kind: Kind
    neurons: int

    @property
    def rate(self) -> float:
        """Mean |output| over the steps."""
        return sum(self.rates) / len(self.rates) if self.rates else 0.0

    def then(self, later: "Firing") -> "Firing":
        """This and a later run of the same layer in one pass: steps in a row."""
        ours, theirs = len(self.rates), len(later.rates)
        active = (self.active * ours + later.active * theirs) / (ours + theirs)
        kind = max(self.kind, later.kind, key=KINDS.index)
        return Firing(self.rates + later.rates, active, kind, self.neurons)


@dataclass
class Pass:
    """One call of the model.

    Attributes:
        steps: T, as the first spiking neuron saw it; 1 where there is none.
        samples: B.
        rows: by (path, kind), in the order they first ran.
        firing: by module path.
        unpriced: operator name → elements written by operators that no rule counts.
        notes: what a reader must know to trust the numbers.
    """

    steps: int = 0
    samples: int = 0
    rows: dict[tuple[str, str], Row] = field(default_factory=dict)
    firing: dict[str, Firing] = field(default_factory=dict)
    unpriced: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def put(self, row: Row) -> None:
        """Add a row, or add to the one that is there."""
        there = self.rows.get((row.path, row.kind))
        if there is None:
            self.rows[row.path, row.kind] = row
        else:
            there.merge(row)
