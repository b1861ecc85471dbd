"""`spikeformers train`: from a recipe, or an earlier run's configuration, to a trained and measured model."""

import contextlib
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from spikeformers.cli.output import complain, print_results
from spikeformers.cli.parsing import UsageError
from spikeformers.cli.request import Request, print_fields, read_config, read_request
from spikeformers.core.errors import SpikeformersError

if TYPE_CHECKING:
    from spikeformers.engine.config import RunConfig

HELP = """usage: spikeformers train RECIPE_OR_CONFIG [path=name ...] [--field.path value ...]
                          [--resume] [--folder DIR] [--plugin MODULE]

Train, choose the best epoch on the validation split, test it once, count what it costs, and write a report.

  RECIPE_OR_CONFIG       a name from `spikeformers list recipes`, a YAML file, or the folder of an earlier run
  path=name              put another component in place: model.neuron=plif, optim=sgd, data.augment=none
  --field.path value     set one field: --model.neuron.init-tau 1.5, --train.epochs 10, --seed 1
  --resume               go on where a run was cut short; the newest run of this name, or the one in --folder
  --folder DIR           where to write; by default runs/NAME-1, runs/NAME-2, …
  --plugin MODULE        import a module of yours first, which registers neurons, models, recipes

examples:
  spikeformers train spikformer_digits
  spikeformers train spikformer_digits model.neuron=plif --model.neuron.init-tau 1.5
  spikeformers train spikformer_digits --resume            after a crash, a kill or Ctrl-C: bit for bit the same end
  spikeformers train runs/spikformer_digits-1 --seed 1     an earlier run again, with another seed
  spikeformers train spikformer_digits --train.devices 2   two processes share every batch
  spikeformers train spikformer_digits --weights DIR       start from the weights of another run, such as a pre-training
  spikeformers train spikformer_digits --help              every field with its default and meaning

The last line printed is the folder of the run. In it: config.yaml, metrics.jsonl, checkpoint/, results.json, report.html.
"""

_FOLDER = "SPIKEFORMERS_RUN_FOLDER"
"""Environment variable by which the processes that the first one starts learn where the run is."""
_RUNS = Path("runs")


def run(args: list[str]) -> int:
    """Train, report, and print the table, the report and the folder."""
    request = read_request("train", args, switches=("--resume",), valued=("--folder", "--plugin"))
    if request.what is None:
        if args and "help" not in request.options:
            raise UsageError(
                "say first what to train: a recipe, a configuration or a run (see `spikeformers train --help`)"
            )
        print(HELP, end="")
        return 0
    if "help" in request.options:
        print_fields("train", request)
        return 0
    config = read_config(request)

    from spikeformers.cli.progress import display
    from spikeformers.engine.run import train
    from spikeformers.engine.stop import Interrupted
    from spikeformers.engine.trainer import is_leader

    resume = "resume" in request.options
    folder = _folder(config, request, resume, is_leader())
    try:
        if not is_leader():
            train(config, folder, resume=resume)
            return 0
        print(f"run folder: {folder}", file=sys.stderr)
        with display() as show:
            results = train(config, folder, resume=resume, on_event=show)
    except Interrupted as stopped:
        complain(str(stopped))
        return 130
    except SpikeformersError:
        if folder.parent == _RUNS:
            with contextlib.suppress(OSError):  # not empty: there is something to go on with
                folder.rmdir()
        raise
    finally:
        if is_leader():
            os.environ.pop(_FOLDER, None)

    from spikeformers.bench.report import write_report

    report = write_report(folder)
    print_results(results)
    print(f"report: {report}")
    print(folder)
    return 0


def _folder(config: "RunConfig", request: Request, resume: bool, leader: bool) -> Path:
    """Where the run is written; the same in all its processes."""
    named = request.options.get("folder")
    if named:
        return Path(named[-1])
    if not leader and _FOLDER in os.environ:
        return Path(os.environ[_FOLDER])
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError("processes started from outside (torchrun) must agree on a folder; add --folder DIR")
    folder = _to_resume(config.name, request.what or "") if resume else None
    if folder is None:
        folder = _free(config.name)
    os.environ[_FOLDER] = str(folder)
    return folder


def _to_resume(name: str, what: str) -> Path | None:
    """The run folder that was named, else the newest run of this name; None if there is none."""
    if (Path(what) / "config.yaml").exists():
        return Path(what)
    known = [path for path in _runs(name) if (path / "config.yaml").exists()]
    if not known:
        complain(f"there is no run of {name!r} in {_RUNS}/ to go on with; starting a new one")
        return None
    return max(known, key=lambda path: (path / "config.yaml").stat().st_mtime)


def _free(name: str) -> Path:
    """The first folder runs/NAME-n that does not exist yet, now taken."""
    number = 1
    while True:
        folder = _RUNS / f"{name}-{number}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
        except OSError as error:
            raise UsageError(
                f"cannot make the folder {folder}: {error.strerror}; choose another with --folder"
            ) from None
        else:
            return folder


def _runs(name: str) -> list[Path]:
    pattern = re.compile(re.escape(name) + r"-\d+")
    return [path for path in _RUNS.glob("*") if pattern.fullmatch(path.name)] if _RUNS.is_dir() else []
