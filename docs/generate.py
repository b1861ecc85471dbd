"""Write the reference pages of the docs from the registries: `make docs`, checked by a test.

A page is never edited by hand; what it says stands in the docstrings and fields of the code.
"""

import argparse
import dataclasses
import functools
import inspect
import itertools
import os
import sys
from collections.abc import Callable
from pathlib import Path

from spikeformers.core.config import Config
from spikeformers.core.registry import Entry, Registry

PAGES = Path(__file__).parent / "reference"
NOTE = "<!-- Written by docs/generate.py from the registry; edit the docstrings instead. -->\n"
RECORDED = (
    "<!-- Written by docs/generate.py from benchmarks/results/fidelity.json, a record of benchmarks/fidelity.py. -->\n"
)


def summary(cls: type) -> str:
    """First paragraph of a docstring on one line."""
    return " ".join((inspect.getdoc(cls) or "").split("\n\n")[0].split())


def field_comments(cls: type) -> dict[str, str]:
    """The docstring line under each field, own and inherited."""
    import ast
    import textwrap

    comments: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if not dataclasses.is_dataclass(base):
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0].body  # type: ignore[attr-defined]
        for statement, after in itertools.pairwise(body):
            named = isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
            if named and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                comments[statement.target.id] = " ".join(str(after.value.value).split())  # type: ignore[attr-defined]
    return comments


def shown(value: object) -> str:
    """A default in a table cell."""
    if isinstance(value, Config):
        return f"`{value.family}`" if value.registry is not None else f"`{type(value).__name__}`"
    return f"`{value!r}`"


def fields_table(cls: type[Config]) -> str:
    """Fields, defaults and meanings."""
    comments = field_comments(cls)
    rows = ["| field | default | meaning |", "|---|---|---|"]
    for field in dataclasses.fields(cls):
        default = "" if field.default is dataclasses.MISSING else shown(field.default)
        rows.append(f"| `{field.name}` | {default} | {comments.get(field.name, '').replace('|', '∣')} |")
    return "\n".join(rows) if len(rows) > 2 else "No fields."


def variants_table(variants: list[Entry[Config]]) -> str:
    """In what each variant of a family differs from its defaults; nothing where there is none."""
    if not variants:
        return ""
    changes = [", ".join(f"`{name}` {shown(value)}" for name, value in entry.changes.items()) for entry in variants]
    rows = [
        f"| `{e.name}` | {change or 'nothing: another name'} |" for e, change in zip(variants, changes, strict=True)
    ]
    return "\n".join(["", "| variant | differs in |", "|---|---|", *rows, ""])


def component(
    entry: Entry[Config], variants: list[Entry[Config]], more: Callable[[type[Config]], str] | None = None
) -> str:
    """One family: what it is, its equation, its fields and variants, its source, and what `more` has to say of it."""
    doc = (inspect.getdoc(entry.cls) or "").strip()
    source = f"\n\nSource: {entry.source}." if entry.source else ""
    told = f"\n\n{more(entry.cls)}" if more else ""
    return f"## `{entry.name}`\n\n{doc}{source}{told}\n\n{fields_table(entry.cls)}\n{variants_table(variants)}"


def components(
    registry: Registry[Config], title: str, intro: str, more: Callable[[type[Config]], str] | None = None
) -> str:
    """A page with a section for every family of a registry."""
    families = [entry for entry in registry if entry.name == entry.family]
    variants = {f.name: [entry for entry in registry if entry.family == f.name != entry.name] for f in families}
    sections = (component(entry, variants[entry.name], more) for entry in families)
    return f"{NOTE}# {title}\n\n{intro}\n\n" + "\n".join(sections)


LONGEST_STEP = 48
"""Operations of a step whose derived equation is still worth reading."""


def neuron_facts(cls: type[Config]) -> str:
    """What is derived from a neuron's definition: its step as it runs, and its node in NIR."""
    node = " ".join((inspect.getdoc(cls.to_nir) or "").split("Args:")[0].split())  # type: ignore[attr-defined]
    return f"{step_as_it_runs(cls)}NIR: {node}"


