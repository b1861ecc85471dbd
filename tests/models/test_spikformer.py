"""Spikformer against its official code: outputs, names, parameter counts."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from spikeformers import from_official
from spikeformers.core.errors import CheckpointError, ConfigError
from spikeformers.models.base import SpikingModel
from spikeformers.models.hub import count_parameters, export_official

# Official trainable parameters, less the layer norms (and event position embedding) that are never called.
PARAMETERS = {
    "spikformer_8_384": 16_816_024,
    "spikformer_6_512": 23_373_352,
    "spikformer_8_512": 29_689_384,
    "spikformer_10_512": 36_005_416,
    "spikformer_8_768": 66_338_632,
    "spikformer_4_256": 4_159_274 - 4_096,
    "spikformer_2_384": 5_768_122 - 3_072,
    "spikformer_4_384": 9_330_874 - 6_144,
    "spikformer_2_256": 2_566_666,
}


@pytest.mark.parametrize(("name", "parameters"), PARAMETERS.items())
def test_parameter_counts_are_the_official_ones(name: str, parameters: int) -> None:
    assert count_parameters(name) == parameters


def golden(shared: Path, name: str) -> tuple[SpikingModel, dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    path = shared / "golden" / f"{name}.safetensors"
    with safe_open(path, "pt") as file:
        arguments = json.loads(file.metadata()["official_config"])
    tensors = load_file(path)
    state = {k[3:]: v.double() if v.is_floating_point() else v for k, v in tensors.items() if k.startswith("sd.")}
    return from_official("spikformer", state, **arguments), tensors, state


@pytest.mark.parametrize("name", ["spikformer_cifar", "spikformer_imagenet"])
def test_outputs_equal_the_official_ones(shared: Path, name: str) -> None:
    model, tensors, state = golden(shared, name)
    with torch.no_grad():
        logits = model(tensors["x"].double())
    assert logits.shape[:2] == (4, 2)
    assert (model.readout(logits) - tensors["y"]).abs().max() <= 1e-9
    kept = {n: t for n, t in state.items() if ".norm1." not in n and ".norm2." not in n}
    back = export_official(model)
    assert set(back) == set(kept)
    assert all(torch.equal(back[n], kept[n]) for n in kept)


def test_wrong_arguments_and_foreign_tensors_are_refused(shared: Path) -> None:
    _, _, state = golden(shared, "spikformer_cifar")
    with pytest.raises(ConfigError, match="no argument 'num_head'; did you mean 'num_heads'"):
        from_official("spikformer", state, num_head=4)
    with pytest.raises(CheckpointError, match=r"1 tensors fit no rule of this family: 'surprise'"):
        from_official("spikformer", {**state, "surprise": torch.ones(1)}, img_size_h=32, num_heads=12)
    with pytest.raises(CheckpointError, match=r"not in the file: 'head\.bias'"):
        from_official("spikformer", {k: v for k, v in state.items() if k != "head.bias"}, img_size_h=32, num_heads=12)
    with pytest.raises(CheckpointError, match="not of this family"):
        from_official("spikformer", {"something.else": torch.ones(1)})
