"""Quantized activation whose network becomes a spiking one without loss, and the neuron it becomes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from spikeformers.neurons.base import NEURONS, ScanConfig
from spikeformers.neurons.equations import check_positive
from spikeformers.neurons.surrogate import ATan, SurrogateConfig

SOURCE = "Bu et al., ICLR 2022, arXiv:2303.04347; putshua/SNN_conversion_QCFS"


@NEURONS.register("qcfs", source=SOURCE)
@dataclass(frozen=True, kw_only=True)
class QCFSConfig(ScanConfig):
    r"""Quantization clip-floor-shift activation, with a learned ceiling $\lambda$; analog, for the ANN that is converted.

    $$y=\lambda\,\mathrm{clip}\Big(\frac1L\Big\lfloor\frac{xL}{\lambda}+\frac12\Big\rfloor,\,0,\,1\Big)$$

    The floor passes its gradient straight through. `converted` gives the spiking neuron, with the same parameter name,
    so the state dict carries over.
    """

    spiking: ClassVar[bool] = False

    levels: int = 8
    """Quantization levels L; the conversion is exact for a constant input over L steps."""
    init_threshold: float = 8.0
    """Ceiling before training, λ."""

    def __post_init__(self) -> None:
        check_positive("qcfs", levels=self.levels, init_threshold=self.init_threshold)

    def states(self) -> Mapping[str, float]:
        return {}

    def parameters(self) -> Mapping[str, float]:
        return {"threshold": self.init_threshold}

    def step(self, ops: Any, x: Any, threshold: Any) -> tuple[Any, dict[str, Any]]:
        z = ops.floor(x / threshold * self.levels + 0.5) / self.levels
        return ops.clamp(z, 0.0, 1.0) * threshold, {}

    def converted(self) -> "QCFSSpikingConfig":
        """The integrate-and-fire neuron that stands for this activation in the spiking network."""
        return QCFSSpikingConfig(init_threshold=self.init_threshold)


@NEURONS.register("qcfs_if", source=SOURCE)
@dataclass(frozen=True, kw_only=True)
class QCFSSpikingConfig(ScanConfig):
    r"""Integrate-and-fire neuron of a converted QCFS network: soft reset, spikes of height $\lambda$, half charged at the start.

    $$h_t=v_{t-1}+\frac{x_t}{\lambda},\qquad s_t=\Theta(h_t-1),\qquad v_t=h_t-s_t,\qquad y_t=\lambda s_t,\qquad v_0=\tfrac12$$

    For a constant input the mean of $L$ steps equals `qcfs` with $L$ levels.
    """

    init_threshold: float = 1.0
    """Height of a spike and threshold before loading or training, λ; `converted` hands on that of the activation."""
    init_charge: float = 0.5
    """Potential before the first step, in thresholds; 0.5 makes the quantization error symmetric."""
    detach_reset: bool = True
    """Whether the gradient ignores the path through the reset."""
    surrogate: SurrogateConfig = ATan()
    """Stand-in for the derivative of the spike."""

    def __post_init__(self) -> None:
        check_positive("qcfs_if", init_threshold=self.init_threshold)

    def states(self) -> Mapping[str, float]:
        return {"v": self.init_charge}

    def parameters(self) -> Mapping[str, float]:
        return {"threshold": self.init_threshold}

    def step(self, ops: Any, x: Any, v: Any, threshold: Any) -> tuple[Any, dict[str, Any]]:
        h = v + x / threshold
        s = ops.spike(h - 1.0)
        return s * threshold, {"v": h - (ops.detach(s) if self.detach_reset else s)}
