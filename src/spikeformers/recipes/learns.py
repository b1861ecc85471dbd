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
THRESHOLD = 0.5
"""Threshold of every neuron that has one: at 1, networks this small start all but silent."""


@recipe("learns_digits", source="scikit-learn (the data); the family's paper (the network)")
def learns_digits() -> RunConfig:
    """Any family's tiny variant on the digits, minutes on one core; swap it with model=NAME (see docs/learns.md)."""
    model = MODELS.config("spikformer_tiny")
    return RunConfig(
        name="learns_digits",
        model=model.but(img_size=SIZE, in_channels=1, neuron=model.neuron.scaled_threshold(THRESHOLD)),
        data=DigitsConfig(size=SIZE, augment=Affine(shift=SHIFT * SIZE, rotate=10.0, scale=0.1)),
        task=ClassificationConfig(loss=CrossEntropy(label_smoothing=0.1)),
        optim=AdamWConfig(lr=3e-3, weight_decay=0.05),
        schedule=CosineConfig(warmup=0.1),
        train=TrainConfig(epochs=12, batch_size=16, clip_norm=1.0),
    )
