"""Errors meant for people, and the near-miss suggestions they carry."""

import difflib
from collections.abc import Iterable


class SpikeformersError(Exception):
    """Base of every error that a user's mistake can cause; the CLI prints it without a traceback."""


class ConfigError(SpikeformersError, ValueError):
    """A name, field or value in a configuration is not acceptable."""


class ShapeError(SpikeformersError, ValueError):
    """A tensor has a shape, dtype or value that the receiver cannot work with."""


class DataError(SpikeformersError, ValueError):
    """A dataset is missing, corrupt, or not in the layout its reader expects."""


class CheckpointError(SpikeformersError, ValueError):
    """A checkpoint or state dict cannot be read or does not fit the model."""


class ExportError(SpikeformersError, ValueError):
    """A model cannot be written in an interchange format, or what a file holds cannot run here."""


class BackendError(SpikeformersError, RuntimeError):
    """A kernel backend that was asked for by name cannot run here."""


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """Say which of `options` is nearest to `name`, or list them when none is near.

    Returns a sentence fragment that starts with a semicolon, ready to end an error message.
    """
    names = sorted(set(options))
    folded = {option.lower().replace("-", "_"): option for option in names}
    wanted = name.lower().replace("-", "_")
    near = (
        difflib.get_close_matches(wanted, folded, n=3, cutoff=0.6) or [f for f in folded if wanted and wanted in f][:3]
    )
    if near:
        return "; did you mean " + " or ".join(repr(folded[n]) for n in near) + "?"
    if not names:
        return "; there is nothing to choose from"
    shown = ", ".join(names[:12]) + (f", … ({len(names)} in all)" if len(names) > 12 else "")
    return f"; valid: {shown}"
