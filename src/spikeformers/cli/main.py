"""Entry point: finds the verb, runs it, and turns errors into what a person can use."""

import importlib
import os
import sys
from collections.abc import Sequence

from spikeformers.cli.output import complain
from spikeformers.core.errors import SpikeformersError, did_you_mean

VERBS = {
    "train": "train a recipe, or go on with a run that was cut short",
    "eval": "measure a trained model on held-out data",
    "energy": "count operations and energy of a model, and of its ANN twin",
    "quantize": "a trained run and its ANN twin in few bits: accuracy and energy",
    "report": "write a run's report (or its picture) again",
    "list": "what there is: models, neurons, datasets, recipes, …",
    "show": "print the complete configuration that a command line means",
}
_COMPUTING = ("train", "eval", "energy", "quantize")

HELP = f"""usage: spikeformers VERB [...]

Spiking transformers: build by name, train, measure honestly.

verbs:
{chr(10).join(f"  {verb:<10}{text}" for verb, text in VERBS.items())}

examples:
  spikeformers train spikformer_digits                    train on real scans of digits, three minutes on two cores
  spikeformers train spikformer_digits model.neuron=plif --model.neuron.init-tau 1.5
                                                          the same with another neuron, and one of its fields set
  spikeformers list neurons                               every neuron with its equation and source
  spikeformers energy spikformer_4_384                    what one image costs, next to the same network with ReLU
  spikeformers report runs/spikformer_digits-1            the report of a run, again

`spikeformers VERB --help` says more. Every name and flag is checked; a typo is answered with the nearest valid one.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit status: 0 done, 2 a mistake in what was asked, 130 interrupted."""
    args = list(sys.argv[1:] if argv is None else argv)
    try:
        status = _run(args)
        sys.stdout.flush()
        return status
    except SpikeformersError as error:
        complain(str(error))
        return 2
    except KeyboardInterrupt:
        complain("interrupted")
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(args: list[str]) -> int:
    if not args or args[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0
    verb, *rest = args
    if verb in ("-V", "--version"):
        from spikeformers import __version__

        print(f"spikeformers {__version__}")
        return 0
    if verb not in VERBS:
        raise SpikeformersError(f"spikeformers has no verb {verb!r}" + did_you_mean(verb, VERBS))
    if verb in _COMPUTING and not {"-h", "--help"} & set(rest):
        _settle()
    module = importlib.import_module(f"spikeformers.cli.{verb}")
    return module.run(rest)


def _settle() -> None:
    """Settings of the whole process, made before torch is imported and only by the command line.

    Threads that wait for each other sleep instead of spinning: beside any other busy program on the machine, spinning
    threads make a training step several times slower.
    """
    from spikeformers.kernels.memory import keep_memory

    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    keep_memory()
