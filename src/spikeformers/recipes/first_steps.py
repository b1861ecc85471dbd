"""The smallest Spikformer on every kind of data: images, events, sound, sequences, points, EEG. Minutes on two cores each.

Every setting was chosen on validation data; benchmarks/first_trainings.py runs them all and writes docs/trainings.md.
"""

from spikeformers.data.audio.aligned import AlignedLogMel
from spikeformers.data.datasets.eeg_eye_state import EEGEyeStateConfig
from spikeformers.data.datasets.meshes import MeshesConfig
from spikeformers.data.datasets.mnist import FashionMNISTConfig
from spikeformers.data.datasets.n_mnist import NMNISTConfig
from spikeformers.data.datasets.sequential import SequentialConfig
from spikeformers.data.datasets.spoken_digits import SpokenDigitsConfig
from spikeformers.data.events.representation import Frames
from spikeformers.data.points.views import Slices
from spikeformers.data.transforms.image import Affine
from spikeformers.data.transforms.mix import Mixup
from spikeformers.data.transforms.sequence import Spectral
from spikeformers.engine.config import RunConfig, TrainConfig
from spikeformers.engine.optim.adamw import AdamWConfig
from spikeformers.engine.schedule.cosine import CosineConfig
from spikeformers.models.base import MODELS
from spikeformers.neurons.lif import LIFConfig
from spikeformers.neurons.surrogate import Sigmoid
from spikeformers.recipes import recipe
from spikeformers.tasks.classification import ClassificationConfig
from spikeformers.tasks.losses import CrossEntropy

_NETWORK = "Zhou et al., ICLR 2023 (the network)"
_LIVELY = LIFConfig(surrogate=Sigmoid(alpha=4.0), v_threshold=0.5)
"""The official neuron at half its threshold: in a small network and few steps it fires too rarely to learn fast."""


@recipe("spikformer_fashion_mnist_2000", source=f"{_NETWORK}; Xiao et al., arXiv:1708.07747 (the data)")
def spikformer_fashion_mnist_2000() -> RunConfig:
    """The smallest Spikformer on 2,000 garments of Fashion-MNIST; validated on 1,000 others, tested on the official 10,000."""
    return RunConfig(
        name="spikformer_fashion_mnist_2000",
        model=MODELS.config("spikformer_tiny").but(img_size=28, in_channels=1, pools="1100", neuron=_LIVELY),
        data=FashionMNISTConfig(limit=2000, val_fraction=1 / 60, augment=Affine(shift=1.5, rotate=5.0, scale=0.1)),
        task=ClassificationConfig(loss=CrossEntropy(label_smoothing=0.1)),
        optim=AdamWConfig(lr=3e-3, weight_decay=0.05),
        schedule=CosineConfig(warmup=0.1),
        train=TrainConfig(epochs=16, batch_size=16, clip_norm=1.0, ema_decay=0.99),
    )


@recipe("spikformer_n_mnist", source=f"{_NETWORK}; Orchard et al., 2015 (the data)")
def spikformer_n_mnist() -> RunConfig:
    """The smallest Spikformer on N-MNIST, recordings of a real event camera; set up for the subset of 1,000 + 100."""
    base = spikformer_fashion_mnist_2000()
    return base.but(
        name="spikformer_n_mnist",
        model=base.model.but(img_size=16, in_channels=2, pools="0110"),
        data=NMNISTConfig(size=16, representation=Frames(steps=4), augment=Affine(shift=1.0, rotate=10.0, scale=0.1)),
        train=base.train.but(epochs=30),
    )


@recipe("spikformer_spoken_digits", source=f"{_NETWORK}; Jackson et al., free-spoken-digit-dataset (the data)")
def spikformer_spoken_digits() -> RunConfig:
    """The smallest Spikformer on spoken digits of speakers it never heard, as spectrograms of the loud part of a recording."""
    base = spikformer_fashion_mnist_2000()
    return base.but(
        name="spikformer_spoken_digits",
        model=base.model.but(img_size=16, pools="0110"),
        data=SpokenDigitsConfig(
            sound=AlignedLogMel(steps=16, bands=16),
            augment=Spectral(shift=0.06, tempo=0.12, tract=0.2, loudness=0.3, mask_steps=0.15, mask_bands=0.15),
            mix=Mixup(alpha=0.4),
        ),
        task=base.task.but(rows=16),
        train=base.train.but(epochs=20),
    )


@recipe("spikformer_permuted_rows", source=f"{_NETWORK}; Le, Jaitly & Hinton, arXiv:1504.00941 (the task)")
def spikformer_permuted_rows() -> RunConfig:
    """The smallest Spikformer on Fashion-MNIST row by row in a fixed random order: 28 time steps of one row each."""
    base = spikformer_fashion_mnist_2000()
    return base.but(
        name="spikformer_permuted_rows",
        model=base.model.but(img_size=(1, 28), pools="0110"),
        data=SequentialConfig(images=base.data.but(augment=None), step="row", permutation_seed=0),
    )


@recipe("spikformer_meshes", source=f"{_NETWORK}; CGAL demo data (the meshes)")
def spikformer_meshes() -> RunConfig:
    """The smallest Spikformer on clouds of points drawn from sixteen meshes; slices of the space are the time steps."""
    base = spikformer_fashion_mnist_2000()
    data = MeshesConfig(view=Slices(steps=8, size=16))
    return base.but(
        name="spikformer_meshes",
        model=base.model.but(img_size=16, num_classes=len(data.info.classes), pools="0110"),
        data=data,
    )


@recipe("spikformer_eeg_eye_state", source=f"{_NETWORK}; Roesler, UCI 2013 (the data)")
def spikformer_eeg_eye_state() -> RunConfig:
    """The smallest Spikformer on half seconds of EEG, eyes open or closed; each is tested on blocks of time it never saw."""
    base = spikformer_fashion_mnist_2000()
    return base.but(
        name="spikformer_eeg_eye_state",
        model=base.model.but(img_size=(16, 14), num_classes=2, pools="0010"),
        data=EEGEyeStateConfig(),
        task=base.task.but(rows=16),
        train=base.train.but(epochs=10),
    )
