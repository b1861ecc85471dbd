"""The classification task: wiring, losses, fit between model and data."""

import dataclasses
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from spikeformers.core.errors import ConfigError
from spikeformers.core.types import Batch
from spikeformers.data.base import DATASETS
from spikeformers.data.datasets.digits import DigitsConfig
from spikeformers.encoders.base import ENCODERS
from spikeformers.models.vision.spikformer import SpikformerConfig
from spikeformers.tasks.classification import ClassificationConfig, Classifier
from spikeformers.tasks.losses import LOSSES, CrossEntropy, TemporalEfficientTraining

INFO = DigitsConfig().info
MODEL = SpikformerConfig(
    img_size=8, in_channels=1, num_classes=10, dim=16, depth=1, heads=2, pools="0011", timesteps=3, mlp_ratio=1.0
)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def task(encoder: str = "direct", loss: str = "cross_entropy") -> Classifier:
    config = ENCODERS.config(encoder)
    model = MODEL.but(in_channels=config.channels(1))
    return ClassificationConfig().but(loss=loss).build(model, config, INFO)


@pytest.mark.parametrize("encoder", ENCODERS.families())
@pytest.mark.parametrize("loss", LOSSES.families())
def test_a_step_gives_a_loss_with_gradients_and_scalars(encoder: str, loss: str) -> None:
    batch = Batch(torch.rand(4, 1, 8, 8), torch.tensor([0, 1, 2, 3]))
    classifier = task(encoder, loss)
    output = classifier.step(batch)
    output.loss.backward()
    assert output.outputs.shape == (3, 4, 10)
    assert set(output.logs) == {"loss", "accuracy"}
    assert classifier.model.head.weight.grad.abs().sum() > 0


def test_direct_input_is_normalized_and_rate_input_is_not() -> None:
    x = torch.rand(2, 1, 8, 8)
    direct = task("direct").encode(x)
    torch.testing.assert_close(direct[2], (x - INFO.mean[0]) / INFO.std[0])
    assert set(task("rate").encode(x).unique().tolist()) <= {0.0, 1.0}


def test_events_get_their_steps_first_and_pass_the_encoder_by() -> None:
    info = dataclasses.replace(INFO, shape=(5, 2, 8, 8), mean=(0.0,), std=(1.0,))
    classifier = ClassificationConfig().build(MODEL.but(in_channels=2), ENCODERS.config("direct"), info)
    events = torch.rand(3, 5, 2, 8, 8) * 7
    assert torch.equal(classifier.encode(events), events.transpose(0, 1))
    assert classifier.step(Batch(events, torch.tensor([0, 1, 2]))).outputs.shape == (5, 3, 10)
    with pytest.raises(ConfigError, match="encoder=direct"):
        ClassificationConfig().build(MODEL.but(in_channels=2), ENCODERS.config("poisson"), info)


