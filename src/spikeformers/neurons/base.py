"""Neuron configurations and the one module that runs them.

A neuron is its equations. A file of this package declares a config with `states`, `parameters` and `step`; everything
else (eager reference, fused kernels and their backward passes, docs) is derived from these.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from spikeformers.core.carry import State, Stateful, check_state
from spikeformers.core.config import Config
from spikeformers.core.errors import ConfigError, ExportError, ShapeError
from spikeformers.core.registry import Registry
from spikeformers.kernels.scan import Definition, register_definition, scan
from spikeformers.kernels.scan.trace import trace
from spikeformers.neurons.nir import Primitive
from spikeformers.neurons.surrogate import SurrogateConfig

NEURONS: Registry["NeuronConfig"] = Registry("neuron", "spikeformers.neurons")


@dataclass(frozen=True, kw_only=True)
class NeuronConfig(Config):
    """Abstract: what turns currents [T, B, ...] into spikes (or activations) of the same shape."""

    registry: ClassVar = NEURONS
    spiking: ClassVar[bool] = True
    """False for the activations of ANN twins."""

    def build(self, *, channels: int | None = None, axis: int = 2) -> nn.Module:
        """The module.

        Args:
            channels: size of the channel axis, for neurons with parameters per channel.
            axis: where the channels are in [T, B, ...]: 2 for maps, -1 for tokens.
        """
        raise NotImplementedError

    def scaled_threshold(self, factor: float) -> Self:
        """The same neuron with its threshold times `factor`; neurons that have none are returned as they are.

        A neuron around another, in its field `neuron`, has the threshold of that one.
        """
        inner = getattr(self, "neuron", None)
        if isinstance(inner, NeuronConfig):
            return self.but(neuron=inner.scaled_threshold(factor))
        if not any(f.name == "v_threshold" for f in fields(self)):
            return self
        return self.but(v_threshold=self.v_threshold * factor)  # type: ignore[attr-defined]

    def check_steps(self, timesteps: int) -> None:
        """Raises ConfigError where nothing of an input of so many steps can reach the output."""

    def to_nir(self, learned: Mapping[str, Tensor], dt: float) -> Primitive:
        """None: no primitive of NIR has these equations.

        Args:
            learned: parameters of the module, by name; scalars or one value per channel.
            dt: length of a step in seconds.

        Raises:
            ExportError: NIR has no such neuron; says why.
        """
        raise ExportError("no primitive of NIR has its equations")


@dataclass(frozen=True, kw_only=True)
class ScanConfig(NeuronConfig):
    """Abstract: a neuron that is a recurrence over T, given by its equations.

    A final config sets `states`, may set `parameters`, and writes `step`.
    """

    def states(self) -> Mapping[str, float]:
        """State name → value before the first step."""
        raise NotImplementedError

    def parameters(self) -> Mapping[str, float]:
        """Learnable parameter name → initial value."""
        return {}

    def per_channel(self) -> bool:
        """Whether the learnable parameters have one value per channel instead of one per layer."""
        return False

    def step(self, ops: Any, x: Any, *args: Any, **symbols: Any) -> tuple[Any, dict[str, Any]]:
        """One step: input, states and parameters (by name) → output and the new states.

        Written with `+ - * /`, comparisons and the functions of `ops`; see `kernels.scan.ops`.
        """
        raise NotImplementedError

    def spike_gradient(self) -> SurrogateConfig | None:
        """The surrogate behind `ops.spike`: the field `surrogate` where the config has one."""
        return getattr(self, "surrogate", None)

    def spike_unit(self) -> float:
        """What one spike is worth in the output; outputs of integer neurons are counts of it."""
        return 1.0

    def definition(self) -> Definition:
        """The equations in the form that the kernels take."""
        return Definition(
            key=json.dumps(self.to_dict(), sort_keys=True),
            step=self.step,
            states=dict(self.states()),
            params=tuple(self.parameters()),
            surrogate=self.spike_gradient(),
        )

    def check_steps(self, timesteps: int) -> None:
        delay = _delay(self)
        if delay >= timesteps:
            raise ConfigError(
                f"timesteps={timesteps} is too few for the neuron {self.family!r}, whose output follows its input with a "
                f"delay of {delay}; take timesteps={delay + 1} or more, or another neuron"
            )

    def build(self, *, channels: int | None = None, axis: int = 2) -> nn.Module:
        return Neuron(self, channels=channels, axis=axis)


def given_by_equations(neuron: NeuronConfig, family: str) -> ScanConfig:
    """The neuron that the neuron `family` goes around.

    Raises:
        ConfigError: it is a module of its own, without equations that another could take up.
    """
    if not isinstance(neuron, ScanConfig):
        raise ConfigError(f"the neuron {family!r} goes around one given by equations; {neuron.family!r} is a module")
    return neuron


@cache
def _known_definition(config: ScanConfig) -> Definition:
    """The registered definition of a config; equal configs share it, so its equations are traced once."""
    return register_definition(config.definition())


@cache
def _delay(config: ScanConfig) -> int:
    """Steps from an input to the first output that depends on it."""
    return trace(_known_definition(config)).delay or 0


class Neuron(Stateful):
    """The one module that runs every neuron given by equations: inputs [T, ...] to outputs [T, ...].

    Args:
        config: which neuron.
        channels: size of the channel axis; needed where the neuron's parameters are per channel.
        axis: where the channels are in the input.

    Raises:
        ConfigError: parameters are per channel and `channels` is not given.
        ShapeError: the input has no T axis, is not floating point, or does not fit a carried state.
    """

    def __init__(self, config: ScanConfig, *, channels: int | None = None, axis: int = 2) -> None:
        super().__init__()
        self.config = config
        self.axis = axis
        self.backend: str = "auto"
        """Kernel backend: auto, reference, cpu or triton; one that cannot run raises."""
        self._definition = _known_definition(config)
        for name, value in config.parameters().items():
            if config.per_channel() and channels is None:
                raise ConfigError(f"{config.family} has one {name!r} per channel; build it with channels=")
            shape = (channels,) if config.per_channel() and channels is not None else ()
            self.register_parameter(name, nn.Parameter(torch.full(shape, float(value))))

    def initial(self, x0: Tensor) -> State:
        wide = torch.float32 if x0.dtype in (torch.float16, torch.bfloat16) else x0.dtype
        return {n: torch.full_like(x0, v, dtype=wide) for n, v in self._definition.states.items()}

    def scan(self, x: Tensor, state: State | None, keep: bool = True) -> tuple[Tensor, State]:
        if x.dim() == 0 or not x.is_floating_point():
            raise ShapeError(f"a neuron takes floating-point input [T, ...]; got {x.dtype} of shape {tuple(x.shape)}")
        if state is not None:
            check_state(self.config.family, state, x[0])
        return scan(self._definition, x, state, self._parameters_like(x), keep=keep, backend=self.backend)

    def _parameters_like(self, x: Tensor) -> dict[str, Tensor]:
        found = {}
        for name in self._definition.params:
            value = getattr(self, name)
            if value.dim():
                if x.shape[self.axis] != value.shape[0]:
                    raise ShapeError(
                        f"{self.config.family} was built for {value.shape[0]} channels on axis {self.axis}; "
                        f"the input {tuple(x.shape)} has {x.shape[self.axis]} there"
                    )
                shape = [1] * x.dim()
                shape[self.axis] = -1
                value = value.view(shape[1:])
            found[name] = value
        return found

    def extra_repr(self) -> str:
        values = [f"{f.name}={getattr(self.config, f.name)!r}" for f in fields(self.config)]
        return ", ".join([self.config.family, *values])
