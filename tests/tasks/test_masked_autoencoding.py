"""The masked autoencoding task: its loss is the official one, its metric, what it shows, what it refuses."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from spikeformers.core.errors import ConfigError
from spikeformers.core.types import Batch
from spikeformers.data.datasets.digits import DigitsConfig
from spikeformers.encoders.base import ENCODERS
from spikeformers.metrics.reconstruction import Reconstruction
from spikeformers.models.masked_autoencoder import DecoderConfig, Mask, autoencoder_from_official
from spikeformers.models.vision.spikformer import SpikformerConfig
from spikeformers.tasks import masked_autoencoding
from spikeformers.tasks.masked_autoencoding import MaskedAutoencoding, MaskedAutoencodingConfig

INFO = DigitsConfig().info
MODEL = SpikformerConfig(
    img_size=8, in_channels=1, num_classes=10, dim=16, depth=1, heads=2, pools="0011", timesteps=2, mlp_ratio=1.0
)
TASK = MaskedAutoencodingConfig(decoder=DecoderConfig(dim=8, depth=1, heads=2))


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_the_loss_is_that_of_the_official_code(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(__file__).resolve().parent.parent / "golden" / "spikmae.safetensors"
    with safe_open(path, "pt") as file:
        arguments = json.loads(file.metadata()["official_config"])
    tensors = load_file(path)
    state = {n[3:]: t.double() if t.is_floating_point() else t for n, t in tensors.items() if n.startswith("sd.")}
    mask = Mask(tensors["ranks"], arguments.pop("keep"))
    model = autoencoder_from_official("sdt_v3_large", state, parity=True, **arguments)
    info = dataclasses.replace(INFO, shape=(3, 48, 48), mean=(0.5,) * 3, std=(0.1,) * 3)
    task = MaskedAutoencoding(TASK, model, ENCODERS.config("direct").build(), info).double().train(mode == "train")
    monkeypatch.setattr(masked_autoencoding, "draw_mask", lambda *_: mask)
    images = tensors["x"].double() * task.std + task.mean
    loss = task.step(Batch(images, torch.zeros(2))).loss
    torch.testing.assert_close(loss, tensors[f"loss_{mode}"][0], rtol=0, atol=1e-9)


@pytest.mark.parametrize("encoder", ["direct", "poisson", "delta"])
def test_a_step_gives_a_loss_with_gradients_whatever_the_encoder(encoder: str) -> None:
    config = ENCODERS.config(encoder)
    task = TASK.build(MODEL.but(in_channels=config.channels(1)), config, INFO)
    output = task.step(Batch(torch.rand(4, 1, 8, 8), torch.zeros(4)))
    output.loss.backward()
    assert output.outputs.shape == (2, 4 * 2, 16)
    assert task.model.decoder.mask_token.grad.abs().sum() > 0
    assert task.model.encoder.blocks[0].mlp.fc1.unit.linear.weight.grad is not None


def test_patches_are_drawn_in_units_of_their_own_or_of_the_data() -> None:
    x = torch.rand(2, 1, 8, 8)
    own = TASK.build(MODEL, ENCODERS.config("direct"), INFO).target(x)[0]
    torch.testing.assert_close(own.mean(-1), torch.zeros(2, 4))
    torch.testing.assert_close(own.var(-1), torch.ones(2, 4), rtol=1e-4, atol=0)
    data = TASK.but(normalize=False).build(MODEL, ENCODERS.config("direct"), INFO)
    assert torch.equal(data.model.images(data.target(x)[0]), data.normalize(x))


def test_events_are_drawn_as_their_mean_frame() -> None:
    info = dataclasses.replace(INFO, shape=(5, 2, 8, 8), mean=(0.0,), std=(1.0,))
    task = TASK.but(normalize=False).build(MODEL.but(in_channels=2), ENCODERS.config("direct"), info)
    events = torch.rand(3, 5, 2, 8, 8)
    torch.testing.assert_close(task.model.images(task.target(events)[0]), events.mean(1))
    assert task.step(Batch(events, torch.zeros(3))).outputs.shape == (2, 6, 32)


def test_masks_change_from_step_to_step_and_follow_the_generator() -> None:
    task = TASK.build(MODEL, ENCODERS.config("direct"), INFO).eval()
    batch = Batch(torch.rand(8, 1, 8, 8), torch.zeros(8))
    losses = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        losses.append(task.step(batch).loss.item())
    assert losses[0] == losses[1] != losses[2]


def test_explained_variance_is_one_for_the_truth_zero_for_its_mean_and_merges() -> None:
    true = torch.randn(6, 4) + 3.0
    truth, mean, whole, part = (Reconstruction() for _ in range(4))
    truth.update(true, true, torch.tensor(0.0))
    mean.update(true.mean().expand_as(true), true, torch.tensor(1.0))
    assert truth.compute() == {"loss": 0.0, "explained": 1.0}
    assert mean.compute()["explained"] == pytest.approx(0.0, abs=1e-6)
    whole.update(true * 0.5, true, torch.tensor(2.0))
    part.update(true[:2] * 0.5, true[:2], torch.tensor(2.0))
    other = Reconstruction()
    other.update(true[2:] * 0.5, true[2:], torch.tensor(2.0))
    part.merge(other.sums)
    assert part.compute() == pytest.approx(whole.compute())


def test_pictures_show_the_sample_what_was_seen_and_what_was_drawn() -> None:
    task = TASK.build(MODEL, ENCODERS.config("direct"), INFO).eval()
    with torch.no_grad():
        shown = task.pictures(DigitsConfig().build().test)
    sample, seen, drawn = (torch.tensor(image) for image in shown["rows"][0])
    hidden = seen == 128
    assert hidden.sum() == 32
    assert sample.shape == (1, 8, 8)
    assert torch.equal(sample[~hidden], drawn[~hidden])
    assert not torch.equal(sample[hidden], drawn[hidden])


def test_what_does_not_fit_is_refused() -> None:
    direct = ENCODERS.config("direct")
    with pytest.raises(ConfigError, match=r"in_channels=3.*needs in_channels=1; add --model.in-channels 1"):
        TASK.check(MODEL.but(in_channels=3), direct, INFO)
    with pytest.raises(ConfigError, match=r"patches are hidden in images"):
        TASK.check(MODEL, direct, dataclasses.replace(INFO, shape=(5, 8)))
    with pytest.raises(ConfigError, match=r"mask_ratio=1.0 must lie between 0 and 1"):
        TASK.but(mask_ratio=1.0)
