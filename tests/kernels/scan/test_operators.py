"""The scan as an operator of torch: opcheck, compile, second derivatives, processes."""

import multiprocessing
import pickle
from copy import deepcopy
from typing import Any

import pytest
import torch

from spikeformers.core.errors import BackendError, ShapeError
from spikeformers.kernels.scan import register_definition, scan
from spikeformers.kernels.scan.autograd import scan_backward_op, scan_op


@pytest.mark.parametrize("name", ["learned", "per_channel"])
def test_opcheck(case: Any, name: str) -> None:
    neuron = case(name)
    program = register_definition(neuron.definition).program
    x, v = torch.randn(3, 2, 3, 5, requires_grad=True), torch.rand(2, 3, 5, requires_grad=True)
    values = [v if v.dim() == 0 else v.expand(2, 3, 5).clone() for v in program.invariants(neuron.params)]
    values = [value.detach().requires_grad_() for value in values]
    torch.library.opcheck(scan_op, (x, [], values, program.key, False, "cpu"))
    torch.library.opcheck(scan_op, (x, [v], values, program.key, True, "cpu"))
    plain = [value.detach() for value in values]
    arguments = (x.detach(), torch.randn(3, 2, 3, 5), [v.detach()], plain, [torch.rand(2, 3, 5)], program.key, "cpu")
    torch.library.opcheck(scan_backward_op, arguments)


@pytest.mark.parametrize("name", ["leaky", "learned"])
def test_compiles_without_graph_breaks(case: Any, name: str) -> None:
    neuron, linear = case(name), torch.nn.Linear(6, 6)
    register_definition(neuron.definition)

    def model(x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        y, last = scan(neuron.definition, linear(x), {"v": v}, neuron.params)
        return y.sum() + last["v"].sum()

    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    for batch in (2, 5, 7):
        x, v = 3 * torch.randn(3, batch, 6), torch.rand(batch, 6, requires_grad=True)
        inputs = [linear.weight, v]
        expected = torch.autograd.grad(model(x, v), inputs)
        assert all(
            torch.equal(a, b) for a, b in zip(torch.autograd.grad(compiled(x, v), inputs), expected, strict=True)
        )


def test_a_second_derivative_is_refused(case: Any) -> None:
    x = torch.randn(3, 6, requires_grad=True)
    y, _ = scan(case("leaky").definition, x, None, {}, keep=False, backend="cpu")
    (gradient,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    with pytest.raises(BackendError, match="no second derivative"):
        gradient.sum().backward()


def test_no_steps_and_integers_are_refused(case: Any) -> None:
    for x in (torch.zeros(0, 3), torch.zeros(3, 2, dtype=torch.int64), torch.zeros(())):
        with pytest.raises(ShapeError, match="T ≥ 1"):
            scan(case("leaky").definition, x, None, {})


def test_a_key_that_nobody_registered_is_named() -> None:
    with pytest.raises(BackendError, match="no neuron 'nobody'"):
        scan_op(torch.zeros(1, 2), [], [], "nobody", False, "cpu")


def test_definitions_survive_copying_and_pickling(case: Any) -> None:
    definition = register_definition(case("leaky").definition)
    assert deepcopy([definition])[0] is definition
    state = definition.__getstate__()
    assert "program" not in state
    assert set(state) == {"key", "step", "states", "params", "surrogate", "detach_state"}
    assert pickle.loads(pickle.dumps(definition.key)) == definition.key


def _scan_in_child(definition: Any, x: torch.Tensor, answers: Any) -> None:
    answers.put(scan(definition, x, None, {}, keep=False, backend="cpu")[0][:, ::997].sum().item())


def test_runs_in_a_forked_process(case: Any) -> None:
    torch.set_num_threads(2)
    definition, x = case("leaky").definition, 2 * torch.randn(3, 70_001)
    here = scan(definition, x, None, {}, keep=False, backend="cpu")[0][:, ::997].sum().item()
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    child = context.Process(target=_scan_in_child, args=(definition, x, answers))
    child.start()
    child.join(60)
    child.kill()
    assert child.exitcode == 0
    assert answers.get() == here
