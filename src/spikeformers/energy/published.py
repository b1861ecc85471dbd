r"""Energies that papers print for ImageNet, against the operations of the same networks.

The papers' rule is one line, $E = 4.6\,F_1 + 0.9\,T\,r\,(F-F_1)$ picojoules with dense operations F per step, of which F₁ are
the first convolution's. Given F, each printed energy implies a mean firing rate r; given measured rates, the rule gives
the energy that should have been printed. Where synaptic operations are printed too, what they leave of the energy says
how the first layer was charged. Printed operations of Spikformer are as others quote them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from spikeformers.core.errors import ConfigError
from spikeformers.energy.conventions import AC_PJ, MAC_PJ
from spikeformers.energy.count import count
from spikeformers.energy.firing import is_spiking
from spikeformers.energy.rows import SYNAPTIC

_GIGA_MJ = 1e9 * 1e-9
"""Giga-operations × picojoules → millijoules."""


_CLOSE = 0.03
"""Printed numbers have two decimals; the first layer is a difference of two of them."""


@dataclass(frozen=True)
class Published:
    """One printed energy.

    Attributes:
        model: our name of the network.
        mj: millijoules per image.
        source: where it is printed.
        gsops: synaptic operations in G, where they are printed beside it.
        steps: T.
        img_size: height and width of the image.
    """

    model: str
    mj: float
    source: str
    gsops: float | None = None
    steps: int = 4
    img_size: int = 224

    @property
    def first_gmacs(self) -> float | None:
        """G multiply-accumulates that the printed numbers leave for the first layer, $(E-0.9\\,S)/4.6$."""
        return None if self.gsops is None else (self.mj / _GIGA_MJ - AC_PJ * self.gsops) / MAC_PJ


_SPIKFORMER = "Spikformer paper (ICLR 2023), table of ImageNet results"
_RERATED = "Spikingformer repository, readme: Spikformer re-rated by its own tool"
_SPIKINGFORMER = "Spikingformer paper, table of ImageNet results"
_SDT = "Spike-driven Transformer repository, readme"
_QKFORMER = "QKFormer paper (NeurIPS 2024), table of ImageNet results"

PUBLISHED = (
    Published("spikformer_8_384", 7.73, _SPIKFORMER, 6.82),
    Published("spikformer_6_512", 9.42, _SPIKFORMER, 8.69),
    Published("spikformer_8_512", 11.58, _SPIKFORMER, 11.09),
    Published("spikformer_10_512", 13.90, _SPIKFORMER, 13.68),
    Published("spikformer_8_768", 21.48, _SPIKFORMER, 22.09),
    Published("spikformer_8_384", 12.43, _RERATED),
    Published("spikformer_8_512", 18.82, _RERATED),
    Published("spikformer_8_768", 32.07, _RERATED),
    Published("spikingformer_8_384", 4.69, _SPIKINGFORMER, 3.88),
    Published("spikingformer_8_512", 7.46, _SPIKINGFORMER, 6.52),
    Published("spikingformer_8_768", 13.68, _SPIKINGFORMER, 12.54),
    Published("sdt_v1_8_384", 3.90, _SDT),
    Published("sdt_v1_6_512", 3.56, _SDT),
    Published("sdt_v1_8_512", 4.50, _SDT),
    Published("sdt_v1_10_512", 5.53, _SDT),
    Published("qkformer_10_384", 15.13, _QKFORMER),
    Published("qkformer_10_512", 21.99, _QKFORMER),
    Published("qkformer_10_768", 38.91, _QKFORMER),
)


@dataclass(frozen=True)
class DenseOperations:
    """Giga multiply-accumulates of one dense step.

    Attributes:
        first: of the first convolution.
        weighted: of all layers with weights, the first included.
        products: of products of two activations (attention).
    """

    first: float
    weighted: float
    products: float

    @property
    def rest(self) -> float:
        """All but the first convolution."""
        return self.weighted + self.products - self.first

    def paper_mj(self, steps: int, rate: float) -> float:
        """The papers' rule with a mean firing rate."""
        return (MAC_PJ * self.first + AC_PJ * steps * rate * self.rest) * _GIGA_MJ

    def implied_rate(self, mj: float, steps: int) -> float:
        """The mean firing rate that makes the papers' rule give `mj`."""
        return (mj / _GIGA_MJ - MAC_PJ * self.first) / (AC_PJ * steps * self.rest)


