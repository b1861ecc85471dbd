"""Neurons written only for these tests, and the comparison of a fused scan with the reference."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor

from spikeformers.kernels.scan import Definition, scan


class Bump:
    """A surrogate derivative made of arithmetic only."""

    def derivative(self, ops: Any, u: Any) -> Any:
        return 1.0 / (1.0 + u * u)


class Logistic:
    """A surrogate derivative with an exponential."""

    def derivative(self, ops: Any, u: Any) -> Any:
        s = ops.sigmoid(4.0 * u)
        return 4.0 * s * (1.0 - s)


def leaky(ops: Any, x: Any, v: Any) -> Any:
    """Hard reset, detached; damped input."""
    h = v + (x - (v - 0.1)) / 3.0
    y = ops.spike(h - 1.0)
    s = ops.detach(y)
    return y, {"v": (1.0 - s) * h + s * 0.1}


def leaky_strict(ops: Any, x: Any, v: Any) -> Any:
    """Soft reset, not detached; fires above the threshold only."""
    h = 0.75 * v + x
    y = ops.spike(h - 1.0, strict=True)
    return y, {"v": h - y}


def learned(ops: Any, x: Any, v: Any, tau: Any, threshold: Any, reset: Any) -> Any:
    """Every constant is a parameter."""
    h = v + (x - v) * ops.sigmoid(tau)
    y = ops.spike(h - threshold)
    s = ops.detach(y)
    return y, {"v": (1.0 - s) * h + s * reset}


def adaptive(ops: Any, x: Any, v: Any, a: Any, w: Any) -> Any:
    """Two states, an exponential, a clamp and a choice."""
    h = 0.5 * v + x + 0.1 * ops.exp(ops.clamp(v, -2.0, 2.0)) - a
    y = ops.spike(h - 1.0)
    return y, {"v": ops.where(h > 1.5, h - w * y, (1.0 - y) * h), "a": 0.9 * a + 0.2 * ops.tanh(w) * y}


def smooth(ops: Any, x: Any, v: Any, w: Any) -> Any:
    """No spike at all."""
    h = ops.tanh(w * v + x) + ops.atan(v) * ops.sin(x) + ops.erf(v) * ops.cos(x)
    return ops.sigmoid(h) * ops.sqrt(1.0 + x * x), {"v": 0.5 * h}


def define(step: Callable[..., Any], surrogate: Any = None, **options: Any) -> Definition:
    """A definition whose states and parameters are read off the step's arguments."""
    names = step.__code__.co_varnames[2 : step.__code__.co_argcount]
    states = {n: 0.1 if n == "v" else 0.0 for n in names if n in ("v", "a")}
    params = tuple(n for n in names if n not in states)
    return Definition(f"test {step.__name__}", step, states, params, surrogate, **options)


@dataclass
class Case:
    """One neuron with parameter values."""

    definition: Definition
    params: dict[str, Tensor] = field(default_factory=dict)


CASES = {
    "leaky": lambda: Case(define(leaky, Bump())),
    "leaky_strict": lambda: Case(define(leaky_strict, Bump())),
    "learned": lambda: Case(
        define(learned, Bump()), {"tau": torch.tensor(0.3), "threshold": torch.tensor(0.9), "reset": torch.tensor(-0.1)}
    ),
    "per_channel": lambda: Case(
        define(learned, Bump()),
        {"tau": torch.linspace(-1, 1, 3).view(3, 1), "threshold": torch.tensor(0.9), "reset": torch.tensor(-0.1)},
    ),
    "adaptive": lambda: Case(define(adaptive, Logistic()), {"w": torch.tensor(0.4)}),
    "smooth": lambda: Case(define(smooth), {"w": torch.tensor(0.4)}),
}


@pytest.fixture
def case() -> Callable[[str], Case]:
    """A test neuron by name."""
    return lambda name: CASES[name]()


@dataclass
class Run:
    """All that one scan gives."""

    y: Tensor
    last: dict[str, Tensor]
    grads: list[Tensor]


@pytest.fixture
def run() -> Callable[..., Run]:
    """Scan and differentiate: every output, every gradient."""

    def go(case: Case, x: Tensor, backend: str, state: dict[str, Tensor] | None = None, keep: bool = True) -> Run:
        wide = torch.float64 if x.dtype == torch.float64 else torch.float32
        x = x.detach().requires_grad_()
        params = {n: p.to(wide).requires_grad_() for n, p in case.params.items()}
        state = None if state is None else {n: s.detach().to(wide).requires_grad_() for n, s in state.items()}
        y, last = scan(case.definition, x, state, params, keep=keep, backend=backend)
        weight = torch.linspace(-1, 2, y.numel(), dtype=torch.float64).reshape(y.shape)
        loss = (y.double() * weight).sum() + sum(((v.double() * 0.7).sum() for v in last.values()), torch.zeros(()))
        grads = torch.autograd.grad(loss, [x, *(state or {}).values(), *params.values()])
        return Run(y.detach(), {n: v.detach() for n, v in last.items()}, list(grads))

    return go
