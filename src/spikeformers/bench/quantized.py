"""A trained run and its ANN twin in few bits: accuracy on the same test split, and energy on the same samples."""

import copy
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from spikeformers.bench import numbers
from spikeformers.bench.energy_tables import ARITHMETIC, Table
from spikeformers.bench.goals import CLASSIFICATION
from spikeformers.bench.measure import Portions, encoded
from spikeformers.conversion import QuantizeConfig, quantize
from spikeformers.core.errors import ConfigError
from spikeformers.energy import PriceTable, assess, prices
from spikeformers.energy.variants import Variant, analog, analog_at, spiking, spiking_at
from spikeformers.engine.config import RunConfig
from spikeformers.engine.files import write_json
from spikeformers.engine.keeper import Event
from spikeformers.engine.run import evaluate_task, load_task, train
from spikeformers.tasks.base import Task

FILE = "quantized.json"
"""What the result is called in a run's folder."""
_WIDEST = 8
"""Price tables know 8-bit adders and multipliers; fewer bits are scaled from them."""

_OWN = "spikes of the network with rounded weights"

OnEvent = Callable[[Event], None]


def quantized(
    folder: str | Path,
    *,
    bits: Sequence[int] = (8, 4),
    training: bool = False,
    portions: Portions | None = None,
    on_event: OnEvent | None = None,
) -> dict[str, Any]:
    """Round a spiking run's weights and its twin's weights and activations, and train the twin with few bits.

    The twin is trained like the run: the same recipe with ReLU for neurons and one step, in the folder `twin` of the run;
    with few bits from its first step on, in `twin-w4a4`. Trainings that are there are not repeated. Steps of a rounded
    twin's activations are fitted to training samples. The first and the last layer keep 8 bits, but are priced like all
    others.

    Args:
        folder: of a finished run.
        bits: of weights, and of the twin's activations.
        training: train the twins that are not there; else their rows are left out.
        portions: what energy is counted on, and how it is priced.
        on_event: called with the progress of trainings.

    Returns:
        `rows` with accuracy, millijoules of arithmetic and with memory at every level; written to `quantized.json` too.

    Raises:
        ConfigError: the run is quantized itself or no spiking network, or bits are no whole numbers from 2 to 8.
        CheckpointError: there is no trained run.
    """
    folder, portions = Path(folder), portions or Portions(batches=4, size=16)
    for width in bits:
        if not 2 <= width <= _WIDEST:
            raise ConfigError(f"bits={width} must lie between 2 and {_WIDEST}")
    config, task = load_task(folder)
    if task.goal != CLASSIFICATION:
        raise ConfigError(f"{folder} is no classifier (its task is {config.task.family!r}); give the run of one")
    if config.quantize.on or not config.model.neuron.spiking:
        raise ConfigError(
            f"{folder} is a quantized or an analog network; give the run of a spiking one in full precision"
        )
    work = _Work(config, task, portions)
    rows = work.spiking(bits)
    if training or (folder / "twin" / "results.json").exists():
        rows += work.twins(folder, bits, training, on_event)
    found = {
        "name": config.name,
        "steps": work.steps,
        "samples": len(work.splits.test),
        "energy_samples": sum(batch.shape[-4] for batch in work.batches),
        "prices": work.table.name,
        "levels": dict(work.table.levels),
        "rows": rows,
    }
    write_json(folder / FILE, found)
    return found


