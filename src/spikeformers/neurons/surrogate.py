"""Surrogate derivatives of the Heaviside step, each with the primitive it is the derivative of.

Every surrogate is a function of u = h - v_threshold, written in the vocabulary of `kernels.scan.ops`, so it runs on
tensors and inside fused kernels alike. `derivative` is what training uses; `primitive` documents it, and a test
compares the two numerically.
"""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from spikeformers.core.config import Config
from spikeformers.core.errors import ConfigError
from spikeformers.core.registry import Registry

SURROGATES: Registry["SurrogateConfig"] = Registry("surrogate", "spikeformers.neurons")


@dataclass(frozen=True, kw_only=True)
class SurrogateConfig(Config):
    """A smooth stand-in for the derivative of the spike function."""

    registry: ClassVar = SURROGATES

    def primitive(self, ops: Any, u: Any) -> Any:
        """Smooth step function of u whose derivative is `derivative`."""
        raise NotImplementedError

    def derivative(self, ops: Any, u: Any) -> Any:
        """What stands in for the derivative of the Heaviside step at u."""
        raise NotImplementedError


def _positive(config: SurrogateConfig, name: str) -> None:
    value = getattr(config, name)
    if not (value > 0 and math.isfinite(value)):
        raise ConfigError(f"{name}={value} of surrogate {type(config).__name__} must be a positive number")


@SURROGATES.register("sigmoid", source="Neftci et al., 2019, arXiv:1901.09948")
@dataclass(frozen=True, kw_only=True)
class Sigmoid(SurrogateConfig):
    r"""Logistic sigmoid: $\sigma(\alpha u)$, derivative $\alpha\,\sigma(\alpha u)(1-\sigma(\alpha u))$."""

    alpha: float = 4.0
    """Slope; the derivative at 0 is alpha / 4."""

    def __post_init__(self) -> None:
        _positive(self, "alpha")

    def primitive(self, ops: Any, u: Any) -> Any:
        return ops.sigmoid(self.alpha * u)

    def derivative(self, ops: Any, u: Any) -> Any:
        s = ops.sigmoid(self.alpha * u)
        return self.alpha * s * (1.0 - s)


@SURROGATES.register("atan", source="Fang et al., ICCV 2021, arXiv:2007.05785")
@dataclass(frozen=True, kw_only=True)
class ATan(SurrogateConfig):
    r"""Arctangent: $\frac{1}{\pi}\arctan(\frac{\pi}{2}\alpha u)+\frac12$, derivative $\frac{\alpha/2}{1+(\frac{\pi}{2}\alpha u)^2}$."""

    alpha: float = 2.0
    """Slope; the derivative at 0 is alpha / 2."""

    def __post_init__(self) -> None:
        _positive(self, "alpha")

    def primitive(self, ops: Any, u: Any) -> Any:
        return ops.atan(math.pi / 2 * self.alpha * u) / math.pi + 0.5

    def derivative(self, ops: Any, u: Any) -> Any:
        z = math.pi / 2 * self.alpha * u
        return self.alpha / 2 / (1.0 + z * z)


@SURROGATES.register("triangle", source="Bellec et al., NeurIPS 2018, arXiv:1803.09574")
@dataclass(frozen=True, kw_only=True)
class Triangle(SurrogateConfig):
    r"""Piecewise quadratic: derivative $\alpha\max(0,\,1-\alpha|u|)$, zero outside $|u|\ge 1/\alpha$."""

    alpha: float = 1.0
    """Slope; the derivative at 0 is alpha and its support has width 2 / alpha."""

    def __post_init__(self) -> None:
        _positive(self, "alpha")

    def primitive(self, ops: Any, u: Any) -> Any:
        z = ops.clamp(self.alpha * u, -1.0, 1.0)
        return 0.5 + z - 0.5 * z * ops.abs(z)

    def derivative(self, ops: Any, u: Any) -> Any:
        return self.alpha * ops.maximum(1.0 - self.alpha * ops.abs(u), 0.0)


@SURROGATES.register("rectangle", source="Wu et al., Frontiers in Neuroscience 2018, arXiv:1706.02609")
@dataclass(frozen=True, kw_only=True)
class Rectangle(SurrogateConfig):
    r"""Rectangle of area 1: derivative $\frac1w$ for $|u|\le\frac w2$, else 0; its primitive is a ramp."""

    width: float = 1.0
    """Width w of the support; the derivative inside is 1 / width."""

    def __post_init__(self) -> None:
        _positive(self, "width")

    def primitive(self, ops: Any, u: Any) -> Any:
        return ops.clamp(u / self.width + 0.5, 0.0, 1.0)

    def derivative(self, ops: Any, u: Any) -> Any:
        return ops.where(ops.abs(u) <= 0.5 * self.width, 1.0 / self.width, 0.0 * u)
