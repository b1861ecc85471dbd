"""Command lines into options; a mistake in one is an error with the nearest valid spelling."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from spikeformers.core.errors import SpikeformersError, did_you_mean


class UsageError(SpikeformersError):
    """A command line that says something we cannot follow."""


class Parser(argparse.ArgumentParser):
    """argparse without abbreviations, whose errors are `UsageError`s with suggestions.

    Args:
        verb: what the parser is for.
        text: help below the usage line, examples included.
    """

    def __init__(self, verb: str, text: str) -> None:
        super().__init__(
            prog=f"spikeformers {verb}",
            description=text,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self.verb = verb

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see `{self.prog} --help`)")

    def parse(self, args: Sequence[str]) -> Any:
        """The options in `args`; None where help was asked for, which is then printed.

        Raises:
            UsageError: an option or value is not valid.
        """
        if {"-h", "--help"} & set(args):
            self.print_help()
            return None
        flags = [flag for action in self._actions for flag in action.option_strings if flag.startswith("--")]
        for token in args:
            name = token.partition("=")[0]
            if name.startswith("--") and len(name) > 2 and name not in flags:
                raise UsageError(f"{self.prog} has no flag {name}" + did_you_mean(name, flags))
        options, extra = self.parse_known_args(args)
        if extra:
            raise UsageError(f"{self.prog} does not expect {extra[0]!r} here (see `{self.prog} --help`)")
        for module in getattr(options, "plugin", None) or ():
            load_plugin(module)
        return options


def add_plugin_option(parser: argparse.ArgumentParser) -> None:
    """The flag that brings in a module outside the package."""
    parser.add_argument(
        "--plugin", action="append", metavar="MODULE", help="import a module first, which registers things of your own"
    )


def load_plugin(module: str) -> None:
    """Import a module that registers neurons, models, recipes or other things; the working folder is searched too.

    Raises:
        UsageError: there is no such module.
    """
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not (module == error.name or module.startswith(f"{error.name}.")):
            raise
        raise UsageError(
            f"cannot import the plugin {module!r}; give a module name (my_neurons, not my_neurons.py) "
            "that is installed or lies in the working folder"
        ) from None
