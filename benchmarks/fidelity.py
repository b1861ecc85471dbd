"""How far every family is from its official code: outputs, parameter counts, names and shapes.

    python benchmarks/fidelity.py

Loads every file of official outputs (`tests/golden`, and `golden` of the developers' shared folder where it lies beside
the checkout) through `from_official` and measures the largest absolute difference in float64; counts the rows of the
tests of parameters and the lists of official names. Writes benchmarks/results/fidelity.json, of which `docs/generate.py`
makes docs/reference/fidelity.md.
"""

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import series
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from series import ROOT
from torch import Tensor

from spikeformers import from_official
from spikeformers.engine.machine import machine_card
from spikeformers.models.base import MODELS

OUT = ROOT / "benchmarks" / "results" / "fidelity.json"
SHARED = Path(os.environ.get("SPIKEFORMERS_SHARED", ROOT.parent / "shared")) / "golden"
SOURCES = {
    "autost_cifar": ("autost", "AlexandreWANG915/AutoST @ 7e7ca450c1"),
    "max_former_cifar": ("maxformer", "bic-L/MaxFormer @ 6ddd4ccde2"),
    "mst_qcfs": ("masked_spiking_transformer", "bic-L/Masked-Spiking-Transformer @ 368c9a54aa"),
    "qkformer_cifar": ("qkformer", "zhouchenlin2096/QKFormer @ c2a00e8e54"),
    "qsd": ("qsd", "bollossom/QSD-Transformer @ cd7338338e"),
    "sdt1_cifar": ("sdt_v1", "BICLab/Spike-Driven-Transformer @ 3faa82272e"),
    "sdt2": ("sdt_v2", "BICLab/Spike-Driven-Transformer-V2 @ 35f245f4f7"),
    "sdt3_base": ("sdt_v3", "BICLab/Spike-Driven-Transformer-V3 @ 00fcd1fd5d"),
    "sdt_v3_large_base": ("sdt_v3", "BICLab/Spike-Driven-Transformer-V3"),
    "sdt_v3_large_large": ("sdt_v3_large", "BICLab/Spike-Driven-Transformer-V3"),
    "sglformer_cifar": ("sglformer", "ZhangHanN1/SGLFormer @ 4821b133c9"),
    "sglformer_dvs": ("sglformer", "ZhangHanN1/SGLFormer @ 4821b133c9"),
    "sglformer_imagenet": ("sglformer", "ZhangHanN1/SGLFormer @ 4821b133c9"),
    "sglformer_imagenet_late": ("sglformer", "ZhangHanN1/SGLFormer @ 4821b133c9"),
    "spikformer_cifar": ("spikformer", "ZK-Zhou/spikformer @ 6212689818"),
    "spikformer_imagenet": ("spikformer", "ZK-Zhou/spikformer @ 6212689818"),
    "spikingformer_cifar": ("spikingformer", "zhouchenlin2096/Spikingformer @ 4378623b82"),
    "spikingresformer_dvs": ("spikingresformer", "xyshi2000/SpikingResformer"),
    "spikingresformer_imagenet": ("spikingresformer", "xyshi2000/SpikingResformer"),
    "statten_cifar": ("statten", "Intelligent-Computing-Lab-Yale/STAtten @ e9048a18b0"),
    "swformer_cifar": ("swformer", "bic-L/Spiking-Wavelet-Transformer @ da8c6440b1"),
    "swformer_dvs": ("swformer", "bic-L/Spiking-Wavelet-Transformer @ da8c6440b1"),
    "swformer_imagenet": ("swformer", "bic-L/Spiking-Wavelet-Transformer @ da8c6440b1"),
}
"""Family and official code of the files whose metadata do not say it."""
DEFECT = {"tim_released"}
"""Files made with an official defect that our default does not have, so that only `parity=True` is compared."""


def measure(path: Path) -> dict[str, Any] | None:
    """One file: the largest difference of our default from the official samples run alone, and of `parity=True` from their batch.

    None for a file that holds no logits (a pre-training has a test of its own).
    """
    with safe_open(path, "pt") as file:
        told, names = file.metadata(), set(file.keys())
    if "y_single" not in names:
        return None
    family, source = (told["family"], told["source"]) if "family" in told else SOURCES[path.stem]
    tensors, arguments = load_file(path), json.loads(told["official_config"])
    state = {n[3:]: t.double() if t.is_floating_point() else t for n, t in tensors.items() if n.startswith("sd.")}
    x = tensors["x"].double()
    x = x.transpose(0, 1) if x.dim() == 5 else x  # official event frames are [B, T, P, H, W]

    def difference(parity: bool, wanted: Tensor) -> float:
        model = from_official(family, state, parity=parity, **arguments)
        with torch.no_grad():
            logits = model(x)
        ours = logits if wanted.dim() == logits.dim() else model.readout(logits)
        return float((ours - wanted).abs().max())

    alone, batch = tensors["y_single"], tensors["y"]
    leaks = not torch.allclose(alone, batch, rtol=0, atol=1e-9)
    return {
        "file": path.stem,
        "family": family,
        "official": source,
        "own": path.parent != SHARED,
        "default": None if path.stem in DEFECT else difference(False, alone),
        "parity": difference(True, batch) if leaks or path.stem in DEFECT else None,
    }


def counted(folder: Path) -> dict[str, int]:
    """Family → rows of the tests that hold parameter counts, of official classes or as published."""
    rows: dict[str, int] = {}
    for path in sorted(folder.glob("test_*.py")):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None or "PARAMETERS" not in path.read_text(encoding="utf-8"):
            continue
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        changed = [row[0] for row in getattr(module, "CHANGED", ())]
        for name in [*module.PARAMETERS, *getattr(module, "MILLIONS", ()), *changed]:
            family = MODELS.entry(name).family
            rows[family] = rows.get(family, 0) + 1
    return rows


def listed(folder: Path) -> dict[str, int]:
    """Family → lists of official names and shapes, by the longest family name that a list's name starts with."""
    lists: dict[str, int] = {}
    for path in sorted(folder.glob("*.txt")):
        family = max((f for f in MODELS.families() if path.stem.startswith(f)), key=len)
        lists[family] = lists.get(family, 0) + 1
    return lists


def main() -> int:
    """Measure and write."""
    tests = ROOT / "tests"
    paths = sorted([*(tests / "golden").glob("*.safetensors"), *SHARED.glob("*.safetensors")], key=lambda p: p.stem)
    files = [row for path in paths if (row := measure(path)) is not None]
    parameters, lists = counted(tests / "models"), listed(tests / "keys")
    families = {f: {"parameters": parameters.get(f, 0), "lists": lists.get(f, 0)} for f in MODELS.families()}
    series.write_record(OUT, {"files": files, "families": families, "machine": machine_card()})
    print(OUT)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
