"""Masked autoencoders: equal to the official SpikMAE, blind to what is hidden, and a start for the models themselves."""

import copy
import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from spikeformers import create_model, load_weights
from spikeformers.core.errors import CheckpointError, ConfigError
from spikeformers.kernels import pack
from spikeformers.models.adapt import checkpoint_blocks
from spikeformers.models.base import MODELS
from spikeformers.models.hub import start_from
from spikeformers.models.masked_autoencoder import (
    DecoderConfig,
    Mask,
    MaskedAutoencoder,
    MaskedAutoencoderConfig,
    autoencoder_from_official,
    draw_mask,
    load_autoencoder,
)

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "spikmae.safetensors"
SMALL = DecoderConfig(dim=8, depth=1, heads=2, mlp_ratio=1.0)
LARGE = {"dims": (8, 8, 16), "depth": 2, "heads": 2, "img_size": 48}


def golden() -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Any]]:
    """The file's tensors, the official state dict among them in float64, and the official arguments."""
    with safe_open(GOLDEN, "pt") as file:
        arguments = json.loads(file.metadata()["official_config"])
    tensors = load_file(GOLDEN)
    state = {n[3:]: t.double() if t.is_floating_point() else t for n, t in tensors.items() if n.startswith("sd.")}
    return tensors, state, arguments


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_patches_are_drawn_as_by_the_official_code(mode: str) -> None:
    tensors, state, arguments = golden()
    mask = Mask(tensors["ranks"], arguments.pop("keep"))
    model = autoencoder_from_official("sdt_v3_large", state, parity=True, **arguments).train(mode == "train")
    with torch.no_grad():
        drawn = model(tensors["x"].double(), mask)[0]
    torch.testing.assert_close(drawn[:, :, ::16], tensors[f"y_{mode}"], rtol=0, atol=1e-9)
    variance = model.encoder.levels[2][1].channel.fc2.unit.norm.running_var
    assert torch.allclose(variance, tensors["running_var"], rtol=0, atol=1e-12) == (mode == "train")


def test_the_decoder_gets_its_tokens_in_place_unless_the_released_code_is_asked_for() -> None:
    tensors, state, arguments = golden()
    mask = Mask(tensors["ranks"], arguments.pop("keep"))
    model = autoencoder_from_official("sdt_v3_large", state, **arguments)
    tokens = torch.randn(2, 9, 16, dtype=torch.float64)
    hidden = tokens.masked_fill(mask.visible[..., None], 0.0)
    assert torch.equal(model.decoder(tokens, mask), model.decoder(tokens - hidden + 3 * hidden.abs(), mask))
    assert torch.equal(model.decoder.mask_token, state["mask_token"])


@pytest.mark.parametrize("family", MODELS.families())
def test_nothing_of_a_hidden_patch_reaches_any_family_and_every_parameter_learns(family: str) -> None:
    config = MODELS.config(f"{family}_tiny")
    with torch.device("meta"):
        stride = config.build().feature_info[-1].reduction
    if config.image == (stride, stride):
        config = config.but(img_size=2 * stride)
    model = MaskedAutoencoderConfig(encoder=config, decoder=SMALL, channels=config.in_channels).build()
    images = torch.rand(2, config.in_channels, *config.image)
    mask = draw_mask(2, model.grid[0] * model.grid[1], 0.5)
    target = model.patches(images)
    drawn = model(images, mask)[0]
    (drawn - target)[~mask.visible].square().sum().backward()
    idle = {name for name, p in model.named_parameters() if p.grad is None}
    assert not idle, "these would stay as they are in pre-training"
    model.eval()
    hidden = model.hide(torch.ones_like(images), mask) == 0
    other = torch.where(hidden, torch.rand_like(images), images)
    with torch.no_grad():
        torch.manual_seed(0)
        before = model(images, mask)
        torch.manual_seed(0)
        after = model(other, mask)
    assert not torch.equal(images, other)
    assert torch.equal(before, after)


def test_patches_lie_row_by_row_with_channels_last_and_go_back() -> None:
    model = tiny(img_size=(32, 48))
    images = torch.arange(3 * 32 * 48.0).view(1, 3, 32, 48)
    patches = model.patches(images)
    assert model.grid == (2, 3)
    assert patches.shape == (1, 6, 768)
    assert torch.equal(patches[0, 4, :6], images[0, :, 16, 16:18].t().flatten())
    assert torch.equal(model.images(patches), images)


def tiny(**fields: Any) -> MaskedAutoencoder:
    encoder = MODELS.config("sdt_v3_large_tiny").but(**fields)
    return MaskedAutoencoderConfig(encoder=encoder, decoder=SMALL).build()


