"""Checkpoints into models: what fits, what is fitted, what is refused."""

import logging
from pathlib import Path

import pytest
import torch

from spikeformers import create_model, load_weights
from spikeformers.core.errors import CheckpointError
from spikeformers.models.base import MODELS
from spikeformers.models.hub import export_official


@pytest.mark.parametrize("family", MODELS.families())
def test_the_official_layout_of_every_family_is_recognized(family: str, tmp_path: Path) -> None:
    model = create_model(f"{family}_tiny")
    try:
        official = export_official(model)
    except CheckpointError as refusal:
        pytest.skip(str(refusal))
    torch.save({"epoch": 3, "state_dict": {f"module.{k}": v for k, v in official.items()}}, tmp_path / "official.pth")
    fresh = load_weights(create_model(f"{family}_tiny"), tmp_path / "official.pth").state_dict()
    assert all(torch.equal(value, fresh[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("tim_tiny", 32, 64),
        ("tim_tiny", 32, (32, 64)),
        ("tim_tiny", (32, 64), (64, 128)),
        ("spiking_vgg_tiny", (16, 8), (32, 16)),
        ("masked_spiking_transformer_tiny", (16, 32), (32, 64)),
        ("masked_spiking_transformer_tiny", 16, 32),
        ("masked_spiking_transformer_tiny", 64, 32),
        ("spiking_vgg_tiny", 16, 32),
        ("sglformer_tiny", 16, 32),
        ("sglformer_tiny", (32, 16), (64, 32)),
        ("spikformer_tiny", 16, 32),
    ],
)
def test_a_checkpoint_for_another_image_size_is_fitted(
    name: str,
    before: int | tuple[int, int],
    after: int | tuple[int, int],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    small, large = create_model(name, img_size=before), create_model(name, img_size=after)
    torch.save(small.state_dict(), tmp_path / "w.pth")
    same = {
        n for n, t in small.state_dict().items() if n in large.state_dict() and large.state_dict()[n].shape == t.shape
    }
    with caplog.at_level(logging.INFO, logger="spikeformers"):
        load_weights(large, tmp_path / "w.pth")
    assert all(torch.equal(large.state_dict()[n], small.state_dict()[n]) for n in same)
    if len(same) < len(large.state_dict()):
        assert f"was trained at img_size={before}; fitted to {after}" in caplog.text
    with torch.no_grad():
        logits = large.eval()(torch.rand(2, large.config.in_channels, *large.config.image))
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("family", MODELS.families())
def test_other_classes_are_refused_and_the_head_can_be_kept(family: str, tmp_path: Path) -> None:
    trained, fresh = create_model(f"{family}_tiny"), create_model(f"{family}_tiny", num_classes=7)
    torch.save(trained.state_dict(), tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"other classes than num_classes=7.*reset_head=True"):
        load_weights(fresh, tmp_path / "w.pth")
    before = {name: value.clone() for name, value in fresh.state_dict().items()}
    load_weights(fresh, tmp_path / "w.pth", reset_head=True)
    after = fresh.state_dict()
    kept = [name for name, value in trained.state_dict().items() if value.shape != before[name].shape]
    assert kept
    assert all(torch.equal(after[name], before[name]) for name in kept)
    assert all(torch.equal(after[n], value) for n, value in trained.state_dict().items() if n not in kept)


def test_another_model_is_refused_with_leftovers_by_prefix(tmp_path: Path) -> None:
    torch.save(create_model("spikformer_tiny", depth=3).state_dict(), tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"tensors of the file are not in the model: blocks\.1\.\*"):
        load_weights(create_model("spikformer_tiny", depth=1), tmp_path / "w.pth")
    torch.save(create_model("tim_tiny", img_size=64, mlp_ratio=4.0).state_dict(), tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match="shapes differ"):
        load_weights(create_model("tim_tiny", img_size=32), tmp_path / "w.pth")


def test_an_official_file_of_another_family_is_refused_with_the_family_that_it_is_of(tmp_path: Path) -> None:
    state = export_official(create_model("sdt_v2_tiny"))
    torch.save({"model": state}, tmp_path / "official.pth")
    with pytest.raises(
        CheckpointError, match=r"official ones of 'spikformer': .*; its names are those of the official 'sdt_v2'"
    ):
        load_weights(create_model("spikformer_tiny"), tmp_path / "official.pth")
