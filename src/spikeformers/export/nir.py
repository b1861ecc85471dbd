"""NIR: spiking networks as graphs that other frameworks and neuromorphic chips read (github.com/neuromorphs/NIR).

A neuron owns its mapping (`NeuronConfig.to_nir`); here the graph is walked. NIR has no time step: `dt` turns steps into its
seconds and back, and the default, 1e-4, is what snnTorch and SpikingJelly take.
"""

from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from spikeformers.core.errors import ExportError
from spikeformers.export import nir_layers, nir_read, nir_write
from spikeformers.export.trace import INPUT, trace
from spikeformers.neurons import NeuronConfig, SurrogateConfig
from spikeformers.neurons.surrogate import ATan

STEP = 1e-4
"""Seconds of one step."""
_PASSED = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d)


def to_nir(model: nn.Module, input_shape: tuple[int, ...], *, dt: float = STEP) -> Any:
    """A model as a `nir.NIRGraph`.

    The model runs once, in eval mode. Batch norms are folded into the layer before them, or become a diagonal layer.
    Grouped convolutions are written dense, since readers take the number of channels from the weight.

    Args:
        model: takes [T, B, *input_shape], gives one tensor [T, B, ...]; of convolutions, linear layers, average pools,
            flattenings, batch norms, sums and neurons.
        input_shape: shape of one sample at one step.
        dt: seconds that a step stands for.

    Raises:
        ExportError: lists everything in the model that NIR has no node for, by path; or `nir` is not installed.
        ShapeError: the model does not take this input, or gives something else.
    """
    nir = _package()
    if not dt > 0.0:
        raise ExportError(f"dt={dt} must be a positive number of seconds")
    found = trace(model, tuple(input_shape))
    changed, faults = nir_write.folded(found), list(found.faults)
    nodes: dict[str, Any] = {INPUT: nir.Input(input_type=np.array(input_shape))}
    passed: dict[str, tuple[str, ...]] = {INPUT: (INPUT,)}
    edges: list[tuple[str, str]] = []
    for call in found.calls:
        sources = tuple(s for source in call.sources for s in passed[source])
        module = changed.get(call.name, call.module)
        passed[call.name] = (call.name,)
        if isinstance(module, _PASSED):
            passed[call.name] = sources
            continue
        try:
            nodes[call.name] = nir_write.node(nir, module, call, dt)
        except ExportError as error:
            faults.append(f"{call.path or 'the model itself'} ({_title(module)}): {error}")
        edges += [(source, call.name) for source in sources]
    if faults:
        raise ExportError(f"the model has parts that have no place in NIR ({len(faults)}):\n  " + "\n  ".join(faults))
    nodes["output"] = nir.Output(output_type=np.array(found.shape))
    edges += [(s, "output") for source in found.output for s in passed[source]]
    return nir.NIRGraph(nodes=nodes, edges=edges)


def from_nir(
    graph: Any, *, dt: float = STEP, synapse: nir_layers.Synapse = "new", surrogate: SurrogateConfig = ATan()
) -> nir_layers.Graph:
    """A `nir.NIRGraph` as a module: [T, B, *in] → [T, B, *out].

    A neuron that was written from here comes back as itself, if its equations still give the constants of the node; any
    other runs by the node's own equations.

    Args:
        graph: one input, one output, no cycles; may hold graphs.
        dt: seconds of a step.
        synapse: which synaptic current charges a membrane in the same step; frameworks differ.
        surrogate: derivative of the spikes of neurons that come from elsewhere.

    Raises:
        ExportError: lists every node that cannot run here; or the graph has a cycle, or several inputs or outputs.
    """
    nir = _package()
    order, sources, faults = _ordered(nir, graph), {}, []
    names = {name: name.replace(".", "_") for name in graph.nodes}
    modules: dict[str, nn.Module] = {}
    for name in order:
        node = graph.nodes[name]
        before = [INPUT if isinstance(graph.nodes[a], nir.Input) else names[a] for a, b in graph.edges if b == name]
        if isinstance(node, nir.Output):
            sources["output"] = tuple(before)
        if isinstance(node, (nir.Input, nir.Output)):
            continue
        sources[names[name]] = tuple(before)
        try:
            if isinstance(node, nir.NIRGraph):
                modules[names[name]] = from_nir(node, dt=dt, synapse=synapse, surrogate=surrogate)
            else:
                modules[names[name]] = nir_read.module(node, dt, synapse, surrogate)
        except ExportError as error:
            faults.append(f"{name} ({type(node).__name__}): {error}")
    if faults:
        raise ExportError(f"the graph has nodes that cannot run here ({len(faults)}):\n  " + "\n  ".join(faults))
    return nir_layers.Graph(modules, sources)


def write(path: str | Path, graph: Any) -> None:
    """Write a `nir.NIRGraph` to a file; it appears whole or not at all."""
    path = Path(path)
    half = path.with_name(path.name + ".tmp")
    try:
        _package().write(half, graph)
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)


def read(path: str | Path) -> Any:
    """Read a `nir.NIRGraph`.

    Raises:
        ExportError: there is no such file, or it holds no NIR graph.
    """
    nir = _package()
    if not Path(path).is_file():
        raise ExportError(f"there is no file {Path(path).name!r} in {Path(path).parent}")
    try:
        return nir.read(path)
    except (OSError, KeyError, AssertionError, TypeError, ValueError) as error:
        raise ExportError(f"{Path(path).name!r} is no NIR graph ({error or type(error).__name__})") from error


def _package() -> Any:
    try:
        import nir
    except ImportError as error:
        raise ExportError("NIR needs the package nir; pip install 'spikeformers[export]' adds it") from error
    return nir


def _title(module: nn.Module | None) -> str:
    """What a layer is called in messages: a neuron by its registered name."""
    config = getattr(module, "config", None)
    if isinstance(config, NeuronConfig):
        return config.family
    return "flatten" if module is None else type(module).__name__


def _ordered(nir: Any, graph: Any) -> list[str]:
    """Node names, each after those that it takes from.

    Raises:
        ExportError: the graph has a cycle, or not one input and one output.
    """
    ends = [sum(isinstance(n, kind) for n in graph.nodes.values()) for kind in (nir.Input, nir.Output)]
    if ends != [1, 1]:
        raise ExportError(f"a graph with one input and one output is needed; this one has {ends[0]} and {ends[1]}")
    sorter = TopologicalSorter({name: [a for a, b in graph.edges if b == name] for name in graph.nodes})
    try:
        return list(sorter.static_order())
    except CycleError as error:
        raise ExportError(f"the graph goes in a circle ({' → '.join(error.args[1])}); feedback is not read") from error
