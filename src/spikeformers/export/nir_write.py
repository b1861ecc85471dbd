"""Layers and neurons as nodes of NIR."""

import copy
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from spikeformers.core.errors import ExportError
from spikeformers.export import nir_layers
from spikeformers.export.trace import Call, Trace
from spikeformers.neurons import Neuron, NeuronConfig, ScanConfig
from spikeformers.neurons.nir import Primitive

HINT = "spikeformers"
"""Where a node's metadata names our own neuron."""
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def folded(found: Trace) -> dict[str, nn.Module]:
    """Calls whose module changes where batch norms go into the layer before them, by name."""
    calls = {call.name: call for call in found.calls}
    users = [source for call in found.calls for source in call.sources] + list(found.output)
    changed: dict[str, nn.Module] = {}
    for call in found.calls:
        before = calls.get(call.sources[0]) if len(call.sources) == 1 else None
        alone = before is not None and users.count(before.name) == 1
        if before is None or not alone or not isinstance(call.module, NORMS) or call.module.running_mean is None:
            continue
        if isinstance(before.module, (nn.Linear, nn.Conv1d, nn.Conv2d)):
            changed[before.name] = _fused(before.module, call.module)
            changed[call.name] = nn.Identity()
    return changed


def _fused(layer: Any, norm: Any) -> Any:
    """A layer with the running statistics of the norm behind it in its weight and bias."""
    layer, norm = copy.deepcopy(layer).eval(), copy.deepcopy(norm).eval()
    return fuse_linear_bn_eval(layer, norm) if isinstance(layer, nn.Linear) else fuse_conv_bn_eval(layer, norm)


def node(nir: Any, module: nn.Module | None, call: Call, dt: float) -> Any:
    """The node of a layer; without a module, of a flattening.

    Raises:
        ExportError: NIR has none; says why.
    """
    if module is None:
        return nir.Flatten(np.array(call.taken), *_flattened(call))
    if isinstance(module, nir_layers.NIRNeuron):
        return _neuron_node(nir, module.primitive, None, call, 0)
    config = getattr(module, "config", None)
    if isinstance(config, NeuronConfig):
        learned = dict(module.named_parameters()) if isinstance(module, Neuron) else {}
        axis = getattr(module, "axis", 2)
        return _neuron_node(nir, config.to_nir(learned, dt), config, call, axis - 2 if axis > 0 else axis)
    for kind, write_layer in _WRITERS.items():
        if type(module) is kind:
            return write_layer(nir, module, call)
    raise ExportError("NIR has no node for it")


def _neuron_node(nir: Any, primitive: Primitive, config: NeuronConfig | None, call: Call, axis: int) -> Any:
    """Constants per neuron, from one for all or one per channel on `axis` of a sample."""
    arrays = {}
    for name, value in primitive.constants.items():
        if value.dim() == 1 and len(call.taken) > 1:
            shape = [1] * len(call.taken)
            shape[axis] = -1
            value = value.view(shape)
        arrays[name] = np.ascontiguousarray(value.expand(call.taken).numpy())
    node = getattr(nir, primitive.kind)(**arrays)
    if isinstance(config, ScanConfig) and not config.parameters():
        node.metadata[HINT] = json.dumps(config.to_dict(), sort_keys=True)
    return node


def _flattened(call: Call) -> tuple[int, int]:
    """First and last axis that were flattened."""
    for first in range(len(call.taken)):
        for last in range(first, len(call.taken)):
            middle = int(np.prod(call.taken[first : last + 1]))
            if call.given == (*call.taken[:first], middle, *call.taken[last + 1 :]):
                return first, last
    raise ExportError(f"a sample of shape {call.taken} becomes {call.given}, which is no flattening")


def _pair(size: Any) -> Any:
    return np.array([size, size] if isinstance(size, int) else size)


def _weights(layer: nn.Linear | nn.Conv1d | nn.Conv2d) -> dict[str, Any]:
    weight = layer.weight.detach().cpu().float()
    groups = getattr(layer, "groups", 1)
    if groups > 1:
        out, own = weight.shape[0] // groups, weight.shape[1]
        dense = weight.new_zeros(weight.shape[0], own * groups, *weight.shape[2:])
        for group in range(groups):
            rows = slice(group * out, (group + 1) * out)
            dense[rows, group * own : (group + 1) * own] = weight[rows]
        weight = dense
    bias = torch.zeros(weight.shape[0]) if layer.bias is None else layer.bias.detach().cpu().float()
    return {"weight": weight.numpy(), "bias": bias.numpy()}


