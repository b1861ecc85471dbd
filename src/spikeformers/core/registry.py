"""One registry class for everything a person chooses by name.

A registered thing is a frozen config dataclass. Its *family* is the name it is registered under; a *variant* is a
named difference from the defaults of a family. Both are looked up through the same `config` call.
"""

import dataclasses
import fnmatch
import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

from spikeformers.core.errors import ConfigError, did_you_mean

C = TypeVar("C")

ENTRY_POINT_GROUP = "spikeformers.plugins"


@dataclasses.dataclass(frozen=True)
class Entry(Generic[C]):
    """What is known of one registered name without building it."""

    name: str
    family: str
    cls: type[C]
    changes: Mapping[str, Any]
    source: str

    def config(self) -> C:
        """Build the default config of this name."""
        return self.cls(**self.changes)


class Registry(Generic[C]):
    """Names and the config classes behind them.

    Args:
        kind: singular noun for messages and the command line ("neuron", "model").
        package: dotted name of the package that is walked on first lookup, so that adding a file is enough to
            register what it holds.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self.package = package
        self._entries: dict[str, Entry[C]] = {}
        self._discovered = False

    def register(
        self, family: str, *, variants: Mapping[str, Mapping[str, Any]] | None = None, source: str = ""
    ) -> Callable[[type[C]], type[C]]:
        """Class decorator: register a config class under `family`, with named `variants` of it.

        Args:
            family: lower snake case name.
            variants: variant name → fields that differ from the defaults; checked here, at import.
            source: paper, and repository where it has one.

        Raises:
            ConfigError: a name is taken, or a variant names a field that does not exist.
        """

        def decorate(cls: type[C]) -> type[C]:
            names = {f.name for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
            self.add(Entry(family, family, cls, {}, source))
            for variant, changes in (variants or {}).items():
                for field in changes:
                    if field not in names:
                        raise ConfigError(
                            f"variant {variant!r} of {self.kind} {family!r} sets unknown field {field!r}"
                            + did_you_mean(field, names)
                        )
                self.add(Entry(variant, family, cls, dict(changes), source))
            return cls

        return decorate

    def add(self, entry: Entry[C]) -> None:
        """Register an entry that is no decorated class (a recipe is a function).

        Raises:
            ConfigError: the name is taken.
        """
        if entry.name in self._entries:
            taken = self._entries[entry.name].cls
            raise ConfigError(
                f"{self.kind} {entry.name!r} is already registered by {taken.__module__}.{taken.__qualname__}; "
                "choose another name"
            )
        self._entries[entry.name] = entry

    def discover(self) -> None:
        """Import every module of the registry's package, and plugins announced by entry points, once."""
        if self._discovered:
            return
        self._discovered = True
        package = importlib.import_module(self.package)
        for module in pkgutil.walk_packages(package.__path__, prefix=f"{self.package}."):
            importlib.import_module(module.name)
        load_plugins()

    def entry(self, name: str) -> Entry[C]:
        """The entry of a family or variant name.

        Raises:
            ConfigError: nothing has this name; the message suggests the nearest.
        """
        self.discover()
        if name not in self._entries:
            raise ConfigError(f"no {self.kind} is called {name!r}" + did_you_mean(name, self._entries))
        return self._entries[name]

    def config(self, name: str) -> C:
        """The default config of a family or variant name."""
        return self.entry(name).config()

    def family_of(self, config: object) -> str:
        """The family name under which the class of `config` is registered."""
        self.discover()
        for entry in self._entries.values():
            if entry.cls is type(config) and entry.name == entry.family:
                return entry.family
        raise ConfigError(f"{type(config).__qualname__} is not a registered {self.kind}")

    def families(self) -> list[str]:
        """Sorted family names."""
        self.discover()
        return sorted(e.name for e in self._entries.values() if e.name == e.family)

    def names(self, pattern: str = "*") -> list[str]:
        """Sorted names, families and variants, that match a shell-style pattern."""
        self.discover()
        return sorted(fnmatch.filter(self._entries, pattern))

    def variants(self, family: str) -> list[str]:
        """Sorted variant names of one family."""
        self.entry(family)
        return sorted(e.name for e in self._entries.values() if e.family == family and e.name != family)

    def __iter__(self) -> Iterator[Entry[C]]:
        self.discover()
        return iter([self._entries[name] for name in sorted(self._entries)])

    def __contains__(self, name: object) -> bool:
        self.discover()
        return name in self._entries


_loaded_plugins = False


def load_plugins() -> None:
    """Import the modules that installed packages announce under the entry point group `spikeformers.plugins`."""
    global _loaded_plugins
    if _loaded_plugins:
        return
    _loaded_plugins = True
    for point in entry_points(group=ENTRY_POINT_GROUP):
        point.load()