class _Work:
    """The networks of one run."""

    def __init__(self, config: RunConfig, task: Task, portions: Portions) -> None:
        self.config, self.task, self.portions = config, task, portions
        self.table: PriceTable = prices(portions.prices)
        if not {"int8", "int32"} <= set(self.table.formats):
            raise ConfigError(
                f"price table {self.table.name!r} has no int8 and int32 formats, which few bits are priced by"
            )
        self.splits = config.data.build()
        self.batches = self._encoded(task, "val")
        self.steps = assess(task.model, None, self.batches[:1], prices=self.table).meter.steps

    def _encoded(self, task: Task, split: str) -> list[Tensor]:
        return encoded(task, getattr(self.splits, split), self.portions)

    def spiking(self, bits: Iterable[int]) -> list[dict[str, Any]]:
        """The trained spiking network, then with rounded weights."""
        rows = [self._spiking_row(self.task, None)]
        for width in bits:
            rounded = copy.deepcopy(self.task)
            quantize(rounded.model, QuantizeConfig(weights=width))
            rows.append(self._spiking_row(rounded, width))
        return rows

    def _spiking_row(self, task: Task, width: int | None) -> dict[str, Any]:
        meter = assess(task.model, None, self.batches, prices=self.table).meter
        variant = spiking(meter, self.table)[0] if width is None else spiking_at(meter, self.table, width, _OWN)
        return self._row("spiking", "" if width is None else "PTQ", task, variant, self.config, meter.firing_rate)

    def twins(
        self, folder: Path, bits: Iterable[int], training: bool, on_event: OnEvent | None
    ) -> list[dict[str, Any]]:
        """The twin in full precision, rounded, and trained with few bits."""
        config = self.config.but(model=self.config.model.twin())
        whole = self._trained(folder / "twin", config, training, on_event)
        assert whole is not None
        meter = assess(whole.model, None, self._encoded(whole, "val"), prices=self.table).meter
        rows = [self._row("ANN twin", "", whole, analog(meter, self.table, self.steps)[0], config)]
        calibration = self._encoded(whole, "train")
        for width in bits:
            variant = analog_at(meter, self.table, width, width)
            few = QuantizeConfig(weights=width, activations=width)
            rounded = copy.deepcopy(whole)
            quantize(rounded.model, few, calibration)
            rows.append(self._row("ANN twin", "PTQ", rounded, variant, config))
            place = folder / f"twin-w{width}a{width}"
            trained = self._trained(place, config.but(quantize=few), training, on_event)
            if trained is not None:
                rows.append(self._row("ANN twin", "QAT", trained, variant, config))
        return rows

    def _trained(self, place: Path, config: RunConfig, training: bool, on_event: OnEvent | None) -> Task | None:
        if not training and not (place / "results.json").exists():
            return None
        train(config, place, resume=True, on_event=on_event)
        return load_task(place)[1]

    def _row(
        self, network: str, method: str, task: Task, variant: Variant, config: RunConfig, rate: float | None = None
    ) -> dict[str, Any]:
        spikes = network == "spiking"
        return {
            "network": network,
            "method": method,
            "weights": variant.widths.weight_bits if method else None,
            "activations": variant.widths.activation_bits if method and not spikes else None,
            "test/accuracy": evaluate_task(config, task, self.splits)["test/accuracy"],
            "firing_rate": rate,
            **variant.to_dict(dict(self.table.levels)),
        }


def table(found: dict[str, Any]) -> Table:
    """What `quantized` returned, as text."""
    levels = list(found["levels"])
    columns = ("network", "bits", "how", "test accuracy", ARITHMETIC, *(f"+ {level}" for level in levels))
    rows = [
        (
            row["network"],
            bits_of(row),
            row["method"] or "trained",
            numbers.percent(row["test/accuracy"], 2),
            numbers.energy(row["op_mj"]),
            *(numbers.energy(row["total_mj"][level]) for level in levels),
        )
        for row in found["rows"]
    ]
    title = f"{found['name']}: accuracy on {found['samples']} test samples, energy per sample at {found['prices']}"
    return Table(title=title, columns=columns, rows=rows, right=columns[3:])


def bits_of(row: dict[str, Any]) -> str:
    """`fp32`, `w4` or `w4a4`."""
    if row["weights"] is None:
        return "fp32"
    return f"w{row['weights']}" + (f"a{row['activations']}" if row["activations"] is not None else "")
