"""Reverse-mode differentiation of a recorded step.

From the cotangents of the output and the new states come those of the input, the old states and the parameters, as
further nodes of the same graph. The rules are those autograd applies to the reference.
"""

import math
from collections.abc import Iterable, Mapping

from spikeformers.core.errors import ConfigError
from spikeformers.kernels.scan.graph import BOOLEAN, Graph
from spikeformers.kernels.scan.ops import Surrogate
from spikeformers.kernels.scan.trace import TraceOps, Var, guarded

_NO_GRADIENT = BOOLEAN | {"input", "const", "detach"}


def transpose(
    graph: Graph, cotangents: Mapping[int, int], wanted: Iterable[int], surrogate: Surrogate | None
) -> dict[int, int | None]:
    """Vector-Jacobian product of a recorded program.

    Args:
        graph: the program; grows by the nodes of the product.
        cotangents: output node → node of its cotangent.
        wanted: nodes whose cotangent is asked for; they are taken as inputs.
        surrogate: derivative of `spike` nodes.

    Returns:
        Wanted node → node of its cotangent, None where no gradient path exists.
    """
    wanted = list(wanted)
    order = graph.linked(cotangents, leaves=wanted)
    found: dict[int, int] = {}
    for node, cotangent in cotangents.items():
        found[node] = graph.add("add", found[node], cotangent) if node in found else cotangent
    for node in reversed(order):
        if node in wanted or node not in found or graph.nodes[node].op in _NO_GRADIENT:
            continue
        for arg, part in _parts(graph, node, found[node], surrogate):
            if graph.nodes[arg].op != "const":
                found[arg] = graph.add("add", found[arg], part) if arg in found else part
    return {node: found.get(node) for node in wanted}


def _parts(graph: Graph, node: int, g: int, surrogate: Surrogate | None) -> list[tuple[int, int]]:
    """(operand, its share of the cotangent g) for one operation."""
    op, args = graph.nodes[node].op, graph.nodes[node].args
    add, const = graph.add, graph.const
    a, b = args[0], args[1] if len(args) > 1 else -1
    match op:
        case "add":
            return [(a, g), (b, g)]
        case "sub":
            return [(a, g), (b, add("neg", g))]
        case "mul":
            return [(a, add("mul", g, b)), (b, add("mul", g, a))]
        case "div":
            share = add("div", g, b)
            return [(a, share), (b, add("neg", add("mul", share, node)))]
        case "neg":
            return [(a, add("neg", g))]
        case "where":
            zero = const(0.0)
            return [(b, add("where", a, g, zero)), (args[2], add("where", a, zero, g))]
        case "spike" | "spike_strict":
            return [(a, add("mul", g, _derivative(graph, a, surrogate)))]
        case "floor" | "round":
            return [(a, g)]
        case "through":
            return [(b, g)]
        case "exp":
            return [(a, add("mul", g, node))]
        case "log":
            return [(a, add("div", g, a))]
        case "sqrt":
            return [(a, add("div", g, add("mul", const(2.0), node)))]
        case "tanh":
            return [(a, add("mul", g, add("sub", const(1.0), add("mul", node, node))))]
        case "sigmoid":
            return [(a, add("mul", g, add("mul", add("sub", const(1.0), node), node)))]
        case "sin":
            return [(a, add("mul", g, add("cos", a)))]
        case "cos":
            return [(a, add("neg", add("mul", g, add("sin", a))))]
        case "atan":
            return [(a, add("div", g, add("add", add("mul", a, a), const(1.0))))]
        case "erf":
            bell = add("exp", add("neg", add("mul", a, a)))
            return [(a, add("mul", g, add("mul", const(2.0 / math.sqrt(math.pi)), bell)))]
        case "abs":
            negative = add("where", add("lt", a, const(0.0)), add("neg", g), add("mul", g, const(0.0)))
            return [(a, add("where", add("gt", a, const(0.0)), g, negative))]
    raise NotImplementedError(f"no derivative rule for {op!r}")


def _derivative(graph: Graph, u: int, surrogate: Surrogate | None) -> int:
    assert surrogate is not None, "traced a spike without a surrogate"
    value = guarded(surrogate.derivative, TraceOps(graph, spiking=False), Var(graph, u))
    if not isinstance(value, (Var, float, int)) or (isinstance(value, Var) and value.boolean):
        raise ConfigError(f"the derivative of surrogate {type(surrogate).__name__} is {value!r}; it must be a number")
    return value.node if isinstance(value, Var) else graph.const(float(value))