def test_a_sequence_becomes_images_of_its_steps_normalized_by_feature() -> None:
    info = dataclasses.replace(INFO, shape=(6, 8), mean=tuple(range(8)), std=(2.0,) * 8)
    x = torch.rand(3, 6, 8)
    for rows, size in ((1, (1, 8)), (2, (2, 8)), (6, (6, 8))):
        model = MODEL.but(img_size=size, pools="0000")
        classifier = ClassificationConfig(rows=rows).build(model, ENCODERS.config("direct"), info)
        encoded = classifier.encode(x)
        steps = 6 // rows if rows < 6 else MODEL.timesteps  # one image of everything is shown again and again
        assert encoded.shape == (steps, 3, 1, *size)
        unfolded = encoded[: 6 // rows].transpose(0, 1).reshape(3, 6, 8)
        torch.testing.assert_close(unfolded, (x - torch.arange(8.0)) / 2)
        assert classifier.step(Batch(x, torch.tensor([0, 1, 2]))).outputs.shape == (steps, 3, 10)
    with pytest.raises(ConfigError, match="rows=4 does not divide the 6 steps"):
        ClassificationConfig(rows=4).check(MODEL, ENCODERS.config("direct"), info)
    with pytest.raises(ConfigError, match="encoder=direct"):
        ClassificationConfig().check(MODEL.but(img_size=(1, 8)), ENCODERS.config("poisson"), info)


def test_images_that_are_no_squares_are_classified() -> None:
    info = dataclasses.replace(INFO, shape=(1, 8, 16))
    x = torch.rand(3, 1, 8, 16)
    wide = ClassificationConfig().build(MODEL.but(img_size=(8, 16)), ENCODERS.config("direct"), info)
    assert wide.step(Batch(x, torch.tensor([0, 1, 2]))).outputs.shape == (3, 3, 10)
    with pytest.raises(ConfigError, match=r"needs img_size=\(8, 16\); add --model.img-size 8 16$"):
        ClassificationConfig().check(MODEL, ENCODERS.config("direct"), info)
    with pytest.raises(ConfigError, match=r"rows=2 is for sequences"):
        ClassificationConfig(rows=2).check(MODEL, ENCODERS.config("direct"), info)
    with pytest.raises(ConfigError, match="sequences, images and events have 2, 3 and 4 axes"):
        ClassificationConfig().check(MODEL, ENCODERS.config("direct"), dataclasses.replace(INFO, shape=(5,)))


def test_a_model_that_does_not_fit_names_both_sides_and_the_flags() -> None:
    wrong = SpikformerConfig(img_size=32, in_channels=3, num_classes=100)
    with pytest.raises(ConfigError) as caught:
        ClassificationConfig().check(wrong, ENCODERS.config("direct"), INFO)
    message = str(caught.value)
    assert "num_classes=100, in_channels=3, img_size=32" in message
    assert "--model.num-classes 10 --model.in-channels 1 --model.img-size 8" in message


def test_data_without_known_classes_is_refused_with_the_way_out(tmp_path: Path) -> None:
    missing = DATASETS.config("tiny_imagenet").but(root=str(tmp_path))
    with pytest.raises(ConfigError, match=r"--data\.root(.|\n)*wnids\.txt"):
        ClassificationConfig().check(MODEL, ENCODERS.config("direct"), missing.info)
    with pytest.raises(ConfigError, match=r"Adding problem.* has no classes"):
        ClassificationConfig().check(MODEL, ENCODERS.config("direct"), DATASETS.config("adding").info)


def test_tet_is_its_formula_and_at_one_step_without_pull_cross_entropy() -> None:
    logits, targets = torch.randn(3, 4, 5), torch.tensor([0, 1, 2, 4])
    loss = TemporalEfficientTraining(weight=0.3, target=0.5).loss(logits, logits.mean(0), targets)
    steps = torch.stack([F.cross_entropy(y, targets) for y in logits]).mean()
    torch.testing.assert_close(loss, 0.7 * steps + 0.3 * ((logits - 0.5) ** 2).mean())
    plain = TemporalEfficientTraining(weight=0.0).loss(logits[:1], logits[0], targets)
    torch.testing.assert_close(plain, CrossEntropy().loss(logits[:1], logits[0], targets))


@pytest.mark.parametrize("name", LOSSES.families())
def test_class_probabilities_and_labels_agree_and_smoothing_changes_the_loss(name: str) -> None:
    logits, targets = torch.randn(3, 4, 5), torch.tensor([0, 1, 2, 4])
    config = LOSSES.config(name)
    plain = config.loss(logits, logits.mean(0), targets)
    torch.testing.assert_close(config.loss(logits, logits.mean(0), F.one_hot(targets, 5).float()), plain)
    assert config.but(label_smoothing=0.2).loss(logits, logits.mean(0), targets) != plain


@pytest.mark.parametrize("fields", [{"label_smoothing": 1.0}, {"weight": 2.0}])
def test_impossible_losses_are_refused(fields: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(fields))):
        TemporalEfficientTraining(**fields)


def test_metrics_and_analysis_come_from_the_readout() -> None:
    classifier = task().eval()
    batch = Batch(torch.rand(6, 1, 8, 8), torch.arange(6))
    metric = classifier.metric()
    with torch.no_grad():
        output = classifier.step(batch)
        classifier.measure(metric, output, batch)
    scores = output.outputs.mean(0)
    assert metric.compute()["accuracy"] == pytest.approx(float((scores.argmax(-1) == batch.targets).float().mean()))
    assert metric.compute()["loss"] == pytest.approx(float(F.cross_entropy(scores, batch.targets)), rel=1e-5)
    assert sum(map(sum, classifier.analyze(metric)["confusion"])) == 6


def test_one_batch_can_be_learned_by_heart() -> None:
    torch.manual_seed(0)
    splits = DigitsConfig(limit=10).build()
    batch = Batch(splits.train.inputs(range(10)), splits.train.targets(range(10)))
    classifier = ClassificationConfig().build(
        MODEL.but(dim=32, pools="0001", timesteps=2), ENCODERS.config("direct"), INFO
    )
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        output = classifier.step(batch)
        output.loss.backward()
        optimizer.step()
    assert output.logs["accuracy"] == 1.0
