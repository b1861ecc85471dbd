"""`spikeformers show`: the complete configuration that a command line means."""

import sys

from spikeformers.cli.parsing import UsageError
from spikeformers.cli.request import print_fields, read_config, read_request

HELP = """usage: spikeformers show RECIPE_OR_CONFIG [path=name ...] [--field.path value ...] [--plugin MODULE]

Print the complete configuration that `spikeformers train` would run with the same words, as YAML.
The output is itself a configuration: save it, edit it, train it.

examples:
  spikeformers show spikformer_digits
  spikeformers show spikformer_digits model.neuron=plif --model.neuron.init-tau 1.5
  spikeformers show runs/spikformer_digits-1              what an earlier run used
  spikeformers show spikformer_digits > mine.yaml && spikeformers train mine.yaml
  spikeformers show spikformer_digits --help              every flag, with its default and meaning
"""


def run(args: list[str]) -> int:
    """Print a configuration as YAML, in color on a terminal."""
    request = read_request("show", args, valued=("--plugin",))
    if request.what is None:
        if args and "help" not in request.options:
            raise UsageError(
                "say first what to show: a recipe, a configuration or a run (see `spikeformers show --help`)"
            )
        print(HELP, end="")
        return 0
    if "help" in request.options:
        print_fields("show", request)
        return 0
    text = read_config(request).to_yaml()
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.syntax import Syntax

        Console().print(Syntax(text, "yaml", background_color="default", word_wrap=True))
    else:
        print(text, end="")
    return 0
