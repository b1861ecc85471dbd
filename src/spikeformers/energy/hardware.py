"""What an operation and a bit moved cost, in picojoules, each table with its source. No counts here."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from spikeformers.core.errors import ConfigError, did_you_mean

PRIMITIVES = ("mac", "ac", "and", "add", "mul", "compare", "select", "shift", "special")
"""What a table may price."""


@dataclass(frozen=True)
class PriceTable:
    """Prices of one technology or chip.

    Attributes:
        name: how it is chosen.
        source: where the numbers are from.
        formats: number format → primitive → pJ; `fp32` is used for arithmetic unless a report says otherwise.
        levels: memory level → pJ per bit, near to far.
        notes: what was assumed where the source is silent.
        partial: whether operations without a price may be left out; else they are an error.
    """

    name: str
    source: str
    formats: Mapping[str, Mapping[str, float]]
    levels: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    partial: bool = False

    def price(self, primitive: str, number: str = "fp32") -> float | None:
        """pJ of one operation, or None if the table has no price for it.

        Raises:
            ConfigError: the table does not know the number format.
        """
        if number not in self.formats:
            raise ConfigError(
                f"price table {self.name!r} has no number format {number!r}" + did_you_mean(number, self.formats)
            )
        return self.formats[number].get(primitive)

    @classmethod
    def from_yaml(cls, path: str | Path) -> "PriceTable":
        """Read a user's table: the keys `name`, `source`, `formats`, and optionally `levels`, `notes` and `partial`.

        Raises:
            ConfigError: the file cannot be read, a key is unknown or missing, a price is no number ≥ 0.
        """
        path = Path(path)
        try:
            data = yaml.safe_load(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"cannot read the price table {path}: {error.strerror}") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
        return _checked(data, str(path))


def _checked(data: Any, where: str) -> PriceTable:
    known = ("name", "source", "formats", "levels", "notes", "partial")
    if not isinstance(data, dict):
        raise ConfigError(f"{where} holds {type(data).__name__}, not a mapping with the keys {', '.join(known)}")
    for key in data:
        if key not in known:
            raise ConfigError(f"{where}: unknown key {key!r}" + did_you_mean(str(key), known))
    for key in ("name", "source", "formats"):
        if not data.get(key):
            raise ConfigError(f"{where}: {key!r} is missing; a price without a {key} cannot be reported")
    for number, prices in _mapping(data["formats"], f"{where}: formats").items():
        for primitive, value in _mapping(prices, f"{where}: formats.{number}").items():
            if primitive not in PRIMITIVES:
                raise ConfigError(
                    f"{where}: unknown primitive {primitive!r}" + did_you_mean(str(primitive), PRIMITIVES)
                )
            _price(value, f"{where}: formats.{number}.{primitive}")
    for level, value in _mapping(data.get("levels") or {}, f"{where}: levels").items():
        _price(value, f"{where}: levels.{level}")
    notes, partial = data.get("notes") or [], data.get("partial", False)
    if not isinstance(notes, list):
        raise ConfigError(f"{where}: notes must be a list of sentences, not {notes!r}")
    if not isinstance(partial, bool):
        raise ConfigError(f"{where}: partial must be true or false, not {partial!r}")
    return PriceTable(
        str(data["name"]),
        str(data["source"]),
        data["formats"],
        data.get("levels") or {},
        tuple(map(str, notes)),
        partial,
    )


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where} must be a mapping, not {value!r}")
    return value


def _price(value: Any, where: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise ConfigError(f"{where} must be a number of picojoules, 0 or more; got {value!r}")


def _arithmetic(add: float, mul: float, byte_add: float, *, accumulate: float | None = None) -> dict[str, float]:
    """Prices of one number format from its adder and multiplier, and the 8-bit adder of the same technology."""
    accumulate = add if accumulate is None else accumulate
    return {
        "add": add,
        "mul": mul,
        "ac": accumulate,
        "mac": mul + accumulate,
        "compare": add,
        "select": byte_add,
        "shift": byte_add,
        "special": 5 * (mul + add),
        "and": byte_add / 8,
    }


_DERIVED = (
    "compare is priced as an addition",
    "select (a gate by a spike) and shift (an exponent change) as an 8-bit addition",
    "and (one bit) as an eighth of an 8-bit addition",
    "special functions (exp, sigmoid, division) as five multiply-adds",
)

HOROWITZ_45NM = PriceTable(
    name="horowitz_45nm",
    source="Horowitz, Computing's energy problem, ISSCC 2014 (45 nm, 0.9 V)",
    formats={
        "fp32": _arithmetic(0.9, 3.7, 0.03),
        "fp16": _arithmetic(0.4, 1.1, 0.03),
        "int32": _arithmetic(0.1, 3.1, 0.03),
        "int8": _arithmetic(0.03, 0.2, 0.03),
        "int8_acc32": _arithmetic(0.03, 0.2, 0.03, accumulate=0.1),
    },
    levels={"sram_8kb": 10 / 64, "sram_32kb": 20 / 64, "sram_1mb": 100 / 64, "dram": 1300 / 64},
    notes=_DERIVED,
)

STEP = PriceTable(
    name="step",
    source="constants of STEP (OpenReview SzwU2XrXIS): 4.6 pJ MAC, 0.9 pJ AC, 3.12 pJ per bit moved",
    formats=HOROWITZ_45NM.formats,
    levels={"step": 3.12},
    notes=(*_DERIVED, "one memory price for every level"),
)

JOUPPI_7NM = PriceTable(
    name="jouppi_7nm",
    source="Jouppi et al., Ten lessons from three generations shaped Google's TPUv4i, ISCA 2021, table 2 (7 nm); "
    "the 8-bit entries as others quote them from it, the rest recalled, not re-read",
    formats={
        "fp32": _arithmetic(0.38, 1.31, 0.007),
        "fp16": _arithmetic(0.16, 0.34, 0.007),
        "bf16": _arithmetic(0.11, 0.21, 0.007),
        "int32": _arithmetic(0.03, 1.48, 0.007),
        "int8": _arithmetic(0.007, 0.07, 0.007),
        "int8_acc32": _arithmetic(0.007, 0.07, 0.007, accumulate=0.03),
    },
    levels={"sram_8kb": 7.5 / 64, "sram_32kb": 8.5 / 64, "sram_1mb": 14 / 64, "hbm2": 350 / 64, "dram": 1300 / 64},
    notes=(*_DERIVED, "HBM2 at the middle of the published 250 to 450 pJ per 64 bits"),
)


def _between(name: str, share: float) -> PriceTable:
    """A table on the geometric line between 45 nm (share 0) and 7 nm (share 1), for the entries both have."""

    def mix(a: Mapping[str, float], b: Mapping[str, float]) -> dict[str, float]:
        return {key: a[key] ** (1 - share) * b[key] ** share for key in a if key in b}

    old, new = HOROWITZ_45NM, JOUPPI_7NM
    return PriceTable(
        name=name,
        source="interpolated: geometric mean of horowitz_45nm and jouppi_7nm by log node size; no measured source",
        formats={number: mix(old.formats[number], new.formats[number]) for number in old.formats},
        levels=mix(old.levels, new.levels),
        notes=(*_DERIVED, "an estimate between two published nodes"),
    )


INTERPOLATED_28NM = _between("interpolated_28nm", math.log(45 / 28) / math.log(45 / 7))


def _per_synaptic_operation(name: str, pj: float, source: str) -> PriceTable:
    """A chip of which only the energy of a synaptic operation is published; memory and neurons are in that figure."""
    included = dict.fromkeys(("add", "compare", "select", "shift", "mul", "and"), 0.0)
    return PriceTable(
        name=name,
        source=source,
        formats={"fp32": {"ac": pj, **included}},
        notes=(
            "one published figure for each synaptic operation; neuron updates and memory are taken to be in it",
            "operations that the chip does not have (analog multiply-accumulates) have no price and are left out",
        ),
        partial=True,
    )


_SENECA = "as collected in Tang et al., SENECA, Frontiers in Neuroscience 2023, table 3"

CHIPS = (
    _per_synaptic_operation(
        "loihi",
        23.6,
        f"Loihi: 23.6 pJ per synaptic operation, simulated before the chip was made; Davies et al., IEEE Micro 2018, {_SENECA}",
    ),
    _per_synaptic_operation(
        "truenorth", 2.5, f"TrueNorth: 2.5 pJ per synaptic operation; Akopyan et al., TCAD 2015, {_SENECA}"
    ),
    _per_synaptic_operation(
        "truenorth_2014",
        26.0,
        "TrueNorth: 26 pJ per synaptic event; Merolla et al., Science 2014, as others quote it: the power of the whole chip at "
        "20 Hz and 128 active synapses per neuron, divided by its events",
    ),
    _per_synaptic_operation(
        "spinnaker", 45.0, f"SpiNNaker: 45 pJ per synaptic operation; Stromatias et al., 2013, {_SENECA}"
    ),
    _per_synaptic_operation(
        "spinnaker2", 10.0, f"SpiNNaker2: 10 pJ per synaptic operation; Höppner et al., 2021, {_SENECA}"
    ),
    _per_synaptic_operation("seneca", 2.8, f"SENECA: 2.8 pJ per synaptic operation; {_SENECA}"),
    _per_synaptic_operation(
        "tianjic", 1.54, f"Tianjic: 1.54 pJ per synaptic operation; Deng et al., JSSC 2020, {_SENECA}"
    ),
    _per_synaptic_operation("odin", 12.7, f"ODIN: 12.7 pJ per synaptic operation; Frenkel et al., 2018, {_SENECA}"),
)
"""Chips by their published figure. Loihi 2 and Speck are left out: no figure per synaptic operation is published."""

TABLES: dict[str, PriceTable] = {
    table.name: table for table in (HOROWITZ_45NM, STEP, INTERPOLATED_28NM, JOUPPI_7NM, *CHIPS)
}
"""The tables that are shipped, by name."""


def prices(name: str | Path | PriceTable) -> PriceTable:
    """A shipped table by name, or a user's by the path of its YAML file.

    Raises:
        ConfigError: there is no such table or file.
    """
    if isinstance(name, PriceTable):
        return name
    if str(name) in TABLES:
        return TABLES[str(name)]
    if str(name).endswith((".yaml", ".yml")):
        return PriceTable.from_yaml(name)
    raise ConfigError(f"no price table is called {str(name)!r}" + did_you_mean(str(name), TABLES))
