"""Joules, seconds and memory as this machine shows them, to stand beside what is modelled.

A general-purpose processor gains nothing from zeros: measured energy is that of the dense run. Where no counter can be
read, joules are None and the reason is given; nothing is estimated.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from spikeformers.core.errors import ConfigError
from spikeformers.core.mode import evaluating

POWERCAP = Path("/sys/class/powercap")
"""Where Linux shows the energy counters of processor packages (RAPL)."""


@dataclass(frozen=True)
class Counter:
    """A running energy counter: where it is from, and its joules now."""

    source: str
    joules: Callable[[], float]


@dataclass(frozen=True)
class Range:
    """One RAPL package: its counter file and where that wraps around, in microjoules."""

    file: Path
    limit: int


def rapl(root: Path = POWERCAP) -> Counter | str:
    """Counter of all processor packages, or why there is none."""
    ranges = []
    for zone in sorted(root.glob("intel-rapl:*")):
        if zone.name.count(":") == 1:
            try:
                int((zone / "energy_uj").read_text())
                ranges.append(Range(zone / "energy_uj", int((zone / "max_energy_range_uj").read_text())))
            except (OSError, ValueError) as error:
                return f"RAPL counters cannot be read ({type(error).__name__}); reading them usually needs root"
    if not ranges:
        return "this machine shows no RAPL energy counters"
    last, total = {r: int(r.file.read_text()) for r in ranges}, 0

    def joules() -> float:
        nonlocal total
        for r in ranges:
            now = int(r.file.read_text())
            total += now - last[r] if now >= last[r] else now + r.limit - last[r]
            last[r] = now
        return total * 1e-6

    return Counter("RAPL, processor packages", joules)


def nvml(device: torch.device) -> Counter | str:
    """Counter of one NVIDIA device, or why there is none."""
    try:
        import pynvml
    except ImportError:
        return "NVML is not installed (pip install nvidia-ml-py)"
    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(device).uuid}")
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except pynvml.NVMLError as error:
        return f"NVML shows no energy of {device} ({error})"
    return Counter("NVML, whole device", lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) * 1e-3)


def measure(model: nn.Module, x: Tensor, *, repeats: int = 10, counter: Counter | str | None = None) -> dict[str, Any]:
    """Run inference and read the clock, the energy counter and the memory.

    Args:
        model: on the device it is to be measured on; run in evaluation mode and put back.
        x: one batch, on the same device.
        repeats: timed calls, after one that warms up.
        counter: what to read; by default NVML for a CUDA device and RAPL for a processor.

    Returns:
        Seconds per batch (median, min, max), joules per batch or None with the reason, peak bytes on a CUDA device.

    Raises:
        ConfigError: repeats is below 1.
    """
    if repeats < 1:
        raise ConfigError(f"repeats={repeats} must be at least 1")
    cuda = x.device.type == "cuda"
    counter = counter or (nvml(x.device) if cuda else rapl())
    seconds = []
    with evaluating(model), torch.inference_mode():
        model(x)
        if cuda:
            torch.cuda.reset_peak_memory_stats(x.device)
        start = counter.joules() if isinstance(counter, Counter) else 0.0
        for _ in range(repeats):
            seconds.append(_timed(model, x, cuda))
        joules = (counter.joules() - start) / repeats if isinstance(counter, Counter) else None
    return {
        "seconds": {"median": statistics.median(seconds), "min": min(seconds), "max": max(seconds)},
        "joules": joules,
        "joules_source": counter.source if isinstance(counter, Counter) else None,
        "joules_missing": counter if isinstance(counter, str) else None,
        "peak_device_bytes": torch.cuda.max_memory_allocated(x.device) if cuda else None,
        "repeats": repeats,
    }


def _timed(model: nn.Module, x: Tensor, cuda: bool) -> float:
    start = time.perf_counter()
    model(x)
    if cuda:
        torch.cuda.synchronize(x.device)
    return time.perf_counter() - start
