"""Why a training stops before its end, and how it is told to."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from spikeformers.core.errors import SpikeformersError


class Interrupted(SpikeformersError):
    """Someone pressed Ctrl-C; what was done so far is saved."""


class Diverged(SpikeformersError, ArithmeticError):
    """The loss is no longer a finite number."""


class StopRequest:
    """Turns the first Ctrl-C into a wish that is granted at the next safe moment.

    While `deferred` is set the wish waits in `asked`; otherwise, and at the second Ctrl-C, `Interrupted` is raised at
    once with the words of `advice`.
    """

    def __init__(self, advice: str) -> None:
        self.advice = advice
        self.asked = False
        self.deferred = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.asked or not self.deferred:
            raise Interrupted(f"stopped; {self.advice}")
        self.asked = True

    @contextmanager
    def listening(self) -> Iterator["StopRequest"]:
        """Listen to Ctrl-C for the length of the block; outside the main thread, where none arrives, do nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        former = signal.signal(signal.SIGINT, self._handle)
        try:
            yield self
        finally:
            signal.signal(signal.SIGINT, former)


def explain_divergence(model: nn.Module, run: Callable[[], Any]) -> str:
    """Where a non-finite number first appears when `run` calls the model.

    Args:
        model: whose layers are watched.
        run: repeats the forward pass that went wrong.

    Returns:
        A sentence part that names the module path.
    """
    for path, parameter in model.named_parameters():
        if not _finite(parameter):
            return f"the parameter {path} is not finite: the last step was too large"
    found: list[str] = []
    handles = [module.register_forward_hook(_watcher(path, found)) for path, module in model.named_modules() if path]
    try:
        with torch.no_grad():
            run()
    finally:
        for handle in handles:
            handle.remove()
    return (
        f"the first layer whose output is not finite is {found[0]}"
        if found
        else "all layers are finite, the loss is not"
    )


def _watcher(path: str, found: list[str]) -> Callable[[nn.Module, Any, Any], None]:
    def hook(module: nn.Module, inputs: Any, output: Any) -> None:
        if not found and isinstance(output, Tensor) and not _finite(output):
            source = "" if all(_finite(x) for x in inputs if isinstance(x, Tensor)) else " (its input already is not)"
            found.append(f"{path} ({type(module).__name__}){source}")

    return hook


def _finite(x: Tensor) -> bool:
    return not x.is_floating_point() or bool(torch.isfinite(x.detach()).all())
