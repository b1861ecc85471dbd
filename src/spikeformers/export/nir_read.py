"""Nodes of NIR as layers and neurons."""

import json
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spikeformers.core.errors import ExportError, SpikeformersError
from spikeformers.export import nir_layers
from spikeformers.export.nir_write import HINT
from spikeformers.neurons import NeuronConfig, ScanConfig, SurrogateConfig
from spikeformers.neurons.nir import Primitive


def module(node: Any, dt: float, synapse: nir_layers.Synapse, surrogate: SurrogateConfig) -> nn.Module:
    """The module of a node.

    Raises:
        ExportError: it cannot run here; says why.
    """
    kind = type(node).__name__
    if kind in nir_layers.KINDS:
        primitive = Primitive(kind, _constants(node))
        own = _own(node.metadata.get(HINT), primitive, dt)
        return own or nir_layers.NIRNeuron(primitive, dt=dt, synapse=synapse, surrogate=surrogate)
    readers = {"Affine": _linear, "Linear": _linear, "Conv1d": _conv, "Conv2d": _conv, "Flatten": _flatten}
    readers |= {"AvgPool2d": _pool, "SumPool2d": _pool, "Scale": _scale}
    if kind not in readers:
        raise ExportError("this kind of node is not read")
    return readers[kind](node)


def _constants(node: Any) -> dict[str, Tensor]:
    names = [n for n in type(node).__dataclass_fields__ if n not in ("input_type", "output_type", "metadata")]
    return {name: _tensor(getattr(node, name)) for name in names}


def _own(hint: Any, primitive: Primitive, dt: float) -> nn.Module | None:
    """Our neuron that the hint names, if its equations are those of the node; nothing else is believed."""
    if not isinstance(hint, str):
        return None
    try:
        config = NeuronConfig.from_dict(json.loads(hint))
        if not isinstance(config, ScanConfig) or config.parameters():
            return None
        expected = config.to_nir({}, dt)
    except (SpikeformersError, ValueError, TypeError):
        return None
    same = expected.kind == primitive.kind and all(
        torch.equal(value.expand_as(primitive.constants[name]), primitive.constants[name])
        for name, value in expected.constants.items()
    )
    return config.build() if same else None


def _linear(node: Any) -> nn.Module:
    weight, bias = _tensor(node.weight), getattr(node, "bias", None)
    if weight.dim() != 2:
        raise ExportError(f"its weight has {weight.dim()} axes; a matrix is read")
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    return _filled(layer, weight, bias)


def _conv(node: Any) -> nn.Module:
    weight = _tensor(node.weight)
    kind = nn.Conv1d if weight.dim() == 3 else nn.Conv2d
    groups, padding = int(node.groups), node.padding if isinstance(node.padding, str) else _sizes(node.padding)
    kernel: Any = tuple(weight.shape[2:])
    layer = kind(
        weight.shape[1] * groups,
        weight.shape[0],
        kernel,
        stride=_sizes(node.stride),
        padding=padding,
        dilation=_sizes(node.dilation),
        groups=groups,
    )
    return _filled(layer, weight, node.bias)


def _pool(node: Any) -> nn.Module:
    kind = nn.AvgPool2d if type(node).__name__ == "AvgPool2d" else nir_layers.SumPool2d
    return kind(_sizes(node.kernel_size), _sizes(node.stride), _sizes(node.padding))


def _flatten(node: Any) -> nn.Module:
    first, last = int(node.start_dim), int(node.end_dim)
    return nn.Flatten(first + 1, last + 1 if last >= 0 else last)


def _scale(node: Any) -> nn.Module:
    return nir_layers.Scale(_tensor(node.scale))


def _filled(layer: nn.Module, weight: Tensor, bias: Any) -> nn.Module:
    with torch.no_grad():
        layer.weight.copy_(weight)  # type: ignore[operator]
        if bias is not None:
            layer.bias.copy_(_tensor(bias))  # type: ignore[operator]
    return layer


def _sizes(value: Any) -> Any:
    array = np.atleast_1d(np.asarray(value)).tolist()
    return array[0] if len(array) == 1 else tuple(array)


def _tensor(value: Any) -> Tensor:
    return torch.as_tensor(np.array(value, dtype=np.float32))
