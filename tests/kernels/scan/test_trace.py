"""Recording a step: what is kept, what is merged, and what is refused with its line."""

import math
from typing import Any

import pytest
import torch

from spikeformers.core.errors import ConfigError
from spikeformers.kernels.scan import Definition
from spikeformers.kernels.scan.graph import Graph
from spikeformers.kernels.scan.ops import TorchOps
from spikeformers.kernels.scan.trace import trace


class Bump:
    def derivative(self, ops: Any, u: Any) -> Any:
        return 1.0 / (1.0 + u * u)


def define(step: Any, states: Any = (("v", 0.0),), params: tuple[str, ...] = (), surrogate: Any = Bump()) -> Definition:
    return Definition(step.__name__, step, dict(states), params, surrogate)


def plain(ops: Any, x: Any, v: Any) -> Any:
    h = v + x
    y = ops.spike(h - 1.0)
    return y, {"v": h - y}


def python_if(ops: Any, x: Any, v: Any) -> Any:
    h = v + x
    if h > 0:
        h = h * 0.5
    return ops.spike(h), {"v": h}


def unknown_function(ops: Any, x: Any, v: Any) -> Any:
    return ops.spike(ops.tanhh(v + x)), {"v": v}


def unknown_name(ops: Any, x: Any, v: Any) -> Any:
    return ops.spike(v + x - threshold), {"v": v}  # noqa: F821


def torch_function(ops: Any, x: Any, v: Any) -> Any:
    return ops.spike(torch.exp(v) + x), {"v": v}


def math_function(ops: Any, x: Any, v: Any) -> Any:
    return ops.spike(math.exp(v) + x), {"v": v}


def tensor_method(ops: Any, x: Any, v: Any) -> Any:
    return ops.spike(v.detach() + x), {"v": v}


def tensor_constant(ops: Any, x: Any, v: Any) -> Any:
    return ops.spike(v + x * torch.ones(3)), {"v": v}


def bare_comparison(ops: Any, x: Any, v: Any) -> Any:
    return v + x > 1.0, {"v": v}


def comparison_as_number(ops: Any, x: Any, v: Any) -> Any:
    y = (v + x > 1.0) * 1.0
    return y, {"v": v + x}


def too_many_arguments(ops: Any, x: Any, v: Any) -> Any:
    return ops.spike(ops.exp(v, x)), {"v": v}


def only_output(ops: Any, x: Any, v: Any) -> Any:
    return ops.spike(v + x)


def forgets_state(ops: Any, x: Any, v: Any) -> Any:
    return ops.spike(v + x), {}


def extra_state(ops: Any, x: Any, v: Any) -> Any:
    return ops.spike(v + x), {"v": v, "w": v}


def extra_symbol(ops: Any, x: Any, v: Any, tua: Any) -> Any:
    return ops.spike(v + x * tua), {"v": v}


def no_gradient(ops: Any, x: Any, v: Any) -> Any:
    return ops.spike(v + ops.detach(x)), {"v": 0.5 * v}


def cube_root(ops: Any, x: Any, v: Any) -> Any:
    return ops.spike(v + x**0.33), {"v": v}


FAULTS = [
    (python_if, r"line \d+ \(if h > 0:\): Python decides"),
    (unknown_function, r"tanhh.*ops has no function 'tanhh'; did you mean 'tanh'"),
    (unknown_name, r"name 'threshold' is not defined"),
    (torch_function, r"torch\.exp.*does not know traced values.*functions of ops"),
    (math_function, r"math\.exp.*has no number yet"),
    (tensor_method, r"v\.detach.*a traced value has no 'detach'"),
    (tensor_constant, r"torch\.ones.*a value of type Tensor meets"),
    (bare_comparison, r"the output is a comparison.*ops\.spike"),
    (comparison_as_number, r"\* 1\.0.*a comparison is used as a number"),
    (too_many_arguments, r"ops\.exp\(v, x\).*takes 2 positional arguments"),
    (only_output, r"must return \(output, \{new states\}\)"),
    (forgets_state, r"does not return the new value of state 'v'"),
    (extra_state, r"returns state 'w', which has no initial value"),
    (extra_symbol, r"step takes 'tua', which is neither a state nor a parameter"),
    (no_gradient, r"no gradient reaches the input x"),
    (cube_root, r"x\*\*0\.33.*only \*\* 2 and \*\* 3"),
]


