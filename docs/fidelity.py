"""How far every family is from its official code: the page of what `benchmarks/fidelity.py` recorded."""

import inspect
import json
import re
from pathlib import Path
from typing import Any

from spikeformers.models.base import MODELS

ROOT = Path(__file__).resolve().parents[1]
RECORD = ROOT / "benchmarks" / "results" / "fidelity.json"
EQUAL = 1e-9
"""Largest difference in float64 that counts as equal."""

INTRO = """\
What is claimed of every family, and by what it was checked. Tiny official models with random weights, batch statistics
chosen so that nearly every neuron fires, were run in float64 by their own code; the same weights through `from_official`
give the differences below. *Equal* is at most 10⁻⁹. Each family's parameters and tensor names are compared at its
real sizes. `python benchmarks/fidelity.py` measures it again; the tests demand the same at every run.

- **equal**: outputs, names, shapes and parameter counts are those of the official code.
- **reconstruction**: no public code settles it; what it was fitted to is said below.
- **open**: nothing official was compared.
"""


def reconstructions(family: str) -> str:
    """What the family's description says of parts that no public code settles, each to the end of its paragraph."""
    out = []
    for paragraph in (inspect.getdoc(MODELS.entry(family).cls) or "").split("\n\n"):
        sentences = re.split(r"(?<=[.;])\s+(?=[A-Z`])", " ".join(paragraph.split()))
        places = [place for place, sentence in enumerate(sentences) if "reconstruct" in sentence.lower()]
        out += sentences[places[0] :] if places else []
    return " ".join(out)


def largest(files: list[dict[str, Any]]) -> float:
    """The largest difference of some files."""
    return max(row[kind] for row in files for kind in ("default", "parity") if row[kind] is not None)


def shown(difference: float | None) -> str:
    """A difference in a cell."""
    return "" if difference is None else "0" if difference == 0 else f"{difference:.1e}"


def verdict(family: str, files: list[dict[str, Any]], facts: dict[str, int]) -> str:
    """In a word or two."""
    fitted = bool(reconstructions(family))
    if not files:
        return "reconstruction" if fitted else "names and shapes" if facts["lists"] else "open"
    if largest(files) > EQUAL:
        return "open"
    return "equal, with options that are a reconstruction" if fitted else "equal"


def page() -> str:
    """The whole page."""
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    lines = [
        "# Fidelity\n",
        INTRO,
        "| family | verdict | files compared | largest difference | parameter counts compared | lists of names and shapes |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for family, facts in record["families"].items():
        files = [row for row in record["files"] if row["family"] == family]
        difference = shown(largest(files)) if files else "–"
        lines.append(
            f"| [`{family}`](../models/{family}.md) | {verdict(family, files, facts)} | {len(files)} | {difference} "
            f"| {facts['parameters']} | {facts['lists']} |"
        )
    lines += ["\n## Reconstructions\n"]
    lines += [f"- `{family}`: {text}" for family in record["families"] if (text := reconstructions(family))]
    lines += [
        "\nAttention operators and stems that are reconstructions say so on [their](attentions.md) [pages](stems.md).\n",
        "## Files of official outputs\n",
        "*Default*: our default against the official samples run alone. *Parity*: `parity=True`, which reproduces an official",
        "defect, against the official batch; only where the official code has one. Files marked ∘ lie in the developers' shared",
        "folder, the others in `tests/golden`, with their provenance inside.\n",
        "| file | family | official code | default | parity |",
        "|---|---|---|---:|---:|",
    ]
    for row in record["files"]:
        mark = "" if row["own"] else " ∘"
        cells = (f"`{row['file']}`{mark}", f"`{row['family']}`", row["official"])
        lines.append(f"| {' | '.join(cells)} | {shown(row['default'])} | {shown(row['parity'])} |")
    return "\n".join(lines) + "\n"
