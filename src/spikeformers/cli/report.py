"""`spikeformers report`: the report of a run, again."""

from spikeformers.cli.parsing import Parser

HELP = """Write report.html of a run again, from the files in its folder, and print its path.

examples:
  spikeformers report runs/spikformer_digits-1                       the report, one file that needs nothing else
  spikeformers report runs/spikformer_digits-1 --figure digits.png   one picture: curves, spikes, energy"""


def run(args: list[str]) -> int:
    """Write the report, or the picture, of a run."""
    parser = Parser("report", HELP)
    parser.add_argument("run", metavar="RUN", help="folder of a finished run")
    parser.add_argument("--figure", metavar="FILE", help="write a picture (png, svg or pdf) instead of the report")
    options = parser.parse(args)
    if options is None:
        return 0
    if options.figure:
        from spikeformers.bench.figure import write_figure

        print(write_figure(options.run, options.figure))
        return 0
    from spikeformers.bench.report import write_report

    print(write_report(options.run))
    return 0