def step_as_it_runs(cls: type[Config]) -> str:
    """The equations of the kernels, from the recorded step of the default fields; nothing for a neuron without equations."""
    from spikeformers.kernels.scan.latex import equation
    from spikeformers.neurons import ScanConfig

    config = cls()
    if not isinstance(config, ScanConfig):
        return ""
    program = config.definition().program
    size = len(program.graph.live([program.y, *program.new_states]))
    if size > LONGEST_STEP:
        return f"As it runs with these defaults: {size} operations a step.\n\n"
    rows = " \\\\\n".join(row.replace(" = ", " &= ", 1) for row in equation(config.definition()).splitlines())
    return f"As it runs with these defaults:\n\n$$\n\\begin{{aligned}}\n{rows}\n\\end{{aligned}}\n$$\n\n"


def models() -> str:
    """Every family in one table, with a link to its card."""
    from cards import parameters

    from spikeformers.models.base import MODELS

    out = [
        f"{NOTE}# Models\n\n`spikeformers list models` prints every variant; `create_model(name)` builds one. How "
        "near each family is to its official code: [Fidelity](fidelity.md).\n"
    ]
    out.append("| family | what it is | variants | parameters | source |\n|---|---|---:|---:|---|")
    for family in MODELS.families():
        entry, names = MODELS.entry(family), MODELS.variants(family)
        sizes = [parameters(name) for name in names]
        span = f"{min(sizes) / 1e6:.2f} … {max(sizes) / 1e6:.2f} M"
        link = f"[`{family}`](../models/{family}.md)"
        out.append(f"| {link} | {summary(entry.cls)} | {len(names)} | {span} | {entry.source} |")
    return "\n".join(out)


def fidelity() -> str:
    """What was compared with official code."""
    from fidelity import page

    return f"{RECORDED}{page()}"


def model_card(family: str) -> str:
    """The card of one family."""
    from cards import card

    from spikeformers.models.base import MODELS

    return card(family, NOTE, fields_table(MODELS.entry(family).cls))


def datasets() -> str:
    """The card of every dataset."""
    from spikeformers.data.base import DATASETS

    out = [f"{NOTE}# Datasets\n\n`spikeformers list datasets` prints this list.\n"]
    for entry in DATASETS:
        card = entry.config().info.card
        out.append(f"## `{entry.name}`\n\n{summary(entry.cls)}\n\n```text\n{card}\n```\n\n{fields_table(entry.cls)}\n")
    return "\n".join(out)


def neurons() -> str:
    from spikeformers.neurons import NEURONS

    intro = (
        "Every neuron given by equations runs as the eager reference and as fused kernels derived from the same lines. "
        "`spikeformers.neurons.LIF(tau=2.0)` builds a module; `model.neuron=plif` on the command line swaps one in. *As it "
        "runs* is derived from the same lines: Θ is the spike, sg stops the gradient."
    )
    return components(NEURONS, "Neurons", intro, neuron_facts)


def surrogates() -> str:
    from spikeformers.neurons import SURROGATES

    return components(
        SURROGATES, "Surrogate derivatives", "What stands in for the derivative of a spike, at u = h − v_threshold."
    )


def attentions() -> str:
    from spikeformers.layers.attention.base import ATTENTIONS
    from spikeformers.models.base import MODELS, AttentiveConfig

    takers = [f for f in MODELS.families() if issubclass(MODELS.entry(f).cls, AttentiveConfig)]
    intro = (
        'What spiking queries, keys and values make of each other: `create_model("sdt_v1_2_256", attention="statten")`, or '
        "`model.attention=statten` on the command line. Taken by "
        + ", ".join(f"[`{family}`](../models/{family}.md)" for family in takers)
        + "; what does not fit a model's widths or steps is refused when it is built."
    )
    return components(ATTENTIONS, "Attention operators", intro)


def stems() -> str:
    from spikeformers.layers.stems import STEMS, StemConfig
    from spikeformers.models.base import MODELS

    takers = [f for f in MODELS.families() if MODELS.entry(f).cls.field_types().get("stem") is StemConfig]
    intro = (
        'From images to the first map of tokens: `create_model("spikformer_4_384", stem="ms_sps")`, or '
        "`model.stem=ms_sps` on the command line. Taken by "
        + ", ".join(f"[`{family}`](../models/{family}.md)" for family in takers)
        + "."
    )
    return components(STEMS, "Stems", intro)


