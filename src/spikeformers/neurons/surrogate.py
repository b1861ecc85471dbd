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


@SURROGATES.register("fast_sigmoid", source="Zenke and Ganguli, Neural Computation 2018, arXiv:1705.11146")
@dataclass(frozen=True, kw_only=True)
class FastSigmoid(SurrogateConfig):
    r"""Fast sigmoid (SuperSpike): $\frac{u}{1+\alpha|u|}$, derivative $\frac{1}{(1+\alpha|u|)^2}$."""

    alpha: float = 25.0
    """Slope; the derivative at 0 is 1 whatever it is, and falls to a quarter at 1 / alpha."""

    def __post_init__(self) -> None:
        _positive(self, "alpha")

    def primitive(self, ops: Any, u: Any) -> Any:
        return u / (1.0 + self.alpha * ops.abs(u))

    def derivative(self, ops: Any, u: Any) -> Any:
        z = 1.0 + self.alpha * ops.abs(u)
        return 1.0 / (z * z)


@SURROGATES.register("gaussian", source="Yin et al., 2020, arXiv:2005.11633; Lee et al., 2016, arXiv:1608.08782")
@dataclass(frozen=True, kw_only=True)
class Gaussian(SurrogateConfig):
    r"""Normal distribution: derivative $\mathcal N(u;0,\sigma^2)$, primitive its cumulative distribution."""

    sigma: float = 0.5
    """Standard deviation σ; the derivative at 0 is 0.4 / sigma."""

    def __post_init__(self) -> None:
        _positive(self, "sigma")

    def primitive(self, ops: Any, u: Any) -> Any:
        return _normal_cdf(ops, u, self.sigma)

    def derivative(self, ops: Any, u: Any) -> Any:
        return _normal(ops, u, self.sigma)


@SURROGATES.register("multi_gaussian", source="Yin et al., Nature Machine Intelligence 2021, arXiv:2103.12593")
@dataclass(frozen=True, kw_only=True)
class MultiGaussian(SurrogateConfig):
    r"""Normal distribution with negative sides:
    $\gamma\big[(1+h)\,\mathcal N(u;0,\sigma^2)-h\,\mathcal N(u;\sigma,s^2\sigma^2)-h\,\mathcal N(u;-\sigma,s^2\sigma^2)\big]$.
    """

    sigma: float = 0.5
    """Standard deviation of the middle, σ, and the distance of the sides."""
    height: float = 0.15
    """Weight of the two negative sides, h."""
    scale: float = 6.0
    """Standard deviation of the sides in units of sigma, s."""
    gain: float = 0.5
    """Factor on everything, γ."""

    def __post_init__(self) -> None:
        for name in ("sigma", "height", "scale", "gain"):
            _positive(self, name)

    def primitive(self, ops: Any, u: Any) -> Any:
        side = self.scale * self.sigma
        sides = _normal_cdf(ops, u - self.sigma, side) + _normal_cdf(ops, u + self.sigma, side)
        return self.gain * ((1.0 + self.height) * _normal_cdf(ops, u, self.sigma) - self.height * sides)

    def derivative(self, ops: Any, u: Any) -> Any:
        side = self.scale * self.sigma
        sides = _normal(ops, u - self.sigma, side) + _normal(ops, u + self.sigma, side)
        return self.gain * ((1.0 + self.height) * _normal(ops, u, self.sigma) - self.height * sides)


@SURROGATES.register("exponential", source="Shrestha and Orchard, NeurIPS 2018, arXiv:1810.08646")
@dataclass(frozen=True, kw_only=True)
class Exponential(SurrogateConfig):
    r"""Piecewise exponential: derivative $\frac\alpha2e^{-\alpha|u|}$."""

    alpha: float = 2.0
    """Slope; the derivative at 0 is alpha / 2."""

    def __post_init__(self) -> None:
        _positive(self, "alpha")

    def primitive(self, ops: Any, u: Any) -> Any:
        tail = 0.5 * ops.exp(-self.alpha * ops.abs(u))
        return ops.where(u < 0.0, tail, 1.0 - tail)

    def derivative(self, ops: Any, u: Any) -> Any:
        return self.alpha / 2 * ops.exp(-self.alpha * ops.abs(u))


@SURROGATES.register("leaky", source="Yin et al., 2017, arXiv:1710.07354")
@dataclass(frozen=True, kw_only=True)
class Leaky(SurrogateConfig):
    r"""Piecewise leaky ramp: derivative $\frac1{2w}$ for $|u|\le w$, else $c$, so that it never vanishes."""

    width: float = 1.0
    """Half width of the ramp, w."""
    leak: float = 0.01
    """Derivative outside, c."""

    def __post_init__(self) -> None:
        _positive(self, "width")
        if not self.leak >= 0.0:
            raise ConfigError(f"leak={self.leak} of surrogate Leaky must not be negative")

    def primitive(self, ops: Any, u: Any) -> Any:
        inside = ops.clamp(u, -self.width, self.width)
        return 0.5 + inside / (2.0 * self.width) + self.leak * (u - inside)

    def derivative(self, ops: Any, u: Any) -> Any:
        return ops.where(ops.abs(u) <= self.width, 0.5 / self.width, self.leak + 0.0 * u)