def _conv2d(nir: Any, layer: nn.Conv2d, call: Call) -> Any:
    if layer.padding_mode != "zeros":
        raise ExportError(f"padding_mode={layer.padding_mode!r}; NIR pads with zeros")
    if layer.kernel_size[0] != layer.kernel_size[1]:
        raise ExportError(f"kernel_size={layer.kernel_size}; readers of NIR take square kernels only")
    sizes = {"stride": layer.stride, "padding": layer.padding, "dilation": layer.dilation, "groups": 1}
    return nir.Conv2d(input_shape=call.taken[1:], **sizes, **_weights(layer))


def _conv1d(nir: Any, layer: nn.Conv1d, call: Call) -> Any:
    if layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        raise ExportError(f"padding={layer.padding!r}, padding_mode={layer.padding_mode!r}; write a number of zeros")
    sizes = {"stride": layer.stride[0], "padding": layer.padding[0], "dilation": layer.dilation[0], "groups": 1}
    return nir.Conv1d(input_shape=call.taken[1], **sizes, **_weights(layer))


def _linear(nir: Any, layer: nn.Linear, call: Call) -> Any:
    if len(call.taken) != 1:
        raise ExportError(f"it runs on the last axis of {call.taken}; a linear node of NIR takes a vector")
    weights = _weights(layer)
    return nir.Linear(weights["weight"]) if layer.bias is None else nir.Affine(**weights)


def _average_pool(nir: Any, layer: nn.AvgPool2d, call: Call) -> Any:
    if layer.ceil_mode or layer.divisor_override or (not layer.count_include_pad and layer.padding):
        raise ExportError("ceil_mode, divisor_override and padding that does not count are unknown to NIR")
    stride = layer.kernel_size if layer.stride is None else layer.stride
    return nir.AvgPool2d(_pair(layer.kernel_size), _pair(stride), _pair(layer.padding))


def _sum_pool(nir: Any, layer: nir_layers.SumPool2d, call: Call) -> Any:
    pool = layer.pool
    return nir.SumPool2d(_pair(pool.kernel_size), _pair(pool.stride), _pair(pool.padding))


def _adaptive_pool(nir: Any, layer: nn.AdaptiveAvgPool2d, call: Call) -> Any:
    before, after = call.taken[1:], call.given[1:]
    if any(size % out for size, out in zip(before, after, strict=True)):
        raise ExportError(f"maps of {before} are not divided evenly into {after}")
    window = np.array([size // out for size, out in zip(before, after, strict=True)])
    return nir.AvgPool2d(window, window, np.zeros(2, int))


def _norm(nir: Any, layer: nn.BatchNorm2d | nn.BatchNorm1d, call: Call) -> Any:
    """A norm that goes into no layer before it: a layer with a diagonal weight."""
    if layer.running_mean is None:
        raise ExportError("it has no running statistics, so it is no fixed layer")
    channels = call.taken[0]
    if len(call.taken) == 3:
        pixelwise = nn.Conv2d(channels, channels, 1, bias=False)
        nn.init.dirac_(pixelwise.weight)
        return _conv2d(nir, _fused(pixelwise, layer), call)
    linear = nn.Linear(channels, channels, bias=False)
    nn.init.eye_(linear.weight)
    return _linear(nir, _fused(linear, layer), call)


def _flatten(nir: Any, layer: nn.Flatten, call: Call) -> Any:
    return nir.Flatten(np.array(call.taken), *_flattened(call))


def _scale(nir: Any, layer: nir_layers.Scale, call: Call) -> Any:
    return nir.Scale(layer.scale.detach().cpu().numpy())


_WRITERS: dict[type[nn.Module], Callable[[Any, Any, Call], Any]] = {
    nn.Conv2d: _conv2d,
    nn.Conv1d: _conv1d,
    nn.Linear: _linear,
    nn.AvgPool2d: _average_pool,
    nn.AdaptiveAvgPool2d: _adaptive_pool,
    nn.BatchNorm1d: _norm,
    nn.BatchNorm2d: _norm,
    nn.Flatten: _flatten,
    nir_layers.SumPool2d: _sum_pool,
    nir_layers.Scale: _scale,
}
