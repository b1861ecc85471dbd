"""Recipes for images."""

from spikeformers.data.datasets.cifar import CIFAR10Config, CIFAR100Config
from spikeformers.data.datasets.digits import DigitsConfig
from spikeformers.data.datasets.mnist import FashionMNISTConfig, MNISTConfig
from spikeformers.data.transforms.image import Affine, CropFlip
from spikeformers.engine.config import RunConfig, TrainConfig
from spikeformers.engine.optim.adamw import AdamWConfig
from spikeformers.engine.schedule.cosine import CosineConfig
from spikeformers.models.base import MODELS
from spikeformers.models.vision.spikformer import SpikformerConfig
from spikeformers.recipes import recipe
from spikeformers.tasks.classification import ClassificationConfig
from spikeformers.tasks.losses import CrossEntropy


@recipe("spikformer_digits", source="Zhou et al., ICLR 2023 (the network); scikit-learn (the data)")
def spikformer_digits() -> RunConfig:
    """A small Spikformer on 1,797 real scans of handwritten digits: three minutes on two cores, nothing to fetch."""
    return RunConfig(
        name="spikformer_digits",
        model=SpikformerConfig(
            img_size=16,
            in_channels=1,
            num_classes=10,
            pools="0110",
            dim=96,
            depth=2,
            heads=4,
            mlp_ratio=2.0,
            qkv_bias=True,
        ),
        data=DigitsConfig(size=16, augment=Affine(shift=1.2, rotate=10.0, scale=0.1)),
        task=ClassificationConfig(loss=CrossEntropy(label_smoothing=0.1)),
        optim=AdamWConfig(lr=3e-3, weight_decay=0.05),
        schedule=CosineConfig(warmup=0.1),
        train=TrainConfig(epochs=20, batch_size=32, clip_norm=1.0, ema_decay=0.99, choose="loss"),
    )


@recipe("spikformer_mnist", source="Zhou et al., ICLR 2023 (the network)")
def spikformer_mnist() -> RunConfig:
    """The network of spikformer_digits, wider, on MNIST's 28×28 digits."""
    base = spikformer_digits()
    return base.but(
        name="spikformer_mnist",
        model=base.model.but(img_size=28, dim=128),
        data=MNISTConfig(augment=Affine(shift=2.0, rotate=10.0, scale=0.1)),
        train=base.train.but(epochs=10, batch_size=128, choose="goal"),
    )


@recipe("spikformer_fashion_mnist", source="Zhou et al., ICLR 2023 (the network)")
def spikformer_fashion_mnist() -> RunConfig:
    """The network of spikformer_mnist on Fashion-MNIST; add --data.limit 2000 for a quick trial."""
    base = spikformer_mnist()
    return base.but(
        name="spikformer_fashion_mnist",
        data=FashionMNISTConfig(augment=Affine(shift=1.5, rotate=5.0, scale=0.1)),
    )


@recipe("spikformer_cifar10", source="ZK-Zhou/spikformer, cifar10")
def spikformer_cifar10() -> RunConfig:
    """Spikformer 4-384 on CIFAR-10: the authors' optimizer, length and batch; crop, flip and erasing for augmentation."""
    return RunConfig(
        name="spikformer_cifar10",
        model=MODELS.config("spikformer_4_384"),
        data=CIFAR10Config(augment=CropFlip(erase=0.25)),
        task=ClassificationConfig(loss=CrossEntropy(label_smoothing=0.1)),
        optim=AdamWConfig(lr=5e-4, weight_decay=0.06),
        schedule=CosineConfig(warmup=20 / 300),
        train=TrainConfig(epochs=300, batch_size=128, eval_batch_size=128),
    )


@recipe("spikformer_cifar100", source="ZK-Zhou/spikformer, cifar10")
def spikformer_cifar100() -> RunConfig:
    """As spikformer_cifar10, on CIFAR-100."""
    base = spikformer_cifar10()
    return base.but(
        name="spikformer_cifar100",
        model=base.model.but(num_classes=100),
        data=CIFAR100Config(augment=CropFlip(erase=0.25)),
    )
