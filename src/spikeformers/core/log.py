"""The library's logger: silent unless an application configures it."""

import logging

_ROOT = logging.getLogger("spikeformers")
_ROOT.addHandler(logging.NullHandler())
_said: set[str] = set()


def get_logger(name: str) -> logging.Logger:
    """Logger of one module; pass `__name__`."""
    return logging.getLogger(name)


def log_once(logger: logging.Logger, message: str) -> None:
    """Log a message at INFO the first time it occurs in this process."""
    if message not in _said:
        _said.add(message)
        logger.info(message)
