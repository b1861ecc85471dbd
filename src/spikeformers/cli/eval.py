"""`spikeformers eval`: a trained model on data that it was not trained on."""

from spikeformers.cli.output import print_json, print_results
from spikeformers.cli.parsing import Parser, add_plugin_option

HELP = """Measure the best weights of a run, or one checkpoint, on a split of the run's data.

examples:
  spikeformers eval runs/spikformer_digits-1                          best weights, test split
  spikeformers eval runs/spikformer_digits-1 --split val --json       validation split, for programs
  spikeformers eval runs/spikformer_digits-1/checkpoint/last.ckpt     the newest weights instead of the best
  spikeformers eval runs/integers --binary                            integer neurons (ilif, multispike, …) on binary spikes"""


def run(args: list[str]) -> int:
    """Evaluate and print what was measured."""
    parser = Parser("eval", HELP)
    parser.add_argument(
        "run", metavar="RUN_OR_CHECKPOINT", help="a run folder, a .safetensors or a .ckpt file of a run"
    )
    parser.add_argument("--split", default="test", help="test (default), val or train")
    parser.add_argument(
        "--binary", action="store_true", help="carry integer spikes out as binary ones at virtual steps"
    )
    parser.add_argument("--json", action="store_true", help="print an object")
    add_plugin_option(parser)
    options = parser.parse(args)
    if options is None:
        return 0

    from spikeformers.engine.run import evaluate

    results = evaluate(options.run, options.split, binary=options.binary)
    if options.json:
        print_json(results)
    else:
        print_results(results)
    return 0
