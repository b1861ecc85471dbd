"""The same spikes under the counting rules in use, each with its assumption in words."""

from collections.abc import Callable
from dataclasses import dataclass

from spikeformers.energy.neurobench import synaptic_operations
from spikeformers.energy.rows import SYNAPTIC, Row

MAC_PJ = 4.6
AC_PJ = 0.9
"""The two constants of nearly all papers: fp32 at 45 nm (Horowitz, ISSCC 2014)."""


@dataclass(frozen=True)
class Convention:
    """A counting rule: name, what it assumes, and operations of a row as (MAC, AC)."""

    name: str
    assumption: str
    count: Callable[[Row, int], tuple[float, float]]

    def mj(self, rows: list[Row], steps: int, samples: int) -> float:
        """Millijoules per sample at 4.6 and 0.9 pJ."""
        pairs = [self.count(row, steps) for row in rows if row.kind in SYNAPTIC]
        return sum(mac * MAC_PJ + ac * AC_PJ for mac, ac in pairs) / samples * 1e-9


def _paper(row: Row, steps: int) -> tuple[float, float]:
    if row.first:
        return row.dense_macs / steps, 0.0
    return 0.0, row.dense_macs * row.active


def _paper_first_steps(row: Row, steps: int) -> tuple[float, float]:
    return (row.dense_macs, 0.0) if row.first else _paper(row, steps)


def _paper_mean_count(row: Row, steps: int) -> tuple[float, float]:
    return _paper(row, steps) if row.first else (0.0, row.dense_macs * (row.rate or 0.0))


def _neurobench(row: Row, steps: int) -> tuple[float, float]:
    return synaptic_operations(row)


def _strict(row: Row, steps: int) -> tuple[float, float]:
    return (0.0, row.acs) if row.operand == "binary" else (row.dense_macs, 0.0)


def _dense(row: Row, steps: int) -> tuple[float, float]:
    return row.dense_macs / steps, 0.0


CONVENTIONS = (
    Convention(
        "paper",
        "Spikformer and most papers: the first layer is one dense MAC pass; every other product is AC × share of "
        "non-zero inputs × dense operations, whatever the inputs are; neurons, norms, residuals and memory cost nothing",
        _paper,
    ),
    Convention(
        "paper, first layer T times",
        "as `paper`, but the first layer is charged for every step (no caching of its constant input)",
        _paper_first_steps,
    ),
    Convention(
        "paper, mean count",
        "as `paper`, but an input counts by its value: an integer spike of 3 is three accumulates",
        _paper_mean_count,
    ),
    Convention(
        "neurobench",
        "only weighted layers (attention products are invisible to it); non-zero inputs × fan-out; AC if all inputs "
        "are in {-1, 0, 1}, else MAC",
        _neurobench,
    ),
    Convention(
        "strict binary",
        "AC only where every input is 0 or 1, and else a dense MAC pass at every step; so residual sums (integers) "
        "are charged like real numbers (the rule of SpikingJelly's MAC and AC counters)",
        _strict,
    ),
    Convention(
        "dense, one step",
        "what the same layers cost as an ordinary fp32 network: every product a MAC, one step",
        _dense,
    ),
)


def compare(rows: list[Row], steps: int, samples: int) -> list[dict[str, str | float]]:
    """Every convention on the same rows: name, millijoules per sample, assumption."""
    return [{"name": c.name, "mj": c.mj(rows, steps, samples), "assumption": c.assumption} for c in CONVENTIONS]
