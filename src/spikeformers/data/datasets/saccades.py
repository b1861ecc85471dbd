"""Any image dataset as event data: each image seen by a simulated event camera that makes three saccades."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from spikeformers.core.errors import ConfigError
from spikeformers.data.base import DATASETS, DataConfig, DatasetInfo
from spikeformers.data.datasets.mnist import FashionMNISTConfig
from spikeformers.data.events.array import Recording
from spikeformers.data.events.files import EventView
from spikeformers.data.events.representation import Frames, RepresentationConfig
from spikeformers.data.events.simulate import saccades
from spikeformers.data.samples import Indices, Samples, Splits, as_indices


@DATASETS.register("saccades", source="after Orchard et al., Frontiers in Neuroscience 9:437, 2015, simulated")
@dataclass(frozen=True, kw_only=True)
class SaccadesConfig(DataConfig):
    """Events simulated from images: an event camera looks at each image and makes three saccades of 100 ms."""

    images: DataConfig = FashionMNISTConfig()
    """The images. Their split is kept; `root` above overrides theirs."""
    representation: RepresentationConfig = Frames(steps=10)
    """How a recording becomes a tensor [T, P, H, W]."""
    threshold: float = 0.25
    """Change of log intensity that makes an event."""
    amplitude: float = 3.0
    """Movement of the camera, in pixels of the image."""

    def __post_init__(self) -> None:
        super().__post_init__()
        shape = self.images.info.shape
        if len(shape) != 3 or shape[0] not in (1, 3) or shape[1] != shape[2]:
            raise ConfigError(
                f"images of {self.images.info.title} have shape {shape}; square gray or color images are needed"
            )
        for name in ("threshold", "amplitude"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name}={getattr(self, name)} must be above 0")

    @property
    def info(self) -> DatasetInfo:
        of = self.images.info
        shape = self._view().shape
        return replace(
            of,
            title=f"Saccades over {of.title}",
            shape=shape,
            mean=(0.0,) * shape[1],
            std=(1.0,) * shape[1],
            source=f"{of.source}; events simulated",
            unit_range=False,
        )

    def _view(self) -> EventView:
        side = self.images.info.shape[-1]
        return EventView(side, side, side, self.representation)

    def read(self) -> Splits:
        images = self.images if self.root is None else self.images.but(root=self.root)
        parts = images.build()
        return Splits(*[SaccadeSamples(part, self) for part in (parts.train, parts.val, parts.test)])

    def fake(self, n: int, root: Path) -> None:
        self.images.fake(n, root)


class SaccadeSamples(Samples):
    """Images as events [n, T, P, H, W], simulated when asked for."""

    def __init__(self, images: Samples, config: SaccadesConfig) -> None:
        self._images, self._config = images, config

    def __len__(self) -> int:
        return len(self._images)

    def inputs(self, indices: Indices) -> Tensor:
        view = self._config._view()
        found = []
        for index, image in zip(as_indices(indices).tolist(), self._images.inputs(indices), strict=True):
            events = saccades(image.mean(0), threshold=self._config.threshold, amplitude=self._config.amplitude)
            found.append(view.tensor(Recording(events), self.name(index)))
        return torch.stack(found)

    def targets(self, indices: Indices) -> Tensor:
        return self._images.targets(indices)

    def name(self, index: int) -> str:
        return self._images.name(index)
