"""`spikeformers energy`: what one sample costs, next to the same network with ReLU."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikeformers.cli.output import print_json, print_table
from spikeformers.cli.parsing import Parser, UsageError, add_plugin_option
from spikeformers.core.errors import did_you_mean

if TYPE_CHECKING:
    from spikeformers.bench.measure import Measurement, Portions

HELP = """Count the operations of a model and of its ANN twin on the same batches, and price them.

A model by name is measured with fresh weights on synthetic inputs; a recipe with fresh weights on its real data;
a run with its trained weights on its real data. What was used is printed with the numbers.

examples:
  spikeformers energy runs/spikformer_digits-1             a trained model
  spikeformers energy spikformer_4_384                     a model, layer by layer
  spikeformers energy spikformer_4_384 --rate 0.1 --json   spikes of rate 0.1 as input; for programs"""


def run(args: list[str]) -> int:
    """Measure and print the table."""
    parser = Parser("energy", HELP)
    parser.add_argument("what", metavar="NAME_OR_RUN", help="a model, a recipe, a run folder or a checkpoint of a run")
    parser.add_argument(
        "--rate", type=float, help="for a model by name: input spikes of this rate instead of real values"
    )
    parser.add_argument("--batches", type=int, default=3, help="how many batches (default 3)")
    parser.add_argument("--batch-size", type=int, default=2, help="samples of a batch (default 2)")
    parser.add_argument("--prices", default="horowitz_45nm", help="price table, by name or as a YAML file")
    parser.add_argument("--json", action="store_true", help="print an object")
    add_plugin_option(parser)
    options = parser.parse(args)
    if options is None:
        return 0

    from spikeformers.bench.measure import Portions

    portions = Portions(batches=options.batches, size=options.batch_size, prices=options.prices)
    measured = _measure(options.what, portions, options.rate)
    if options.json:
        print_json(measured.to_dict())
    else:
        _print(measured.to_dict())
    return 0


def _measure(what: str, portions: "Portions", rate: float | None) -> "Measurement":
    from spikeformers.bench.measure import measure_model, measure_recipe, measure_run
    from spikeformers.models.base import MODELS
    from spikeformers.recipes import RECIPES

    if what in MODELS:
        return measure_model(what, portions, rate)
    if rate is not None:
        raise UsageError("--rate is for models by name; a recipe or a run brings its own data")
    if what in RECIPES:
        return measure_recipe(RECIPES.config(what), portions)
    if Path(what).exists() or os.sep in what:
        return measure_run(what, portions)
    raise UsageError(f"{what!r} is no model, recipe or run" + did_you_mean(what, [*MODELS.names(), *RECIPES.names()]))


def _print(measured: dict[str, Any]) -> None:
    from spikeformers.bench import numbers

    print(
        f"{measured['name']}  T={measured['steps']}\n  weights: {measured['weights']}\n  inputs:  {measured['inputs']}\n"
    )
    rows = [
        (
            row["path"],
            row["kind"],
            row["input"] if row["dense_macs"] else "",
            numbers.count(row["macs"]) if row["macs"] else "",
            numbers.count(row["acs"]) if row["acs"] else "",
            numbers.percent(row["rate"]) if row["dense_macs"] and row["spike_driven"] else "",
            numbers.energy(row["snn_mj"]),
            numbers.energy(row["ann_mj"]),
        )
        for row in measured["layers"]
        if row["snn_mj"] or row["ann_mj"] or row["dense_macs"]
    ]
    whole = ("all", "", "", *_totals(measured["layers"]), numbers.percent(measured["firing_rate"]))
    rows.append((*whole, numbers.energy(measured["snn_mj"]), numbers.energy(measured["ann_mj"])))
    columns = ("layer", "kind", "input", "MAC", "AC", "rate", "spiking", "ANN twin")
    print_table(columns, rows, title="Energy per sample", right=columns[3:])
    print()
    conventions = [(c["name"], numbers.energy(c["mj"]), c["assumption"]) for c in measured["conventions"]]
    print_table(
        ("convention", "energy", "assumes"), conventions, title="The same spikes, counted otherwise", right=("energy",)
    )
    for title, lines in (("read this first", measured["flags"]), ("what is counted", measured["assumptions"])):
        if lines:
            print("\n".join([f"\n{title}:", *(f"  - {line}" for line in lines)]))


def _totals(layers: list[dict[str, Any]]) -> tuple[str, str]:
    from spikeformers.bench import numbers

    return numbers.count(sum(row["macs"] for row in layers)), numbers.count(sum(row["acs"] for row in layers))
