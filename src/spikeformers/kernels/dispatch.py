"""Which implementation of a kernel runs.

On `auto`: the compiled CPU kernels on processors, triton on CUDA devices, else the reference. The choice is logged once,
with the reasons of those that declined. The environment variable SPIKEFORMERS_KERNELS replaces `auto`. A backend that
was named, by argument or environment, and cannot run raises.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch

from spikeformers.core.errors import BackendError, ConfigError, did_you_mean
from spikeformers.core.log import get_logger, log_once

_log = get_logger(__name__)

Verifier = Callable[[torch.device, torch.dtype], str | None]
"""Says why a backend cannot run on tensors of a device and dtype; None if it can."""

VARIABLE = "SPIKEFORMERS_KERNELS"

_instead: list[str] = []


@contextmanager
def instead_of_auto(backend: str) -> Iterator[None]:
    """Let `auto` mean this backend inside the scope, whatever the environment says."""
    _instead.append(backend)
    try:
        yield
    finally:
        _instead.remove(backend)


@torch.compiler.assume_constant_result
def choose(op: str, wish: str, device: torch.device, dtype: torch.dtype, backends: Mapping[str, Verifier]) -> str:
    """The backend for one call.

    Args:
        op: name of the kernel, for messages.
        wish: `auto` or a backend's name.
        device, dtype: of the tensors.
        backends: name → verifier, in the order in which `auto` asks them.

    Raises:
        ConfigError: there is no such backend.
        BackendError: the backend that was asked for cannot run here.
    """
    named = wish if wish != "auto" else _instead[-1] if _instead else os.environ.get(VARIABLE, "auto")
    if named != "auto":
        if named not in backends:
            origin = "" if wish != "auto" else f" (from {VARIABLE})"
            raise ConfigError(f"kernel backend {named!r}{origin} is unknown" + did_you_mean(named, ["auto", *backends]))
        reason = backends[named](device, dtype)
        if reason is not None:
            raise BackendError(f"backend {named!r} of {op} cannot run: {reason}; choose 'auto' or 'reference'")
        return named
    declined = []
    for name, verify in backends.items():
        reason = verify(device, dtype)
        if reason is None:
            because = f" ({'; '.join(declined)})" if declined else ""
            log_once(_log, f"{op} on {device.type} in {str(dtype).removeprefix('torch.')} runs as {name}{because}")
            return name
        declined.append(f"{name} declined: {reason}")
    raise BackendError(f"no backend of {op} can run: {'; '.join(declined)}")


_watchers: list[list[str]] = []


def ran(op: str, backend: str) -> None:
    """Note that an implementation is running; kernels call this where they start."""
    for seen in _watchers:
        seen.append(f"{op}:{backend}")


@contextmanager
def watch() -> Iterator[list[str]]:
    """Collect what runs inside the scope, as `op:backend` (`scan:cpu`, `scan_backward:cpu`, `scan:reference`)."""
    seen: list[str] = []
    _watchers.append(seen)
    try:
        yield seen
    finally:
        _watchers[:] = [w for w in _watchers if w is not seen]
