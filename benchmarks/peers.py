"""Peer libraries, where they are installed: for benchmarks only, never a dependency."""

import importlib
import importlib.machinery
import importlib.util
import sys
import types
from functools import cache
from importlib.abc import Loader, MetaPathFinder
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

ABSENT_IS_FINE = ("torchvision", "torchaudio", "tensorboard", "tensorboardX")
"""Packages that peers import and that the benchmarked code never calls; not importable beside every build of torch."""


class _Hollow(MetaPathFinder, Loader):
    """Gives an empty module for packages of `ABSENT_IS_FINE` that cannot be imported for real."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name.split(".")[0] in ABSENT_IS_FINE:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        module: Any = MagicMock(name=spec.name)
        module.__spec__, module.__path__, module.__name__ = spec, [], spec.name
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing to run."""


def spikingjelly() -> tuple[Any, str]:
    """SpikingJelly's `activation_based` package, or None, and a note: its version or why it is missing."""
    for name in ABSENT_IS_FINE:
        try:
            importlib.import_module(name)
        except (ImportError, RuntimeError, OSError):
            for loaded in [m for m in sys.modules if m.split(".")[0] == name]:
                del sys.modules[loaded]
            sys.meta_path.insert(0, _Hollow())
            break
    try:
        package = importlib.import_module("spikingjelly.activation_based")
        for part in ("neuron", "surrogate", "functional", "model.spikformer"):
            importlib.import_module(f"spikingjelly.activation_based.{part}")
    except ImportError as error:
        return None, f"SpikingJelly is not installed ({error}); pip install 'spikeformers[peers]' adds it"
    from importlib.metadata import version

    return package, f"SpikingJelly {version('spikingjelly')}"


def snntorch() -> tuple[Any, str]:
    """snnTorch, or None, and a note: its version or why it is missing."""
    try:
        package = importlib.import_module("snntorch")
    except ImportError as error:
        return None, f"snnTorch is not installed ({error}); pip install 'spikeformers[peers]' adds it"
    from importlib.metadata import version

    return package, f"snnTorch {version('snntorch')}"


@cache
def norse() -> tuple[Any, str]:
    """norse's functional neurons as attributes of one object, or None, and a note: its version or why it is missing.

    Importing norse itself imports its tasks, and with them torchvision; its functions are modules that need torch alone.
    """
    spec = importlib.util.find_spec("norse")
    if spec is None or spec.origin is None:
        return None, "norse is not installed; pip install norse adds it"
    for name in ("norse", "norse.torch"):
        if name not in sys.modules:
            package = types.ModuleType(name)
            package.__path__ = [str(Path(spec.origin).parent.joinpath(*name.split(".")[1:]))]
            sys.modules[name] = package
    parts = ("iaf", "lif", "lif_box", "lif_ex", "lif_refrac", "lsnn")
    loaded = {part: importlib.import_module(f"norse.torch.functional.{part}") for part in parts}
    from importlib.metadata import PackageNotFoundError, version

    try:
        return types.SimpleNamespace(**loaded), f"norse {version('norse')}"
    except PackageNotFoundError:
        return types.SimpleNamespace(**loaded), "norse"
