"""Pre-training without labels, whose weights start another training; see docs/howto/pretrain-by-masking.md."""

from spikeformers.data.datasets.digits import DigitsConfig
from spikeformers.engine.config import RunConfig, TrainConfig
from spikeformers.engine.optim.adamw import AdamWConfig
from spikeformers.engine.schedule.cosine import CosineConfig
from spikeformers.models.base import MODELS
from spikeformers.models.masked_autoencoder import DecoderConfig
from spikeformers.recipes import recipe
from spikeformers.tasks.masked_autoencoding import MaskedAutoencodingConfig

SIZE = 48
"""Height and width of the images: 3×3 patches of the network's 16 pixels."""


@recipe("masked_digits", source="Yao et al., arXiv:2411.16061 (SpikMAE); scikit-learn (the data)")
def masked_digits() -> RunConfig:
    """A small SDT V3 draws the hidden half of real scans of digits, without labels: the pre-training of the large models."""
    return RunConfig(
        name="masked_digits",
        model=MODELS.config("sdt_v3_large_tiny").but(img_size=SIZE, in_channels=1),
        data=DigitsConfig(size=SIZE),
        task=MaskedAutoencodingConfig(decoder=DecoderConfig(dim=64, depth=2)),
        optim=AdamWConfig(lr=5e-3, weight_decay=0.05, betas=(0.9, 0.95)),
        schedule=CosineConfig(warmup=0.1),
        train=TrainConfig(epochs=12, batch_size=32, clip_norm=1.0, choose="loss"),
    )
