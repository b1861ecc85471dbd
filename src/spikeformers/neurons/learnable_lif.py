"""Leaky integrate-and-fire whose constants are learned."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from spikeformers.core.errors import ConfigError, ExportError
from spikeformers.neurons import nir
from spikeformers.neurons.base import NEURONS, ScanConfig
from spikeformers.neurons.equations import check_positive, logit, reset
from spikeformers.neurons.surrogate import SurrogateConfig, Triangle


@NEURONS.register(
    "learnable_lif",
    variants={
        "iir_lif": {"init_decay": 0.99, "reset": "soft", "normalize": True, "strict": True, "detach_reset": True}
    },
    source="Rathi and Roy, TNNLS 2021, arXiv:2008.03658. iir_lif: Chowdhury et al., 2021, arXiv:2110.05929; "
    "SayeedChowdhury/IIR-SNN",
)
@dataclass(frozen=True, kw_only=True)
class LearnableLIFConfig(ScanConfig):
    r"""LIF with learned decay, threshold, reset potential and input bias, each if asked for, per layer or per channel.

    $$h_t=\sigma(w)\,v_{t-1}+x_t+b,\qquad y_t=\Theta(h_t-v_{th}),\qquad
      v_t=(1-y_t)h_t+y_tv_{reset}\ \text{or}\ h_t-y_tv_{th}\ \text{or}\ h_t$$

    The official code of the variant `iir_lif` starts its decay at 1, which a sigmoid reaches in the limit only.
    """

    init_decay: float = 0.5
    """Part of the potential that is left after one step, before training."""
    learn_decay: bool = True
    """Whether the decay is learned, through a sigmoid."""
    v_threshold: float = 1.0
    """Firing threshold, before training."""
    learn_threshold: bool = True
    """Whether the threshold is learned."""
    reset: Literal["hard", "soft", "none"] = "hard"
    """hard sets the potential to `v_reset` after a spike; soft subtracts the threshold; none leaves it."""
    v_reset: float = 0.0
    """Potential after a hard reset and before the first step; before training, where it is learned."""
    learn_reset: bool = False
    """Whether the potential of the hard reset is learned."""
    learn_bias: bool = False
    """Whether a current that is always there is learned, starting at 0."""
    channelwise: bool = False
    """One value of everything learned per channel instead of one per layer."""
    normalize: bool = False
    """Whether the surrogate sees the potential in units of the threshold, h / v_threshold - 1."""
    strict: bool = False
    """Whether a potential equal to the threshold stays silent."""
    detach_reset: bool = False
    """Whether the gradient ignores the path through the reset."""
    surrogate: SurrogateConfig = Triangle()
    """Stand-in for the derivative of the spike."""

    def __post_init__(self) -> None:
        check_positive("learnable_lif", v_threshold=self.v_threshold)
        if not 0.0 < self.init_decay < 1.0:
            raise ConfigError(f"init_decay={self.init_decay} of the neuron 'learnable_lif' must be between 0 and 1")
        if self.learn_reset and self.reset != "hard":
            raise ConfigError(
                f"learn_reset=True of the neuron 'learnable_lif' needs reset='hard'; {self.reset} has no potential"
            )

    def states(self) -> Mapping[str, float]:
        return {"v": self.v_reset}

    def parameters(self) -> Mapping[str, float]:
        learned = {
            "w": (self.learn_decay, logit(self.init_decay)),
            "threshold": (self.learn_threshold, self.v_threshold),
            "reset_potential": (self.learn_reset, self.v_reset),
            "bias": (self.learn_bias, 0.0),
        }
        return {name: value for name, (wanted, value) in learned.items() if wanted}

    def per_channel(self) -> bool:
        return self.channelwise

    def step(self, ops: Any, x: Any, v: Any, **learned: Any) -> tuple[Any, dict[str, Any]]:
        decay = ops.sigmoid(learned["w"]) if self.learn_decay else self.init_decay
        threshold = learned.get("threshold", self.v_threshold)
        v_reset = learned.get("reset_potential", self.v_reset)
        h = v * decay + x
        h = h + learned["bias"] if self.learn_bias else h
        y = ops.spike(h / threshold - 1.0 if self.normalize else h - threshold, self.strict)
        hard = v_reset if self.reset == "hard" else None
        return y, {"v": reset(ops, h, y, threshold, hard, self.detach_reset, self.reset == "none")}

    def to_nir(self, learned: Mapping[str, Tensor], dt: float) -> nir.Primitive:
        """`LIF` with tau = dt/(1-σ(w)), r = 1/(1-σ(w)), v_leak = b/(1-σ(w)); hard reset only."""
        if self.reset != "hard":
            raise ExportError(f"NIR resets to a potential; reset={self.reset!r} has no node")
        if self.learn_reset:
            raise ExportError("a learned reset potential is not where the neuron starts; NIR has no initial potential")
        return nir.undamped(
            torch.sigmoid(learned["w"]) if self.learn_decay else self.init_decay,
            learned.get("bias", 0.0),
            v_threshold=learned.get("threshold", self.v_threshold),
            v_reset=self.v_reset,
            strict=self.strict,
            dt=dt,
        )
