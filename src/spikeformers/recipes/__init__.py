"""Recipes: functions that return the complete configuration of a run, by name.

    @recipe("spikformer_digits", source="paper; repository")
    def spikformer_digits() -> RunConfig:
        \"\"\"One line that `spikeformers list recipes` shows.\"\"\"
        return RunConfig(...)

A recipe derives from another one by changing fields: `return spikformer_digits().but(seed=1)`.
"""

from collections.abc import Callable

from spikeformers.core.registry import Entry, Registry
from spikeformers.engine.config import RunConfig

RECIPES: Registry[RunConfig] = Registry("recipe", "spikeformers.recipes")


def recipe(name: str, *, source: str = "") -> Callable[[Callable[[], RunConfig]], Callable[[], RunConfig]]:
    """Function decorator: register a function that returns a `RunConfig` under `name`.

    Args:
        name: lower snake case; the run is called so unless its config says otherwise.
        source: paper, and repository where it has one.

    Raises:
        ConfigError: the name is taken.
    """

    def decorate(function: Callable[[], RunConfig]) -> Callable[[], RunConfig]:
        RECIPES.add(Entry(name, name, function, {}, source))  # type: ignore[arg-type]
        return function

    return decorate


__all__ = ["RECIPES", "recipe"]
