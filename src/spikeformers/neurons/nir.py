"""What a neuron is in NIR, the interchange format, without the package that reads and writes it.

NIR gives neurons as differential equations. Steps of length dt by the forward Euler rule turn them into what runs here:

- `LIF`: $h=v+\\frac{dt}{\\tau}\\big((v_{leak}-v)+r\\,x\\big)$; `IF`: $h=v+dt\\,r\\,x$; both fire where $h>v_{th}$ and go to $v_{reset}$.
- `CubaLIF`: $i\\leftarrow i+\\frac{dt}{\\tau_{syn}}(w_{in}x-i)$, then $h=v+\\frac{dt}{\\tau_{mem}}\\big((v_{leak}-v)+r\\,i\\big)$.

NIR fires above the threshold only. A neuron that fires at its threshold too has in NIR the largest float32 below it, which
is the same for every float32 potential. Soft resets have no place in NIR.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from spikeformers.core.errors import ExportError


@dataclass(frozen=True)
class Primitive:
    """One node: the name of its kind in NIR, and its constants, scalars or one value per channel."""

    kind: str
    constants: Mapping[str, Tensor]


def leaky(
    rate: float | Tensor,
    *,
    v_threshold: float,
    v_reset: float | None,
    no_reset: bool,
    strict: bool,
    decay_input: bool,
    dt: float,
) -> Primitive:
    r"""The node of `equations.leak`: $h=v+rate\,(x-(v-v_{reset}))$, or with undamped input $h=v-rate\,(v-v_{reset})+x$.

    Raises:
        ExportError: the reset is soft, or there is none.
    """
    rest = hard(v_reset, no_reset)
    gain = 1.0 if decay_input else 1.0 / _wide(rate)
    return _lif(rate, gain, v_leak=rest, v_threshold=v_threshold, v_reset=rest, strict=strict, dt=dt)


def undamped(
    decay: float | Tensor,
    bias: float | Tensor = 0.0,
    *,
    v_threshold: float | Tensor,
    v_reset: float,
    strict: bool,
    dt: float,
) -> Primitive:
    r"""The node of $h=decay\,v+x+bias$ with a hard reset.

    Raises:
        ExportError: nothing decays, but a bias is added.
    """
    rate = 1.0 - _wide(decay)
    if bool((rate > 0.0).all()):
        leak = _wide(bias) / rate
        return _lif(rate, 1.0 / rate, v_leak=leak, v_threshold=v_threshold, v_reset=v_reset, strict=strict, dt=dt)
    if bool((_wide(bias) != 0.0).any()) or bool((rate > 0.0).any()):
        raise ExportError("no node of NIR has a constant current without a leak, or a leak in some channels only")
    return integrator(v_threshold=v_threshold, v_reset=v_reset, strict=strict, dt=dt)


def integrator(
    *, v_threshold: float | Tensor, v_reset: float | None, no_reset: bool = False, strict: bool, dt: float
) -> Primitive:
    """The node of $h=v+x$ with a hard reset.

    Raises:
        ExportError: the reset is soft, or there is none.
    """
    return _primitive("IF", r=1.0 / dt, v_threshold=edge(v_threshold, strict), v_reset=hard(v_reset, no_reset))


def cuba_lif(
    decay_synapse: float,
    decay: float,
    *,
    v_threshold: float,
    v_reset: float | None,
    no_reset: bool,
    strict: bool,
    dt: float,
) -> Primitive:
    r"""The node of $i\leftarrow decay_{syn}\,i+x$, $h=decay\,v+i$ with a hard reset.

    Raises:
        ExportError: one of the two does not decay, or the reset is not hard.
    """
    if decay_synapse >= 1.0 or decay >= 1.0:
        raise ExportError(f"decay_synapse={decay_synapse} and decay={decay} must be below 1; NIR has time constants")
    return _primitive(
        "CubaLIF",
        tau_syn=dt / (1.0 - decay_synapse),
        tau_mem=dt / (1.0 - decay),
        w_in=1.0 / (1.0 - decay_synapse),
        r=1.0 / (1.0 - decay),
        v_leak=0.0,
        v_threshold=edge(v_threshold, strict),
        v_reset=hard(v_reset, no_reset),
    )


def edge(v_threshold: float | Tensor, strict: bool) -> Tensor:
    """The threshold in NIR: itself where firing is strict, else the largest float32 below it."""
    value = _wide(v_threshold).float()
    return value if strict else torch.nextafter(value, torch.full_like(value, -torch.inf))


def hard(v_reset: float | None, no_reset: bool = False) -> float:
    """The potential of a hard reset.

    Raises:
        ExportError: the reset is soft, or there is none.
    """
    if no_reset:
        raise ExportError("NIR resets to a potential; a neuron without reset (no_reset=True) has no node")
    if v_reset is None:
        raise ExportError("NIR resets to a potential; the soft reset (v_reset=None) has no node")
    return v_reset


def _lif(
    rate: float | Tensor,
    gain: float | Tensor,
    *,
    v_leak: float | Tensor,
    v_threshold: float | Tensor,
    v_reset: float,
    strict: bool,
    dt: float,
) -> Primitive:
    threshold = edge(v_threshold, strict)
    return _primitive("LIF", tau=dt / _wide(rate), r=gain, v_leak=v_leak, v_threshold=threshold, v_reset=v_reset)


def _wide(value: float | Tensor) -> Tensor:
    return torch.as_tensor(value, dtype=torch.float64).detach().cpu()


def _primitive(kind: str, **constants: float | Tensor) -> Primitive:
    return Primitive(kind, {name: _wide(value).float() for name, value in constants.items()})
