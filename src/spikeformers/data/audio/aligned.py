"""A sound view that aligns recordings: only the loud part, always in the same number of steps."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from spikeformers.core.errors import ConfigError
from spikeformers.data.audio.spectrum import log_mel
from spikeformers.data.audio.view import SOUNDS, SpectralConfig


@SOUNDS.register("aligned_log_mel", source="after Sakoe & Chiba, IEEE TASSP 26(1), 1978 (alignment; here linear)")
@dataclass(frozen=True, kw_only=True)
class AlignedLogMel(SpectralConfig):
    r"""Log energies of mel bands of a recording's loud part, stretched to T steps, of zero mean and unit deviation.

    With $e_t$ the mean of the bands at frame t, the loud part runs from the first to the last frame with
    $e_t\ge e_{min}+q\,(e_{max}-e_{min})$. Speakers that are slow, loud or far from the microphone come out alike.
    """

    steps: int = 32
    """Time steps T that the loud part is stretched or squeezed to."""
    heard: int = 80
    """Frames, `hop` samples apart, that are heard of a recording; longer ones are cut, shorter ones padded with silence."""
    quiet: float = 0.45
    """Frames below this share of the recording's range of log energy do not begin or end the loud part, q."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.heard < 1:
            raise ConfigError(f"heard={self.heard} must be at least 1")
        if not 0.0 <= self.quiet < 1.0:
            raise ConfigError(f"quiet={self.quiet} must be at least 0 and below 1")

    @property
    def length(self) -> int:
        return self.heard * self.hop

    @property
    def features(self) -> int:
        return self.bands

    def view(self, sounds: Tensor, rate: int) -> Tensor:
        energies = log_mel(
            sounds,
            rate=rate,
            bands=self.bands,
            window=self.window,
            hop=self.hop,
            low_hz=self.low_hz,
            high_hz=self.high_hz,
        )[:, : self.heard]
        aligned = torch.stack([self._stretched(each) for each in energies]).double()
        centered = aligned - aligned.mean((1, 2), keepdim=True)
        return (centered / centered.square().mean((1, 2), keepdim=True).sqrt().clamp(min=1e-3)).to(sounds.dtype)

    def _stretched(self, energies: Tensor) -> Tensor:
        """The loud part of one recording, [frames, bands] → [T, bands]."""
        loudness = energies.mean(1)
        low, high = loudness.aminmax()
        loud = (loudness >= low + self.quiet * (high - low)).nonzero().flatten()
        part = energies[int(loud[0]) : int(loud[-1]) + 1]
        return F.interpolate(part.T[None], self.steps, mode="linear", align_corners=False)[0].T