@pytest.mark.parametrize("way", ["recomputed blocks", "packed spikes"])
def test_gradients_under_masks_stay_what_they_are_in_less_memory(way: str) -> None:
    torch.manual_seed(0)
    plain = tiny(img_size=32, neuron="lif", timesteps=2)
    other = copy.deepcopy(plain)
    images, mask = torch.rand(2, 3, 32, 32), draw_mask(2, 4, 0.5)
    if way == "recomputed blocks":
        checkpoint_blocks(other)
    for model, scope in ((plain, nullcontext()), (other, pack.saved() if way == "packed spikes" else nullcontext())):
        with scope:
            loss = model(images, mask).square().sum()
        loss.backward()
    for (name, one), two in zip(plain.named_parameters(), other.parameters(), strict=True):
        if one.grad is not None:
            torch.testing.assert_close(two.grad, one.grad, msg=name)
    for (name, one), two in zip(plain.named_buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(two, one, msg=name)


def test_a_mask_hides_its_share_and_leaves_one_patch_either_way() -> None:
    assert (~draw_mask(5, 16, 0.75).visible).sum(1).tolist() == [12] * 5
    assert draw_mask(1, 4, 0.01).keep == 3
    assert draw_mask(1, 4, 0.99).keep == 1
    assert not torch.equal(draw_mask(1, 64, 0.5).ranks, draw_mask(1, 64, 0.5).ranks)


def test_an_image_of_one_patch_and_a_width_without_positions_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"img_size=16 is one patch .* at least img_size=32"):
        tiny(img_size=16)
    with pytest.raises(ConfigError, match=r"dim=6 of a decoder is not divisible by 4; nearest valid: 4, 8"):
        DecoderConfig(dim=6, heads=2)


def official(folder: Path) -> Path:
    path = folder / "pretrained.pth"
    torch.save({"model": golden()[1], "epoch": 199}, path)
    return path


def test_an_official_pretraining_starts_the_classifier(tmp_path: Path) -> None:
    path = official(tmp_path)
    model = create_model("sdt_v3_12_512", **LARGE, num_classes=7, init_scale=1.0).double()
    own = model.head.weight.clone()
    said = start_from(model, path)
    assert "the model's own: blocks.* (4, e.g. 'blocks.0.scale1'), head.* (2" in said
    assert "left out of the file: norm.*" in said
    assert "decoder.*" in said
    assert torch.equal(model.head.weight, own)
    around = autoencoder_from_official("sdt_v3_large", golden()[1], img_size=48, num_heads=2, decoder_num_heads=2)
    x = torch.rand(1, 3, 48, 48, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(model.eval().features(x)[-1], around.encoder.features(x)[-1], rtol=0, atol=1e-12)
    fresh = create_model("sdt_v3_12_512", **LARGE)
    load_weights(fresh, path, reset_head=True)
    assert torch.equal(
        fresh.blocks[1].attention.q.up.linear.weight.double(), model.blocks[1].attention.q.up.linear.weight
    )
    with pytest.raises(CheckpointError, match=r"masked autoencoder, which has no head; pass reset_head=True"):
        load_weights(fresh, path)


def test_other_widths_than_those_of_the_pretraining_are_named(tmp_path: Path) -> None:
    model = create_model("sdt_v3_12_512", **{**LARGE, "dims": (12, 8, 16)})
    with pytest.raises(CheckpointError, match=r"its sizes are those of dims=\(8, 8, 16\), the model's of dims=\(12, 8"):
        start_from(model, official(tmp_path))


def test_a_head_of_the_same_classes_is_taken_and_one_of_others_is_not(tmp_path: Path) -> None:
    source = create_model("sdt_v3_large_tiny")
    torch.save(source.state_dict(), tmp_path / "run.pth")
    same, other = create_model("sdt_v3_large_tiny"), create_model("sdt_v3_large_tiny", num_classes=3)
    assert start_from(same, tmp_path / "run.pth") == f"started from {tmp_path / 'run.pth'}"
    assert torch.equal(same.head.weight, source.head.weight)
    assert "the model's own: head.*" in start_from(other, tmp_path / "run.pth")
    assert torch.equal(other.downs[0].conv.weight, source.downs[0].conv.weight)


def test_the_whole_autoencoder_goes_on_from_a_file_of_its_own(tmp_path: Path) -> None:
    source, fresh = tiny(), tiny()
    torch.save(source.state_dict(), tmp_path / "run.pth")
    assert "decoder included" in load_autoencoder(fresh, tmp_path / "run.pth")
    assert all(torch.equal(value, fresh.state_dict()[name]) for name, value in source.state_dict().items())
    encoder = MODELS.config("sdt_v3_12_512").but(**LARGE, init_scale=None)
    like = MaskedAutoencoderConfig(encoder=encoder, decoder=DecoderConfig(dim=8, depth=2, heads=2)).build()
    load_autoencoder(like, official(tmp_path))
    assert torch.equal(like.decoder.predict.bias.double(), golden()[1]["decoder_pred.bias"])
    with pytest.raises(CheckpointError, match="does not fit the masked autoencoder of sdt_v3_large"):
        load_autoencoder(fresh, official(tmp_path))


def test_parameters_are_those_of_the_official_classes() -> None:
    # The encoder's fixed table of positions and the decoder's are not trained; the token that nothing reads is.
    for name, dims, count in (
        ("sdt_v3_12_512", (128, 256, 512), 85_464_128),
        ("sdt_v3_12_768", (192, 384, 768), 173_575_904),
    ):
        encoder = MODELS.config(name).but(dims=dims, init_scale=None)
        with torch.device("meta"):
            model = MaskedAutoencoderConfig(encoder=encoder).build()
        assert sum(p.numel() for p in model.parameters()) == count
