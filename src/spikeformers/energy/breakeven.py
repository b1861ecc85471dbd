"""How rarely neurons must fire for a spiking network to need less energy than its ANN twin."""

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from spikeformers.core.errors import ConfigError, did_you_mean
from spikeformers.energy.hardware import PriceTable
from spikeformers.energy.meter import Meter
from spikeformers.energy.rows import SYNAPTIC, Row
from spikeformers.energy.variants import Variant, analog, spiking

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def at_rate(meter: Meter, steps: int, rate: float) -> Meter:
    """What the meter would have shown for T steps and a mean of `rate` unit spikes per input of every layer.

    Spike-driven rows are rescaled; analog layers are charged once if they were, else T times.
    """
    ratio = steps / meter.steps
    return replace(
        meter,
        passes=[
            replace(one, steps=steps, rows={key: _rescaled(row, ratio, steps, rate) for key, row in one.rows.items()})
            for one in meter.passes
        ],
    )


def _rescaled(row: Row, ratio: float, steps: int, rate: float) -> Row:
    scaled = replace(
        row,
        dense_macs=row.dense_macs * ratio,
        elements=row.elements * ratio,
        partner_elements=row.partner_elements * ratio,
        outputs=row.outputs * ratio,
        primitives={name: value * ratio for name, value in row.primitives.items()},
        step_acs=[],
    )
    if row.kind in SYNAPTIC and row.operand == "analog":
        scaled.repeats = steps if row.repeats > 1 else 1
        scaled.macs = row.macs if row.repeats > 1 else row.macs * ratio
    else:
        scaled.acs = scaled.dense_macs * rate
        scaled.units = scaled.nonzeros = scaled.elements * rate
        scaled.ands = 0.0
    return scaled


def break_even(
    meter: Meter, twin: Meter, table: PriceTable, *, steps: Iterable[int] = (1, 2, 4, 6, 8, 12, 16)
) -> list[dict[str, Any]]:
    """The mean rate at which spiking and analog network need the same, for every T, memory level and pair of formats.

    Energy is a straight line in the rate, so two points give the crossing. Rates are unit spikes per layer input and
    step; every layer is taken to fire at the same rate.

    Returns:
        Rows {"snn", "ann", "steps", "level", "rate"}; level None is arithmetic alone; rate 0 means that the spiking
        network needs more even if it never fires, and a rate above 1 that it needs less even if it always fires.
    """
    found: list[dict[str, Any]] = []
    levels: list[tuple[str | None, float]] = [(None, 0.0), *table.levels.items()]
    for t in steps:
        silent, busy = spiking(at_rate(meter, t, 0.0), table), spiking(at_rate(meter, t, 1.0), table)
        rivals = analog(twin, table, t)
        pairs = [(silent[0], busy[0], rivals[0])]
        pairs += [(low, high, ann) for low, high in zip(silent[1:], busy[1:], strict=True) for ann in rivals[1:]]
        for low, high, ann in pairs:
            for level, pj in levels:
                found.append(
                    {
                        "snn": low.name,
                        "ann": ann.name,
                        "steps": t,
                        "level": level,
                        "rate": _crossing(low, high, ann, pj),
                    }
                )
    return found


def figure(rows: list[dict[str, Any]], *, snn: str = "SNN w8", ann: str = "ANN int8") -> "Figure":
    """The rate that breaks even against T, one line for each memory level.

    Args:
        rows: what `break_even` returned.
        snn, ann: which pair to show.

    Raises:
        ConfigError: the rows do not hold this pair.
    """
    from matplotlib.figure import Figure

    shown = [row for row in rows if (row["snn"], row["ann"]) == (snn, ann)]
    if not shown:
        pairs = sorted({f"{row['snn']} / {row['ann']}" for row in rows})
        raise ConfigError(f"no break-even rates of {snn} / {ann}" + did_you_mean(f"{snn} / {ann}", pairs))
    drawn = Figure(figsize=(6, 4), layout="constrained")
    axes = drawn.add_subplot()
    for level in dict.fromkeys(row["level"] for row in shown):
        line = [(row["steps"], row["rate"]) for row in shown if row["level"] == level]
        axes.plot(*zip(*line, strict=True), marker="o", label=level or "arithmetic only")
    axes.set(xlabel="steps T", ylabel="mean rate that breaks even", title=f"{snn} needs less than {ann} below the line")
    axes.set_ylim(bottom=0)
    axes.legend()
    return drawn


def _crossing(silent: Variant, busy: Variant, ann: Variant, pj: float) -> float:
    low, high, goal = (v.op_mj + v.memory_mj(pj) for v in (silent, busy, ann))
    if high > low:
        return max((goal - low) / (high - low), 0.0)
    return float("inf") if goal > low else 0.0
