"""The same spikes under the counting rules in use, each with its assumption in words."""

from collections.abc import Callable
from dataclasses import dataclass

from spikeformers.energy.hardware import HOROWITZ_45NM
from spikeformers.energy.memory import TrafficConfig, traffic
from spikeformers.energy.neurobench import synaptic_operations
from spikeformers.energy.pricing import MJ, price
from spikeformers.energy.rows import SYNAPTIC, Row

MAC_PJ = 4.6
AC_PJ = 0.9
"""The two constants of nearly all papers: fp32 at 45 nm (Horowitz, ISSCC 2014)."""

STEP_PJ_PER_BIT = 3.12
"""STEP's price of moving one bit; 24.96 pJ per byte."""


@dataclass(frozen=True)
class Convention:
    """A counting rule: name, what it assumes, and millijoules of rows over (steps, samples)."""

    name: str
    assumption: str
    total: Callable[[list[Row], int, int], float]


Rule = Callable[[Row, int], tuple[float, float]]
"""A row and T → multiply-accumulates and accumulates."""


def two_constants(rule: Rule) -> Callable[[list[Row], int, int], float]:
    """Millijoules per sample of a rule at 4.6 and 0.9 pJ."""

    def total(rows: list[Row], steps: int, samples: int) -> float:
        pairs = [rule(row, steps) for row in rows if row.kind in SYNAPTIC]
        return sum(mac * MAC_PJ + ac * AC_PJ for mac, ac in pairs) / samples * MJ

    return total


def _ours(rows: list[Row], steps: int, samples: int) -> float:
    return price(rows, HOROWITZ_45NM) / samples


def _paper(row: Row, steps: int) -> tuple[float, float]:
    return (row.dense_macs / steps, 0.0) if row.first else (0.0, row.dense_macs * row.active)


def _paper_first_steps(row: Row, steps: int) -> tuple[float, float]:
    return (row.dense_macs, 0.0) if row.first else _paper(row, steps)


def _paper_mean_count(row: Row, steps: int) -> tuple[float, float]:
    return _paper(row, steps) if row.first else (0.0, row.dense_macs * row.rate)


def _neurobench(row: Row, steps: int) -> tuple[float, float]:
    return synaptic_operations(row)


def _strict(row: Row, steps: int) -> tuple[float, float]:
    return (0.0, row.acs) if row.operand == "binary" else (row.dense_macs, 0.0)


def _dense(row: Row, steps: int) -> tuple[float, float]:
    return row.dense_macs / steps, 0.0


def _step(rows: list[Row], steps: int, samples: int) -> float:
    bits = traffic(rows, steps, samples, TrafficConfig())
    return _ours(rows, steps, samples) + sum(bits.values()) * STEP_PJ_PER_BIT * MJ


def _every_use(rows: list[Row], steps: int, samples: int) -> float:
    """Strict binary arithmetic, and 32 bits of weight from memory at every operation."""
    operations = [_strict(row, steps) for row in rows if row.kind in SYNAPTIC and row.weights]
    state = sum(2 * row.states * row.outputs for row in rows)
    words = sum(mac + ac for mac, ac in operations) + state
    return two_constants(_strict)(rows, steps, samples) + words / samples * 32 * STEP_PJ_PER_BIT * MJ


_WORD_PJ = ((8 * 1024, 10.0), (32 * 1024, 20.0), (1024 * 1024, 100.0))


def _word(elements: float) -> float:
    """pJ to reach a 32-bit word in an SRAM that holds `elements` of them: straight lines through three sizes."""
    size = max(elements * 4, _WORD_PJ[0][0])
    (low, low_pj), (high, high_pj) = _WORD_PJ[:2] if size <= _WORD_PJ[1][0] else _WORD_PJ[1:]
    return low_pj + (size - low) / (high - low) * (high_pj - low_pj)


def _lemaire(rows: list[Row], steps: int, samples: int) -> float:
    add, mul, total = 0.1, 3.1, 0.0
    for row in rows:
        if row.kind == "neuron":
            total += row.outputs * add + row.nonzeros * _word(row.outputs / steps / samples)
        if row.kind not in SYNAPTIC:
            continue
        inputs, sums = row.elements / steps / samples, row.outputs / steps / samples
        weight = _word(row.weights or row.partner_elements / steps / samples)
        total += row.macs * (mul + add + _word(inputs) + weight) + row.acs * (2 * add + weight + 2 * _word(sums))
        if row.macs == 0.0:
            total += row.nonzeros * (_word(inputs) + (2 * (mul + add) if row.kind == "conv" else 0.0))
    return total / samples * MJ


CONVENTIONS = (
    Convention(
        "spikeformers",
        "this report: what each operand really is; integer spikes count by value, or as MAC where that is cheaper; borders exact; neurons, pools and "
        "residual sums charged; arithmetic only, fp32 at 45 nm",
        _ours,
    ),
    Convention(
        "paper",
        "Spikformer and most papers: the first layer is one dense MAC pass; every other product is AC × share of "
        "non-zero inputs × dense operations, whatever the inputs are; neurons, norms, residuals and memory cost nothing",
        two_constants(_paper),
    ),
    Convention(
        "paper, first layer T times",
        "as `paper`, but the first layer is charged for every step (no caching of its constant input), as in the energies that "
        "Spikformer and Spikingformer print",
        two_constants(_paper_first_steps),
    ),
    Convention(
        "paper, mean count",
        "as `paper`, but an input counts by its value: an integer spike of 3 is three accumulates",
        two_constants(_paper_mean_count),
    ),
    Convention(
        "neurobench",
        "only weighted layers (attention products are invisible to it); non-zero inputs × fan-out; AC if all inputs "
        "are in {-1, 0, 1}, else MAC",
        two_constants(_neurobench),
    ),
    Convention(
        "strict binary",
        "AC only where every input is 0 or 1, and else a dense MAC pass at every step; so residual sums (integers) "
        "are charged like real numbers (the rule of SpikingJelly's MAC and AC counters)",
        two_constants(_strict),
    ),
    Convention(
        "dense, one step",
        "what the same layers cost as an ordinary fp32 network: every product a MAC, one step",
        two_constants(_dense),
    ),
    Convention(
        "step",
        "STEP's constants on our counts: arithmetic, and 3.12 pJ for each bit of weights (once), spikes, and fp32 "
        "membranes read and written at every step; STEP's own traffic formula is not public",
        _step,
    ),
    Convention(
        "weight fetched at every use",
        "`strict binary`, and 24.96 pJ per byte for one fp32 weight at every operation and the membranes at every "
        "step: no weight is ever kept (like the default of SpikingJelly's simple estimator)",
        _every_use,
    ),
    Convention(
        "lemaire",
        "Lemaire et al. 2022, our reading: 32-bit integers (0.1 pJ add, 3.1 pJ multiply); every accumulate fetches its "
        "weight and reads and writes a potential, from SRAMs as large as each layer needs (10, 20, 100 pJ per word at "
        "8 kB, 32 kB, 1 MB, on straight lines); address arithmetic of every spike; batch norm folded",
        _lemaire,
    ),
)


def compare(rows: list[Row], steps: int, samples: int) -> list[dict[str, str | float]]:
    """Every convention on the same rows: name, millijoules per sample, assumption."""
    return [{"name": c.name, "mj": c.total(rows, steps, samples), "assumption": c.assumption} for c in CONVENTIONS]
