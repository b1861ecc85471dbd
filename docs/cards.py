"""Model cards: one page per family, from the registry, from the model itself and from recorded numbers."""

import dataclasses
import inspect
import json
import statistics
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import spikeformers
from spikeformers.bench.numbers import spread
from spikeformers.core.config import Config
from spikeformers.models.base import MODELS, ModelConfig
from spikeformers.models.hub import count_parameters

ROOT = Path(__file__).resolve().parents[1]
DEPTH = 3
"""Levels of the module tree that the figure shows."""

parameters = cache(count_parameters)


def variants_table(family: str) -> str:
    """Every variant with what it has and where it differs."""
    out = ["| variant | parameters | image | T | differs from the defaults in |", "|---|---:|---|---:|---|"]
    for name in MODELS.variants(family):
        config = MODELS.config(name)
        changes = ", ".join(f"{k}={brief(v)}" for k, v in MODELS.entry(name).changes.items())
        image = f"{config.in_channels}×{size(config)}"
        out.append(f"| `{name}` | {parameters(name):,} | {image} | {config.timesteps} | {changes} |")
    return "\n".join(out)


def brief(value: object) -> str:
    """A value in a table cell; of a component, its name and what differs from its own defaults."""
    if not isinstance(value, Config):
        return repr(value)
    changed = [f.name for f in dataclasses.fields(value) if getattr(value, f.name) != f.default]
    fields = ", ".join(f"{name}={brief(getattr(value, name))}" for name in changed)
    return value.family + (f"({fields})" if fields else "")


def size(config: ModelConfig) -> str:
    """Height and width of a model's images, in few characters."""
    height, width = config.image
    return f"{height}²" if height == width else f"{height}×{width}"


def example(family: str, config: ModelConfig) -> str:
    """Code that builds the tiny variant; the generator runs it."""
    height, width = config.image
    code = (
        "import spikeformers, torch\n\n"
        f'model = spikeformers.create_model("{family}_tiny").eval()\n'
        f"logits = model(torch.rand(2, {config.in_channels}, {height}, {width}))  # [T, B, K]\n"
        "scores = model.readout(logits)  # [B, K]\n"
    )
    names: dict[str, Any] = {}
    with torch.no_grad():
        exec(code, names)  # our own text, three lines above
    wanted = (config.timesteps, 2, config.num_classes)
    if tuple(names["logits"].shape) != wanted or tuple(names["scores"].shape) != wanted[1:]:
        raise RuntimeError(f"the card of {family} shows code whose outputs have other shapes than it says")
    return f"```py\n{code}```"


def tree(config: ModelConfig) -> str:
    """The model drawn from itself: parts, what comes out of them for one image, parameters; equal neighbors once."""
    shapes: dict[str, str] = {}

    def watch(path: str, module: nn.Module) -> None:
        def note(module: nn.Module, args: Any, out: Any) -> None:
            if isinstance(out, Tensor):
                shapes.setdefault(path, "×".join(map(str, out.shape)))

        module.register_forward_hook(note)

    with torch.no_grad():
        model = config.build().eval()
        for path, module in model.named_modules():
            watch(path, module)
        model(torch.rand(1, config.in_channels, *config.image))
    lines = [f"{type(model).__name__}  {config.timesteps} steps of 1×{config.in_channels}×{size(config)}"]

    def draw(module: nn.Module, path: str, margin: str, depth: int) -> None:
        shown = [(name, child) for name, child in module.named_children() if not isinstance(child, nn.Identity)]
        # Numbered neighbors that print alike are one line.
        runs = [
            list(run) for _, run in groupby(shown, lambda each: ("" if each[0].isdigit() else each[0], repr(each[1])))
        ]
        for index, run in enumerate(runs):
            last, (name, child) = index == len(runs) - 1, run[-1]
            place = f"{path}.{name}".lstrip(".")
            label = name if len(run) == 1 else f"{run[0][0]} … {name}"
            size = sum(p.numel() for part in run for p in part[1].parameters() if p.requires_grad)
            facts = [f"→ {shapes[place]}"] if place in shapes else []
            facts += [f"{size:,} parameters"] if size else []
            kind = "" if isinstance(child, nn.Sequential | nn.ModuleList) else f": {type(child).__name__}"
            lines.append(f"{margin}{'└─' if last else '├─'} {label}{kind}  " + ", ".join(facts))
            if depth < DEPTH:
                draw(child, place, margin + ("   " if last else "│  "), depth + 1)

    draw(model, "", "", 1)
    return "```text\n" + "\n".join(line.rstrip() for line in lines) + "\n```"


