"""Combinations that make no sense are refused when a model is built, fed or loaded, in one line that says why."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from spikeformers import from_official, load_weights
from spikeformers.core.errors import CheckpointError, ConfigError, ShapeError
from spikeformers.models.hub import create_model

BUILT: list[tuple[str, dict[str, Any], str]] = [
    ("spikformer_tiny", {"mlp_ratio": float("nan")}, "mlp_ratio=nan must be above 0 and finite"),
    ("spikformer_tiny", {"mlp_ratio": float("inf")}, "mlp_ratio=inf must be above 0 and finite"),
    ("spikformer_tiny", {"mlp_ratio": 0.001}, "gets 0 hidden channels.*take a larger mlp_ratio"),
    ("sdt_v2_tiny", {"mlp_ratio": 0.0001}, "gets 0 hidden channels"),
    ("autost_tiny", {"mlp_ratios": (float("nan"), 2.0)}, r"mlp_ratios=\(nan, 2.0\) must be above 0"),
    ("spikformer_tiny", {"stem": "scs"}, "'scs' halves the map in each.*pools='0011' must be '1111'"),
    ("qkformer_tiny", {"dim": 65}, "cannot be halved 2 times for 3 stages; nearest valid: 64, 68"),
    ("qkformer_2_256", {"dim": 72, "heads": 4}, "first stage of 36 channels.*nearest valid dim: 64, 80"),
    ("statten_tiny", {"timesteps": 3}, "chunk=2 steps does not fill timesteps=3; chunks that do: 1, 3"),
    ("tim_tiny", {"out_threshold": 0.0}, "out_threshold=0.0 must be above 0"),
    ("swformer_tiny", {"blocks": 3}, "blocks=3 must divide dim=64"),
]


@pytest.mark.parametrize(("name", "changes", "reason"), BUILT)
def test_a_model_that_makes_no_sense_is_refused_when_it_is_built(
    name: str, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason) as refusal:
        create_model(name, **changes)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("x", "what"), [(torch.zeros(2, 3, 32, 32, dtype=torch.uint8), "torch.uint8"), ([1.0], "list")]
)
def test_what_is_no_tensor_of_numbers_is_refused(x: Any, what: str) -> None:
    with pytest.raises(ShapeError, match=f"floating-point numbers; got {what}"):
        create_model("spikformer_tiny")(x)


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"in_channels": 1}, "its sizes are those of in_channels=3, the model's of in_channels=1"),
        ({"depth": 2}, "its sizes are those of depth=1, the model's of depth=2"),
        ({"dim": 32, "depth": 2}, "its sizes are those of dim=64, depth=1, the model's of dim=32, depth=2"),
    ],
)
def test_weights_of_another_size_tell_which(tmp_path: Path, changes: dict[str, Any], advice: str) -> None:
    save_file(create_model("spikformer_tiny").state_dict(), tmp_path / "weights.safetensors")
    with pytest.raises(CheckpointError, match=advice):
        load_weights(create_model("spikformer_tiny", **changes), tmp_path / "weights.safetensors")


def test_weights_of_another_family_tell_which_and_half_a_file_what_it_lacks(tmp_path: Path) -> None:
    state = create_model("spikformer_tiny").state_dict()
    save_file(state, tmp_path / "whole.safetensors")
    save_file({n: t for n, t in state.items() if "blocks" not in n}, tmp_path / "half.safetensors")
    with pytest.raises(CheckpointError, match="its names are those of our 'spikformer'"):
        load_weights(create_model("qkformer_tiny"), tmp_path / "whole.safetensors")
    with pytest.raises(CheckpointError, match="42 tensors of the model are not in the file: blocks"):
        load_weights(create_model("spikformer_tiny"), tmp_path / "half.safetensors")
    with pytest.raises(CheckpointError, match="is a folder, not a file"):
        load_weights(create_model("spikformer_tiny"), tmp_path)


def test_official_weights_may_be_wrapped_and_must_be_tensors() -> None:
    with pytest.raises(CheckpointError, match=r"no tensor 'patch_embed\.proj_conv3\.weight'"):
        from_official("spikformer", {"model": {"module.x": torch.ones(1)}, "epoch": 3})
    with pytest.raises(CheckpointError, match="holds no tensors"):
        from_official("spikformer", {"epoch": 3})