def encoders() -> str:
    from spikeformers.encoders.base import ENCODERS

    return components(ENCODERS, "Encoders", "From values in [0, 1] to inputs over time.")


def sounds() -> str:
    from spikeformers.data.audio.view import SOUNDS

    intro = (
        "How a recording becomes the T steps of D values that a network hears: the field `sound` of every dataset of "
        "recordings, `data.sound=cochlea` on the command line."
    )
    return components(SOUNDS, "Sound views", intro)


def point_views() -> str:
    from spikeformers.data.points.views import VIEWS

    intro = (
        "What a model gets of a cloud of points: the field `view` of every dataset of clouds, `data.view=points` on the "
        "command line. Slices are images over time, so that every spiking model for event frames takes them."
    )
    return components(VIEWS, "Point views", intro)


def tokenizers() -> str:
    from spikeformers.data.text.tokenizers import TOKENIZERS

    intro = (
        "How text becomes tokens: the field `tokenizer` of the datasets of text, `data.tokenizer=bpe` on the command line. "
        "What is learned is learned from the training part alone; token 0 ends a document and fills short rows."
    )
    return components(TOKENIZERS, "Tokenizers", intro)


def representations() -> str:
    from spikeformers.data.events.representation import REPRESENTATIONS

    intro = (
        "How a recording of an event camera becomes a tensor: the field `representation` of every dataset of events, "
        "`data.representation=voxel_grid` on the command line."
    )
    return components(REPRESENTATIONS, "Event representations", intro)


def augmentations() -> str:
    from spikeformers.data.transforms.base import AUGMENTS

    intro = (
        "Random changes of training samples that keep their labels: the field `augment` of every dataset, "
        "`data.augment=rand_augment` on the command line. Whole batches are changed at once, as a pure function of seed, "
        "epoch and batch."
    )
    return components(AUGMENTS, "Augmentations", intro)


def mixes() -> str:
    from spikeformers.data.transforms.mix import MIXES

    intro = (
        "Mixing of training samples with others of their batch, after augmentation; labels become probabilities in the same "
        "measure: the field `mix` of every dataset, `data.mix=cutmix` on the command line."
    )
    return components(MIXES, "Mixes", intro)


def pages() -> dict[str, Callable[[], str]]:
    """File, from the folder of reference pages → what writes it."""
    from spikeformers.models.base import MODELS

    cards = {f"../models/{family}.md": functools.partial(model_card, family) for family in MODELS.families()}
    return {
        **cards,
        "models.md": models,
        "fidelity.md": fidelity,
        "neurons.md": neurons,
        "surrogates.md": surrogates,
        "attentions.md": attentions,
        "stems.md": stems,
        "encoders.md": encoders,
        "datasets.md": datasets,
        "sounds.md": sounds,
        "point_views.md": point_views,
        "tokenizers.md": tokenizers,
        "representations.md": representations,
        "augmentations.md": augmentations,
        "mixes.md": mixes,
    }


def main(argv: list[str] | None = None) -> int:
    """Write the pages, or with --check say which are out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a page is out of date")
    arguments = parser.parse_args(argv)
    os.environ.setdefault("SPIKEFORMERS_KERNELS", "reference")  # nothing to compile for a shape
    stale = []
    for name, write in pages().items():
        text = write().rstrip() + "\n"
        path = PAGES / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not arguments.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    gone = [p for p in (PAGES.parent / "models").glob("*.md") if f"../models/{p.name}" not in pages()]
    for path in gone:
        stale.append(f"../models/{path.name}")
        if not arguments.check:
            path.unlink()
    if stale:
        sys.stderr.write(
            ("out of date, run `make docs`: " if arguments.check else "written: ") + ", ".join(stale) + "\n"
        )
    return 1 if stale and arguments.check else 0


if __name__ == "__main__":
    raise SystemExit(main())