def official(family: str) -> str:
    """Results of the official code: read in its README, its logs or the paper's abstract, or marked as recalled."""
    rows = json.loads((ROOT / "docs" / "official_results.json").read_text(encoding="utf-8"))
    rows = [row for row in rows if row["variant"] in MODELS.variants(family)]
    if not rows:
        return "None is quoted: no README, log or abstract that states one was found."
    out = ["| variant | data | top-1 | setting | read in |", "|---|---|---:|---|---|"]
    for row in sorted(rows, key=lambda row: row.get("recalled", False)):
        read = f"*unverified*: {row['read']}" if row.get("recalled") else row["read"]
        out.append(f"| `{row['variant']}` | {row['data']} | {row['top1']:.2f} % | {row['setting']} | {read} |")
    return "\n".join(out) + "\n\nOfficial results are not results of this code; see below for those."


def ours(family: str) -> str:
    """What the tiny variant reached under the common recipe, from the record."""
    path = ROOT / "benchmarks" / "results" / "learns.json"
    record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"rows": []}
    row = next((row for row in record["rows"] if row["family"] == family), None)
    if row is None:
        return "None is recorded yet; `python benchmarks/learns.py --only " + family + "` makes one."
    base, runs = record["linear"], row["runs"]

    def values(name: str) -> list[float]:
        return [run[name] for run in runs]

    firing = statistics.mean(values("firing_rate"))
    rate = f"{firing:.1%}" if firing else "–"  # activations of several levels, not spikes
    return (
        f"`{row['command']}`\n\n"
        "| data | test | validation | firing rate | µJ per image | µJ, ANN twin | linear classifier, test |\n"
        "|---|---:|---:|---:|---:|---:|---:|\n"
        f"| digits, {len(runs)} {'seed' if len(runs) == 1 else 'seeds'} | {spread(values('test/accuracy'))} | {spread(values('val/accuracy'))} | {rate} "
        f"| {1e3 * statistics.mean(values('energy/snn_mj')):.2f} | {1e3 * statistics.mean(values('energy/ann_mj')):.2f} "
        f"| {base['test/accuracy']:.1%} |\n\n"
        "All families under the same recipe: [Every family learns](../learns.md)."
    )


def caveats(family: str, doc: str) -> str:
    """What a user should know before relying on it, from the config itself."""
    cls = MODELS.entry(family).cls
    config = MODELS.config(f"{family}_tiny")
    out = []
    if "reconstruction" in doc.lower():
        out.append("Parts of it are a reconstruction, since no public code settles them; the description says which.")
    if not cls.causal:
        out.append("Outputs depend on later steps: it cannot be streamed step by step.")
    if cls.any_size:
        out.append("Images of other sizes than `img_size` are taken as well.")
    if config.positional():
        out.append("Some tensors follow `img_size`; `load_weights` interpolates them.")
    try:
        config.official_rules()
    except spikeformers.core.errors.CheckpointError:
        out.append("No official checkpoint layout is known, so none is read.")
    return "\n".join(f"- {line}" for line in out) or "None beyond what the description says."


def card(family: str, note: str, fields: str) -> str:
    """The whole page of a family."""
    entry = MODELS.entry(family)
    doc = (inspect.getdoc(entry.cls) or "").strip()
    config = MODELS.config(f"{family}_tiny")
    return "\n\n".join(
        [
            f"{note}# `{family}`",
            doc,
            f"Source: {entry.source}.",
            "## Variants",
            variants_table(family),
            "## Build it",
            example(family, config),
            f"## Structure\n\nDrawn from `{family}_tiny`; shapes are [T, B, …] for one image.",
            tree(config),
            "## Fields",
            fields,
            "## Official results",
            official(family),
            "## Our result",
            ours(family),
            "## Caveats",
            caveats(family, doc),
        ]
    )