def dense_operations(twin: nn.Module, *inputs: int) -> DenseOperations:
    """Count an ANN twin that was built on the meta device, by shapes alone: no weights, no data, no time.

    Args:
        twin: built under `with torch.device("meta")`.
        inputs: channels, height and width.

    Raises:
        ConfigError: the model holds spiking neurons, whose operations depend on data.
    """
    if any(is_spiking(module) for module in twin.modules()):
        raise ConfigError("dense_operations takes the ANN twin (config.twin()), not a spiking model")
    with torch.no_grad(), count(twin.eval()) as meter:
        twin(torch.empty(1, *inputs, device="meta"))
    rows = [row for row in meter.rows() if row.kind in SYNAPTIC]
    return DenseOperations(
        first=next(row.dense_macs for row in rows if row.first) * 1e-9,
        weighted=sum(row.dense_macs for row in rows if row.kind != "product") * 1e-9,
        products=sum(row.dense_macs for row in rows if row.kind == "product") * 1e-9,
    )


def accumulates(entry: Published, operations: DenseOperations) -> float:
    """G accumulates behind a printed energy: those printed, else those that the papers' rule implies."""
    if entry.gsops is not None:
        return entry.gsops
    return entry.steps * operations.implied_rate(entry.mj, entry.steps) * operations.rest


def check_published(entry: Published, operations: DenseOperations) -> dict[str, Any]:
    """What a printed energy says of the network: its firing rate, and how its first layer was charged."""
    sops = accumulates(entry, operations)
    rate = sops / (entry.steps * operations.rest)
    first = entry.first_gmacs
    return {
        "model": entry.model,
        "mj": entry.mj,
        "steps": entry.steps,
        "dense_gmacs_per_step": operations.weighted + operations.products,
        "first_gmacs": operations.first,
        "rate": rate,
        "gsops": sops,
        "gsops_printed": entry.gsops is not None,
        "first_charged": None if first is None else first / operations.first,
        "note": "more than every second input on average: no plausible firing rate, so layers fed by sums of spikes "
        "must have been charged as MAC"
        if rate > 0.5
        else "",
        "source": entry.source,
    }


def explain_first(entry: Published, first: Mapping[str, float]) -> str:
    """In words: how the first layer of a printed energy was charged, or nothing where operations are not printed.

    Args:
        entry: the printed energy.
        first: model name → G multiply-accumulates of its first convolution in one step.
    """
    charged = entry.first_gmacs
    if charged is None:
        return ""
    said = f"{entry.model}: {entry.mj} mJ − 0.9 pJ × {entry.gsops} G printed operations leave {charged:.3f} GMAC for the first layer, "
    times = charged / first[entry.model]
    if abs(times - entry.steps) < _CLOSE * entry.steps:
        return f"{said}its first convolution once at each of {entry.steps} steps."
    same = [name for name, own in first.items() if abs(charged - entry.steps * own) < _CLOSE * charged]
    whose = f", as {entry.steps} steps of the first convolution of {same[0]}" if same else ""
    return f"{said}{times:.2f} times its first convolution{whose}."


def explain(own: Published, other: Published, operations: DenseOperations) -> str:
    """In words: how two energies of one network differ by the same spikes, once as AC and once as MAC."""
    if own.model != other.model:
        raise ConfigError(f"{own.model} and {other.model} are different networks; their energies need no explanation")
    sops = accumulates(own, operations)
    moved = (other.mj - own.mj) / (MAC_PJ - AC_PJ) / _GIGA_MJ
    return (
        f"{own.model}: {own.mj} mJ ({own.source}) and {other.mj} mJ ({other.source}). "
        f"{own.mj} mJ holds {sops:.2f} G accumulates. Charging {moved:.2f} G of them "
        f"({moved / sops:.1%}) as MAC gives {other.mj} mJ: the inputs of these layers are sums of spikes (integers), "
        "which one rule calls spikes and the other real numbers."
    )
