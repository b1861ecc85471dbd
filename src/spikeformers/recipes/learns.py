"""One recipe under which a small variant of every family learns real images."""

from spikeformers.data.datasets.digits import DigitsConfig
from spikeformers.data.transforms.image import Affine
from spikeformers.engine.config import RunConfig, TrainConfig
from spikeformers.engine.optim.adamw import AdamWConfig
from spikeformers.engine.schedule.cosine import CosineConfig
from spikeformers.models.base import MODELS
from spikeformers.recipes import recipe
from spikeformers.tasks.classification import ClassificationConfig
from spikeformers.tasks.losses import CrossEntropy

SIZE = 16
"""Height and width of the images unless asked otherwise."""
SHIFT = 0.1
"""Largest shift of an image over its side."""


@recipe("learns_digits", source="scikit-learn (the data); the family's paper (the network)")
def learns_digits() -> RunConfig:
    """Any family's tiny variant on the digits, about a minute on one core; swap it with model=NAME (see docs/learns.md)."""
    return RunConfig(
        name="learns_digits",
        model=MODELS.config("spikformer_tiny").but(img_size=SIZE, in_channels=1),
        data=DigitsConfig(size=SIZE, augment=Affine(shift=SHIFT * SIZE, rotate=10.0, scale=0.1)),
        task=ClassificationConfig(loss=CrossEntropy(label_smoothing=0.1)),
        optim=AdamWConfig(lr=3e-3, weight_decay=0.05),
        schedule=CosineConfig(warmup=0.1),
        train=TrainConfig(epochs=12, batch_size=32, clip_norm=1.0),
    )
