"""Leaky integrate-and-fire written with a decay factor: the charge forms F1, F3, F4 and F5 of the literature."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from spikeformers.core.errors import ExportError
from spikeformers.neurons import nir
from spikeformers.neurons.base import NEURONS, ScanConfig
from spikeformers.neurons.equations import after_spike, check_fraction, check_positive
from spikeformers.neurons.surrogate import Rectangle, SurrogateConfig


@NEURONS.register(
    "decay_lif",
    variants={
        "ms_lif": {"decay": 0.25, "v_threshold": 0.5, "strict": True, "detach_reset": True},
        "tet_lif": {"decay": 0.5, "strict": True},
        "asa_lif": {"decay": 0.3, "v_threshold": 0.3, "decay_after_fire": True, "surrogate": Rectangle(width=0.5)},
    },
    source="Wu et al., Frontiers in Neuroscience 2018, arXiv:1706.02609. ms_lif: Hu et al., TNNLS 2024, "
    "arXiv:2112.08954. tet_lif: Deng et al., ICLR 2022, arXiv:2202.11946. asa_lif: Yao et al., ICCV 2023, arXiv:2308.08227",
)
@dataclass(frozen=True, kw_only=True)
class DecayLIFConfig(ScanConfig):
    r"""Leaky integrate-and-fire neuron with decay factor and undamped input.

    $$h_t=d\,v_{t-1}+x_t+b,\qquad y_t=\Theta(h_t-v_{th}),\qquad
      v_t=(1-y_t)h_t\ \text{(hard)},\ h_t-y_tv_{th}\ \text{(soft)}\ \text{or}\ h_t\ \text{(none)}$$

    With `decay_after_fire` the decay and the bias come after the spike, $h_t=v_{t-1}+x_t$ and $v_t\leftarrow d\,v_t+b$,
    so the first step has neither. With `normalize` the neuron fires on $h/v_{th}-1$, which changes what the surrogate
    sees. The form $(h_{t-1}-y_{t-1})\,d+x_t$ that subtracts before it decays is this one with the soft reset.

    Equal to `lif(decay_input=False)` with $d=1-1/\tau$, and to snnTorch `Leaky(beta=d, reset_delay=False)` with
    `strict=True` (`reset_mechanism` "subtract" is soft, "zero" is hard, "none" is none).
    """

    decay: float = 0.5
    """Part of the potential that is left after one step, d; 1 does not leak."""
    decay_after_fire: bool = False
    """Whether the potential decays after the spike instead of before the input; tells only with a bias or an `init_v`."""
    bias: float = 0.0
    """Constant current that comes with the decay, b."""
    init_v: float = 0.0
    """Potential before the first step."""
    v_threshold: float = 1.0
    """Firing threshold."""
    normalize: bool = False
    """Whether the surrogate sees the potential in units of the threshold, h / v_threshold - 1."""
    strict: bool = False
    """Whether a potential equal to the threshold stays silent."""
    reset: Literal["hard", "soft", "none"] = "hard"
    """What a spike does to the potential: hard sets it to 0, soft subtracts the threshold, none leaves it."""
    detach_reset: bool = False
    """Whether the gradient ignores the path through the reset."""
    surrogate: SurrogateConfig = Rectangle()
    """Stand-in for the derivative of the spike."""

    def __post_init__(self) -> None:
        check_positive("decay_lif", v_threshold=self.v_threshold)
        check_fraction("decay_lif", decay=self.decay)

    def states(self) -> Mapping[str, float]:
        return {"v": self.init_v}

    def step(self, ops: Any, x: Any, v: Any) -> tuple[Any, dict[str, Any]]:
        h = v + x if self.decay_after_fire else self._decayed(v) + x
        u = h / self.v_threshold - 1.0 if self.normalize else h - self.v_threshold
        y = ops.spike(u, self.strict)
        v = after_spike(ops, h, y, self.v_threshold, self.reset, self.detach_reset)
        return y, {"v": self._decayed(v) if self.decay_after_fire else v}

    def _decayed(self, v: Any) -> Any:
        return v * self.decay + self.bias if self.bias else v * self.decay

    def to_nir(self, learned: Mapping[str, Tensor], dt: float) -> nir.Primitive:
        """`LIF` with tau = dt/(1-d), r = 1/(1-d), v_leak = b/(1-d), or `IF` for d = 1; hard reset and `init_v` 0 only."""
        if self.reset != "hard":
            raise ExportError(f"NIR resets to a potential; reset={self.reset!r} has no node")
        if self.init_v:
            raise ExportError(f"NIR has no initial potential; init_v={self.init_v} has no place in it")
        if self.decay_after_fire and self.bias:
            raise ExportError(
                "decay_after_fire with a bias leaves the first step without the bias; no node of NIR does"
            )
        return nir.undamped(self.decay, self.bias, v_threshold=self.v_threshold, v_reset=0.0, strict=self.strict, dt=dt)
