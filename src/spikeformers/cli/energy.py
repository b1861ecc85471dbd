"""`spikeformers energy`: what one sample costs, next to the same network with ReLU."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikeformers.cli.output import print_json, print_table
from spikeformers.cli.parsing import Parser, UsageError, add_plugin_option
from spikeformers.core.errors import did_you_mean

if TYPE_CHECKING:
    from spikeformers.bench.energy_tables import Table
    from spikeformers.bench.measure import Measurement, Portions

HELP = """Count the operations of a model and of its ANN twin on the same batches, and price them.

A model by name is measured with fresh weights, or those of a file, on synthetic inputs; a recipe with fresh weights on
its real data; a run with its trained weights on its real data. What was used is printed with the numbers: operations by
layer, the same spikes under every convention in use, memory at several levels, quantized twins, and what decides.

examples:
  spikeformers energy runs/spikformer_digits-1             a trained model
  spikeformers energy spikformer_4_384                     a model, layer by layer
  spikeformers energy spikformer_4_384 --rate 0.1 --json   spikes of rate 0.1 as input; for programs
  spikeformers energy spikformer_4_384 --weights best.pth  a checkpoint of this model, ours or official
  spikeformers energy spikformer_tiny --prices mine.yaml   your own prices: name, source, formats.fp32.{mac, ac, …}, levels
  spikeformers energy spikformer_8_768 --published         energies printed in papers against this network's operations"""


def run(args: list[str]) -> int:
    """Measure and print the tables."""
    parser = Parser("energy", HELP)
    parser.add_argument(
        "what", metavar="NAME_OR_RUN", nargs="?", help="a model, a recipe, a run folder or a checkpoint of a run"
    )
    parser.add_argument(
        "--rate", type=float, help="for a model by name: input spikes of this rate instead of real values"
    )
    parser.add_argument("--weights", metavar="FILE", help="for a model by name: a checkpoint, ours or official")
    parser.add_argument("--batches", type=int, default=3, help="how many batches (default 3)")
    parser.add_argument("--batch-size", type=int, default=2, help="samples of a batch (default 2)")
    parser.add_argument("--prices", default="horowitz_45nm", help="price table, by name or as a YAML file")
    parser.add_argument(
        "--measure", action="store_true", help="run without counting too: time, memory, joules where they can be read"
    )
    parser.add_argument(
        "--published", action="store_true", help="energies printed in papers (all without a NAME); --rate as mean rate"
    )
    parser.add_argument("--json", action="store_true", help="print an object")
    add_plugin_option(parser)
    options = parser.parse(args)
    if options is None:
        return 0
    if options.published:
        return _published(options.what, options.rate, options.json)
    if options.what is None:
        raise UsageError("say first what to measure: a model, a recipe or a run (see `spikeformers energy --help`)")

    from spikeformers.bench.measure import Portions

    portions = Portions(batches=options.batches, size=options.batch_size, prices=options.prices, timed=options.measure)
    measured = _measure(options.what, portions, options.rate, options.weights).to_dict()
    if options.json:
        print_json(measured)
    else:
        _print(measured)
    return 0


def _measure(what: str, portions: "Portions", rate: float | None, weights: str | None) -> "Measurement":
    from spikeformers.bench.measure import measure_model, measure_recipe, measure_run
    from spikeformers.models.base import MODELS
    from spikeformers.recipes import RECIPES

    if what in MODELS:
        return measure_model(what, portions, rate, weights)
    for flag, given in (("--rate", rate), ("--weights", weights)):
        if given is not None:
            raise UsageError(f"{flag} is for models by name; a recipe or a run brings its own data and weights")
    if what in RECIPES:
        return measure_recipe(RECIPES.config(what), portions)
    if Path(what).exists() or os.sep in what:
        return measure_run(what, portions)
    raise UsageError(f"{what!r} is no model, recipe or run" + did_you_mean(what, [*MODELS.names(), *RECIPES.names()]))


def _published(model: str | None, rate: float | None, as_json: bool) -> int:
    from spikeformers.bench.published import check, table

    found = check(model, rate)
    if as_json:
        print_json(found)
        return 0
    _show(table(found))
    if any(row["note"] for row in found["rows"]):
        print("(!) " + next(row["note"] for row in found["rows"] if row["note"]))
    for line in found["explanations"]:
        print(f"\n{line}")
    return 0


def _show(table: "Table") -> None:
    print(table.title)
    print_table(table.columns, table.rows, right=table.right)


def _print(measured: dict[str, Any]) -> None:
    from spikeformers.bench.energy_tables import machine_lines, tables

    print(
        f"{measured['name']}  T={measured['steps']}\n  weights: {measured['weights']}\n  inputs:  {measured['inputs']}"
    )
    for table in tables(measured):
        print()
        _show(table)
    titled = (
        ("measured on this machine, which gains nothing from zeros", machine_lines(measured)),
        ("read this first", measured["flags"]),
        ("verdict", measured["verdict"]),
        ("what is counted", measured["assumptions"]),
    )
    for title, lines in titled:
        if lines:
            print("\n".join([f"\n{title}:", *(f"  - {line}" for line in lines)]))
