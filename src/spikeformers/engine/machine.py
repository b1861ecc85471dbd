"""What a run ran on: facts that explain its numbers, and none that identify a person or a host."""

import os
import platform
import resource
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import spikeformers

LIBRARIES = ("torch", "numpy", "pytorch-lightning", "numba", "kornia", "safetensors", "scikit-learn", "triton")


def machine_card() -> dict[str, Any]:
    """Processor, threads, memory, system, versions and commit."""
    return {
        "cpu": _cpu_model(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "spikeformers": spikeformers.__version__,
        "libraries": {name: found for name in LIBRARIES if (found := _version(name))},
        "commit": _commit(),
    }


def peak_memory_mib() -> float:
    """Most memory this process has held at once (resident set), MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Commit of the source tree that is running, with `+` if it was changed; None if it is not a checkout."""
    folder = Path(spikeformers.__file__).parent

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, timeout=10, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    # A checkout that merely surrounds an installed copy does not track this file and tells nothing.
    if not git("ls-files", "__init__.py"):
        return None
    changed = git("status", "--porcelain", "--untracked-files=no", ".")
    commit = git("rev-parse", "--short=12", "HEAD")
    return f"{commit}{'+' if changed else ''}" if commit else None
