"""`spikeformers list`: what there is to choose from."""

import fnmatch
import importlib
import itertools
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

from spikeformers.cli.output import print_json, print_table
from spikeformers.cli.parsing import Parser, UsageError, add_plugin_option
from spikeformers.core.errors import did_you_mean

_REGISTRIES = {
    "models": ("spikeformers.models.base", "MODELS"),
    "neurons": ("spikeformers.neurons.base", "NEURONS"),
    "surrogates": ("spikeformers.neurons.surrogate", "SURROGATES"),
    "attentions": ("spikeformers.layers.attention.base", "ATTENTIONS"),
    "stems": ("spikeformers.layers.stems", "STEMS"),
    "encoders": ("spikeformers.encoders.base", "ENCODERS"),
    "datasets": ("spikeformers.data.base", "DATASETS"),
    "augmentations": ("spikeformers.data.transforms.base", "AUGMENTS"),
    "mixes": ("spikeformers.data.transforms.mix", "MIXES"),
    "recipes": ("spikeformers.recipes", "RECIPES"),
    "tasks": ("spikeformers.tasks.base", "TASKS"),
    "optimizers": ("spikeformers.engine.optim", "OPTIMIZERS"),
    "schedules": ("spikeformers.engine.schedule", "SCHEDULES"),
}

HELP = f"""What there is to choose from, by name.

kinds: {", ".join(_REGISTRIES)}

examples:
  spikeformers list models                  every model and variant with its parameters and source
  spikeformers list models 'spikformer_4*'  those whose name matches (a word without * matches anywhere in the name)
  spikeformers list neurons --json          for programs: an array of objects, each with a name
  spikeformers list neurons --plugin mine   with the neurons that your module mine.py registers"""


def run(args: list[str]) -> int:
    """Print the entries of one registry: by family on a terminal, a line per name when piped."""
    parser = Parser("list", HELP)
    parser.add_argument("kind", nargs="?", help="one of the kinds above")
    parser.add_argument("pattern", nargs="?", default="*", help="a name, or part of one, or a pattern with * and ?")
    parser.add_argument("--json", action="store_true", help="print an array of objects")
    add_plugin_option(parser)
    options = parser.parse(args)
    if options is None:
        return 0
    if options.kind is None:
        print(HELP)
        return 0
    rows = entries(options.kind, options.pattern)
    if options.json:
        print_json(rows)
    elif sys.stdout.isatty():
        _print_families(rows)
    else:
        from spikeformers.cli.mathtext import plain, unicode

        columns = [c for c in ("name", *_SHORT, "summary", "equation", "source") if any(row.get(c) for row in rows)]
        shown = [[(unicode if c == "equation" else plain)(_text(row.get(c))) for c in columns] for row in rows]
        print_table(columns, shown, right=("params",))
    return 0


def entries(kind: str, pattern: str = "*") -> list[dict[str, Any]]:
    """What a registry knows of each of its names.

    Raises:
        UsageError: an unknown kind, or a name that matches nothing.
    """
    if kind not in _REGISTRIES:
        raise UsageError(f"there is no list of {kind!r}" + did_you_mean(kind, _REGISTRIES))
    module, attribute = _REGISTRIES[kind]
    registry = getattr(importlib.import_module(module), attribute)
    wild = any(c in pattern for c in "*?[")
    found = [entry for entry in registry if fnmatch.fnmatch(entry.name, pattern if wild else f"*{pattern}*")]
    if not found and not wild:
        raise UsageError(f"no {registry.kind} is called {pattern!r}" + did_you_mean(pattern, registry.names()))
    more = _MORE.get(kind, lambda entry: {})
    return [
        {
            "name": entry.name,
            "family": entry.family,
            "summary": _summary(entry.cls.__doc__ or ""),
            "source": entry.source,
            **more(entry),
        }
        for entry in found
    ]


def _summary(docstring: str) -> str:
    """The first sentence of a docstring's first paragraph."""
    first = " ".join(docstring.strip().split("\n\n")[0].split())
    return re.split(r"(?<=[.!?])\s+(?=[A-Z(])", first)[0].rstrip(".")


def _equation(docstring: str) -> str:
    r"""The displayed equations of a docstring, else the first one in its text, in LaTeX."""
    found = re.findall(r"\$\$(.+?)\$\$", docstring, re.DOTALL) or re.findall(r"\$(.+?)\$", docstring, re.DOTALL)[:1]
    return r"\qquad ".join(" ".join(part.split()) for part in found)


def _with_equation(entry: Any) -> dict[str, Any]:
    """The equation, and in what a variant differs from its family."""
    changes = {name: getattr(value, "family", value) for name, value in entry.changes.items()}
    return {"changes": changes, "equation": _equation(entry.cls.__doc__ or "")}


def _of_model(entry: Any) -> dict[str, Any]:
    """Sizes, counted on a model without memory behind its parameters."""
    import torch

    config = entry.config()
    with torch.device("meta"):
        model = config.build()
    fields = ("img_size", "in_channels", "num_classes", "timesteps")
    return {"params": sum(p.numel() for p in model.parameters()), **{name: getattr(config, name) for name in fields}}


def _of_dataset(entry: Any) -> dict[str, Any]:
    """The card in short; what only the files can tell is None."""
    info = entry.config().info
    return {
        "title": info.title,
        "classes": len(info.classes) or None,
        "shape": list(info.shape) if all(info.shape) else None,
        "sizes": dict(info.sizes),
        "license": info.license,
    }


def _of_recipe(entry: Any) -> dict[str, Any]:
    config = entry.config()
    return {"model": config.model.family, "data": config.data.family}


_MORE: dict[str, Callable[[Any], dict[str, Any]]] = {
    "models": _of_model,
    "neurons": _with_equation,
    "surrogates": _with_equation,
    "encoders": _with_equation,
    "datasets": _of_dataset,
    "recipes": _of_recipe,
}
_SHORT = ("params", "img_size", "classes", "shape", "model", "data", "changes")
_BARE = {"params": "{:>11} params", "changes": "{}"}


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={part}" for name, part in value.items())
    if isinstance(value, list):
        return "×".join(map(str, value))
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _print_families(rows: list[dict[str, Any]]) -> None:
    """A paragraph per family: what it is, its equation, its source, its variants."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    from spikeformers.cli.mathtext import plain, unicode

    console = Console(highlight=False)
    for family, group in itertools.groupby(sorted(rows, key=lambda row: row["family"]), key=lambda row: row["family"]):
        members = list(group)
        first = members[0]
        console.print(Text(family, style="bold cyan"), Text(plain(first["summary"])), sep="  ")
        for text, style in ((unicode(first.get("equation", "")), "green"), (first["source"], "dim")):
            if text:
                console.print(Padding(Text(text, style=style), (0, 0, 0, 4)))
        for line in _variant_lines(members):
            console.print(Padding(Text(line), (0, 0, 0, 4)))
        console.print()


def _variant_lines(members: list[dict[str, Any]]) -> Iterator[str]:
    facts = [[(key, _text(row[key])) for key in _SHORT if row.get(key)] for row in members]
    if not any(facts) and len(members) == 1:
        return
    wide = max(len(row["name"]) for row in members)
    for row, pairs in sorted(zip(members, facts, strict=True), key=lambda pair: pair[0]["name"]):
        shown = "  ".join(_BARE.get(key, f"{key} {{}}").format(value) for key, value in pairs)
        yield f"{row['name']:<{wide}}  {shown}".rstrip()