@pytest.mark.parametrize(("step", "message"), FAULTS, ids=lambda v: getattr(v, "__name__", ""))
def test_a_wrong_step_is_refused_with_its_line(step: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        _ = define(step).program
    assert "test_trace.py, line " in str(caught.value)


def test_declarations_that_do_not_fit_the_step_are_refused() -> None:
    with pytest.raises(ConfigError, match="state 'v' has no initial value"):
        _ = define(plain, {"v": None}).program
    with pytest.raises(ConfigError, match="'w' is declared but step does not take it"):
        _ = define(plain, {"v": 0.0, "w": 0.0}).program
    with pytest.raises(ConfigError, match="give the neuron a field 'surrogate'"):
        _ = define(plain, surrogate=None).program

    def idle(ops: Any, x: Any, v: Any, w: Any) -> Any:
        return plain(ops, x, v)

    with pytest.raises(ConfigError, match="parameter 'w' has no effect"):
        _ = define(idle, params=("w",)).program


def test_a_wrong_surrogate_is_refused_with_its_line() -> None:
    class Broken:
        def derivative(self, ops: Any, u: Any) -> Any:
            return 1.0 if u > 0 else 0.0

    with pytest.raises(ConfigError, match=r"return 1\.0 if u > 0.*Python decides"):
        _ = define(plain, surrogate=Broken()).program


def test_definitions_differing_in_a_constant_have_different_keys() -> None:
    def other(ops: Any, x: Any, v: Any) -> Any:
        h = v + x
        y = ops.spike(h - 1.5)
        return y, {"v": h - y}

    other.__name__ = "plain"
    assert define(plain).program.key != define(other).program.key
    assert define(plain).program.key == define(plain).program.key


def test_only_the_gradient_is_computed_of_what_is_smooth() -> None:
    def step(ops: Any, x: Any, v: Any) -> Any:
        u = v + x
        y = ops.through(ops.spike(ops.detach(u)), ops.atan(u))
        return y, {"v": u - ops.detach(y)}

    program = define(step).program
    forward = program.graph.live([program.y, *program.new_states], program.leaves)
    assert "atan" not in {program.graph.nodes[n].op for n in forward}
    assert all(program.graph.nodes[n].op != "spike" for n in program.graph.live([program.gx], program._given))


def test_programs_that_differ_in_constants_alone_have_one_structure() -> None:
    def neuron(tau: float, threshold: float, rest: float) -> Any:
        def step(ops: Any, x: Any, v: Any) -> Any:
            h = v + (x - (v - 0.3)) / tau
            return ops.spike(h - threshold), {"v": 0.7 * h}

        return define(step, (("v", rest),)).program

    programs = [neuron(1.7, 1.2, 0.0), neuron(3.0, 0.9, 0.5)]
    assert programs[0].key != programs[1].key
    assert programs[0].structure == programs[1].structure
    assert programs[0].constants == programs[1].constants
    assert programs[0].numbers(torch.float64, torch.device("cpu")).tolist() == [0.3, 1.7, 1.2, 0.7, 0.0, 0.0]
    assert programs[1].numbers(torch.float64, torch.device("cpu")).tolist() == [0.3, 3.0, 0.9, 0.7, 0.5, 0.0]
    # a division by a power of two is a product, and 1 is no argument
    others = [neuron(2.0, 1.2, 0.0), neuron(1.7, 1.0, 0.0)]
    assert len({p.structure for p in (*programs, *others)}) == 3
    assert others[0].structure == neuron(4.0, 0.9, 0.5).structure


@pytest.mark.parametrize("divisor", [2.0, -0.25, 2.0**-100, 2.0**100])
def test_a_product_with_the_reciprocal_of_a_power_of_two_is_the_quotient(divisor: float) -> None:
    graph = Graph()
    a = graph.input("a")
    node = graph.add("div", a, graph.const(divisor))
    assert graph.nodes[node].op == "mul"
    bits = torch.randint(-(2**31), 2**31, (20_000,), dtype=torch.int64).to(torch.int32)
    values = torch.cat([bits.view(torch.float32), torch.tensor([0.0, -0.0, torch.inf, -torch.inf, torch.nan, 1e-45])])
    (found,) = graph.evaluate([node], {"a": values}, TorchOps())
    torch.testing.assert_close(found, values / divisor, rtol=0, atol=0, equal_nan=True)
    assert torch.equal(found.signbit(), (values / divisor).signbit())
    assert graph.nodes[graph.add("div", a, graph.const(1.7))].op == "div"


def test_equal_operations_are_merged_and_exact_identities_dropped() -> None:
    graph = Graph()
    a, one, zero, negative = graph.input("a"), graph.const(1.0), graph.const(0.0), graph.const(-0.0)
    assert graph.add("add", a, one) == graph.add("add", a, one)
    assert graph.add("mul", a, one) == a
    assert graph.add("div", a, one) == a
    assert graph.add("sub", a, zero) == a
    assert graph.add("sub", a, negative) != a  # −0 − (−0) is +0
    assert graph.add("add", a, zero) != a  # −0 + 0 is +0
    assert graph.add("mul", a, zero) != zero  # NaN · 0 is NaN
    assert zero != negative


def test_what_depends_on_parameters_alone_is_computed_outside_the_kernel() -> None:
    def step(ops: Any, x: Any, v: Any, w: Any) -> Any:
        h = v * ops.sigmoid(w) + x * (1.0 - ops.sigmoid(w)) + ops.where(w > 0, 1.0, 0.0) * x
        return ops.spike(h - 1.0), {"v": h}

    program = define(step, params=("w",)).program
    operations = {
        program.graph.nodes[n].op for n in program.graph.live([program.y], program.leaves) if n not in program.leaves
    }
    assert "sigmoid" not in operations
    values = program.invariants({"w": torch.tensor(0.3)})
    torch.testing.assert_close(values[0], torch.sigmoid(torch.tensor(0.3)))


def test_the_delay_counts_the_steps_from_input_to_output() -> None:
    def two_later(ops: Any, x: Any, v: Any, u: Any) -> Any:
        return v, {"v": 0.5 * v + u, "u": x}

    def never(ops: Any, x: Any, v: Any) -> Any:
        return v, {"v": 0.5 * v + 1.0}

    assert trace(define(plain)).delay == 0
    assert trace(define(two_later, states=(("v", 0.0), ("u", 0.0)))).delay == 2
    assert trace(define(never)).delay is None


FUNCTIONS = {
    "add": lambda o, a, b: a + b,
    "sub": lambda o, a, b: 2.0 - a - b,
    "mul": lambda o, a, b: a * b * b,
    "div": lambda o, a, b: a / (b + 3.0) + 1.0 / (a + 4.0),
    "neg": lambda o, a, b: -a + b,
    "power": lambda o, a, b: a**2 + b**3,
    "exp": lambda o, a, b: o.exp(a) * b,
    "log": lambda o, a, b: o.log(a + 4.0) * b,
    "sqrt": lambda o, a, b: o.sqrt(a + 4.0) * b,
    "tanh": lambda o, a, b: o.tanh(a * b),
    "sigmoid": lambda o, a, b: o.sigmoid(a * b),
    "sin": lambda o, a, b: o.sin(a) * o.cos(b),
    "atan": lambda o, a, b: o.atan(a * b),
    "erf": lambda o, a, b: o.erf(a) * b,
    "abs": lambda o, a, b: o.abs(a) * b,
    "maximum": lambda o, a, b: o.maximum(a, b) * a,
    "minimum": lambda o, a, b: o.minimum(a, b) * a + o.minimum(b, 0.1),
    "clamp": lambda o, a, b: o.clamp(a, -0.5, 0.5) * b,
    "where": lambda o, a, b: o.where((a > b) & ~(b > 0.5) | (a < -1.0), a * b, b),
    "floor": lambda o, a, b: o.floor(3 * a) * b,
    "round": lambda o, a, b: o.round_half_even(3 * a) * b,
    "spike": lambda o, a, b: o.spike(a - b) * b,
    "strict": lambda o, a, b: o.spike(a - b, strict=True) * a,
    "detach": lambda o, a, b: o.detach(a * b) * b + a,
    "through": lambda o, a, b: o.through(a * b, o.tanh(b)) * b + a,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_adjoint_of_every_function_is_what_autograd_computes(name: str) -> None:
    def step(ops: Any, x: Any, v: Any) -> Any:
        y = FUNCTIONS[name](ops, x, v)
        return y, {"v": 0.5 * v + y}

    program = define(step).program
    x, v = (torch.randn(64, dtype=torch.float64, requires_grad=True) for _ in range(2))
    gy, gv = torch.randn(2, 64, dtype=torch.float64)
    y, new = step(TorchOps(Bump()), x, v)
    expected = torch.autograd.grad([y, new["v"]], [x, v], [gy, gv])
    values = {"x": x.detach(), "state:v": v.detach(), "grad:y": gy, "grad:v": gv}
    wanted = [program.y, program.gx, *(g for g in program.g_states if g is not None)]
    found = program.graph.evaluate(wanted, values, TorchOps(Bump()))
    assert torch.equal(found[0], y)
    for a, b in zip(found[1:], expected, strict=True):
        torch.testing.assert_close(a, b)