@SURROGATES.register("ste", source="Bengio et al., 2013, arXiv:1308.3432")
@dataclass(frozen=True, kw_only=True)
class StraightThrough(SurrogateConfig):
    r"""Clamped straight-through estimator: derivative 1 for $a\le u\le b$, else 0."""

    low: float = -0.5
    """Smallest u that passes the gradient, a."""
    high: float = 0.5
    """Largest u that passes the gradient, b."""

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ConfigError(f"low={self.low} of surrogate StraightThrough must be below high={self.high}")

    def primitive(self, ops: Any, u: Any) -> Any:
        return ops.clamp(u, self.low, self.high) - self.low

    def derivative(self, ops: Any, u: Any) -> Any:
        return ops.where(ops.abs(u - (self.low + self.high) / 2) <= (self.high - self.low) / 2, 1.0, 0.0 * u)


@SURROGATES.register("tanh", source="Guo et al., ICCV 2023, arXiv:2308.08359; yfguo91/MPBN")
@dataclass(frozen=True, kw_only=True)
class Tanh(SurrogateConfig):
    r"""Hyperbolic tangent inside a window of width 1: $\frac{\tanh(ku)}{2\tanh(k/2)}+\frac12$ for $|u|\le\frac12$."""

    k: float = 3.0
    """Steepness; the derivative at 0 is k / (2 tanh(k / 2))."""

    def __post_init__(self) -> None:
        _positive(self, "k")

    def primitive(self, ops: Any, u: Any) -> Any:
        return 0.5 + ops.tanh(self.k * ops.clamp(u, -0.5, 0.5)) / (2.0 * math.tanh(self.k / 2))

    def derivative(self, ops: Any, u: Any) -> Any:
        z = ops.tanh(self.k * u)
        return ops.where(ops.abs(u) <= 0.5, self.k / (2.0 * math.tanh(self.k / 2)) * (1.0 - z * z), 0.0 * u)


@SURROGATES.register("log", source="Suetake et al., Neural Networks 2023, arXiv:2201.10879")
@dataclass(frozen=True, kw_only=True)
class Log(SurrogateConfig):
    r"""Surrogate of S2NN: below the threshold a sigmoid, $\sigma(\alpha u)$, above a logarithm, $\beta\ln(u+1)+\frac12$."""

    alpha: float = 4.0
    """Slope of the sigmoid below the threshold."""
    beta: float = 1.0
    """Derivative just above the threshold; it falls as 1 / (u + 1)."""

    def __post_init__(self) -> None:
        _positive(self, "alpha")
        _positive(self, "beta")

    def primitive(self, ops: Any, u: Any) -> Any:
        return ops.where(u < 0.0, ops.sigmoid(self.alpha * u), self.beta * ops.log(ops.abs(u) + 1.0) + 0.5)

    def derivative(self, ops: Any, u: Any) -> Any:
        s = ops.sigmoid(self.alpha * u)
        return ops.where(u < 0.0, self.alpha * s * (1.0 - s), self.beta / (ops.abs(u) + 1.0))


@SURROGATES.register("pdsg", source="Lun et al., CVPR 2025; ryime/PDSG-SDA")
@dataclass(frozen=True, kw_only=True)
class PDSG(SurrogateConfig):
    r"""Potential-dependent surrogate at one spread σ: $\mathcal N(u;\frac\sigma2,\sigma^2)$, peaked above the threshold.

    The neuron `pdsg_lif` measures σ from its potentials.
    """

    sigma: float = 0.5
    """Standard deviation of the potential, σ."""

    def __post_init__(self) -> None:
        _positive(self, "sigma")

    def primitive(self, ops: Any, u: Any) -> Any:
        return _normal_cdf(ops, u - self.sigma / 2, self.sigma)

    def derivative(self, ops: Any, u: Any) -> Any:
        return _normal(ops, u - self.sigma / 2, self.sigma)


def _normal(ops: Any, u: Any, sigma: float) -> Any:
    z = u / sigma
    return ops.exp(-0.5 * (z * z)) / (math.sqrt(2.0 * math.pi) * sigma)


def _normal_cdf(ops: Any, u: Any, sigma: float) -> Any:
    return 0.5 + 0.5 * ops.erf(u / (math.sqrt(2.0) * sigma))
