"""`spikeformers quantize`: a trained run and its ANN twin in few bits, with accuracy and energy."""

import sys

from spikeformers.cli.output import print_json, print_table
from spikeformers.cli.parsing import Parser, add_plugin_option

HELP = """Round the weights of a trained spiking network, and weights and activations of its trained ANN twin; measure both.

Accuracy is that of the run's test split, energy that of its validation samples. The twin (the same recipe with ReLU, one
step) is trained once, inside the run's folder, and so is one with few bits from the first step on. Everything is
written to quantized.json there.

examples:
  spikeformers quantize runs/spikformer_digits-1             8 and 4 bits; of the twin what was trained before
  spikeformers quantize runs/spikformer_digits-1 --train     train the twins that are missing
  spikeformers quantize runs/spikformer_digits-1 --bits 6    other widths"""


def run(args: list[str]) -> int:
    """Quantize, measure, and print the table."""
    parser = Parser("quantize", HELP)
    parser.add_argument("run", metavar="RUN", help="folder of a finished run")
    parser.add_argument("--bits", type=int, nargs="+", default=[8, 4], help="widths to try (default 8 4)")
    parser.add_argument("--train", action="store_true", help="train the twins that are not there yet")
    parser.add_argument("--batches", type=int, default=4, help="batches that energy is counted on (default 4)")
    parser.add_argument("--batch-size", type=int, default=16, help="samples of such a batch (default 16)")
    parser.add_argument("--prices", default="horowitz_45nm", help="price table, by name or as a YAML file")
    parser.add_argument("--json", action="store_true", help="print an object")
    add_plugin_option(parser)
    options = parser.parse(args)
    if options is None:
        return 0

    from spikeformers.bench.measure import Portions
    from spikeformers.bench.quantized import quantized, table
    from spikeformers.cli.progress import display

    portions = Portions(batches=options.batches, size=options.batch_size, prices=options.prices)
    with display() as show:
        found = quantized(options.run, bits=options.bits, training=options.train, portions=portions, on_event=show)
    if options.json:
        print_json(found)
        return 0
    shown = table(found)
    print(shown.title)
    print_table(shown.columns, shown.rows, right=shown.right)
    if not any(row["network"] == "ANN twin" for row in found["rows"]):
        print("the ANN twin was never trained: add --train to train it, and to train it with few bits", file=sys.stderr)
    return 0
