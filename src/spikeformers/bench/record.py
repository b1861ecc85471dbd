"""A finished run, read back from its folder."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from spikeformers.bench.goals import CLASSIFICATION, goal_of
from spikeformers.core.errors import SpikeformersError


class RunError(SpikeformersError, ValueError):
    """A run folder lacks a file, or one of its files is broken."""


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """What the files of a run folder say; nothing else is needed to report on the run.

    Attributes:
        folder: where it was read.
        config: plain form of the resolved configuration.
        config_text: the same as the YAML text of the file.
        metrics: one mapping per logged point: step, epoch, split and its values.
        machine: machine and versions.
        energy: the plain form of an energy assessment.
        analysis: firing rates, raster, and what the task has to show: confusion matrix, class names, pictures.
        results: the flat mapping of final numbers.
    """

    folder: Path
    config: dict[str, Any]
    config_text: str
    metrics: list[dict[str, Any]]
    machine: dict[str, Any]
    energy: dict[str, Any]
    analysis: dict[str, Any]
    results: dict[str, Any]


_NEEDED = {
    "energy.json": ("snn_mj", "ann_mj", "layers", "conventions"),
    "analysis.json": ("firing_rates", "raster"),
    "results.json": (
        "firing_rate",
        "params",
        "energy/snn_mj",
        "energy/ann_mj",
        "seconds",
    ),
    "machine.json": (),
}


def read_run(folder: Path) -> RunRecord:
    """Read every file of a run folder that a report needs.

    Raises:
        RunError: the folder or a file is missing, or a file is not what it should be.
    """
    if not folder.is_dir():
        raise RunError(
            f"there is no run folder {folder}; `spikeformers train` prints the folder of a run on its last line"
        )
    if not (folder / "config.yaml").exists():
        raise RunError(f"{folder} is not the folder of a run: it has no config.yaml")
    text = _text(folder / "config.yaml")
    try:
        config = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RunError(f"{folder / 'config.yaml'} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(config, dict):
        raise RunError(f"{folder / 'config.yaml'} holds no mapping of fields to values")
    tables = {name.removesuffix(".json"): _mapping(folder / name, keys) for name, keys in _NEEDED.items()}
    goal = goal_of(tables["results"])
    _refuse_missing(folder / "results.json", tables["results"], (f"test/{goal}", f"val/{goal}"))
    if goal == CLASSIFICATION:
        _refuse_missing(folder / "analysis.json", tables["analysis"], ("confusion", "classes"))
    return RunRecord(folder=folder, config=config, config_text=text, metrics=_lines(folder / "metrics.jsonl"), **tables)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RunError(
            f"the run folder {path.parent} has no {path.name}; the run did not finish: "
            f"go on with `spikeformers train {path.parent} --resume`"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"cannot read {path}: {error}") from None


def _json(path: Path, text: str, line: int | None = None) -> dict[str, Any]:
    where = f"{path}, line {line}" if line else f"{path}"
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise RunError(
            f"{where} is not valid JSON ({error.msg} at character {error.pos}); restore it or run again"
        ) from None
    if not isinstance(value, dict):
        raise RunError(f"{where} holds {type(value).__name__}, not a JSON object; restore it or run again")
    return value


def _mapping(path: Path, keys: tuple[str, ...]) -> dict[str, Any]:
    value = _json(path, _text(path))
    _refuse_missing(path, value, keys)
    return value


def _refuse_missing(path: Path, value: Mapping[str, Any], keys: Sequence[str]) -> None:
    missing = [key for key in keys if key not in value]
    if missing:
        raise RunError(f"{path} lacks {', '.join(map(repr, missing))}; restore it or run again")


def _lines(path: Path) -> list[dict[str, Any]]:
    lines = enumerate(_text(path).splitlines(), start=1)
    return [_json(path, line, number) for number, line in lines if line.strip()]
