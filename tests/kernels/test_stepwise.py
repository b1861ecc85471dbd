"""Functions with a derivative of their own, under every transform of torch; and that no other kind is written."""

import ast
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad

import spikeformers
from spikeformers.core.errors import BackendError
from spikeformers.kernels.stepwise import stepwise

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # torch's own forward mode

GUARDED = {
    "_Eager": "run_scan takes _Transformed inside torch.func; the verifiers decline in forward mode",
    "OneBytePool": "max_pool2d is torch's own inside transforms",
    "_Onward": "chunk_time refuses transforms",
}
"""Functions in the form that transforms do not take, and why they never meet one."""


def test_every_autograd_function_is_in_the_form_that_transforms_take() -> None:
    found = {}
    texts = (file.read_text(encoding="utf-8") for file in Path(spikeformers.__file__).parent.rglob("*.py"))
    for text in texts:
        for node in ast.walk(ast.parse(text)) if "autograd" in text else ():
            if isinstance(node, ast.ClassDef) and any("autograd.Function" in ast.unparse(base) for base in node.bases):
                found[node.name] = {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
    old = {name for name, methods in found.items() if "setup_context" not in methods}
    assert old == set(GUARDED), "write the derivative with kernels.stepwise, or setup_context and a vmap rule"
    assert len(found) > len(old)


def jump(u: Tensor, width: Tensor) -> Tensor:
    return (u >= 0).to(u.dtype)


def bump(u: Tensor, width: Tensor) -> Tensor:
    return torch.exp(-u * u / width)


U, WIDTH, V = torch.linspace(-1, 1, 6), torch.linspace(0.5, 2, 6), torch.linspace(1, 3, 6)


def jumped(u: Tensor) -> Tensor:
    return stepwise(jump, bump, u, WIDTH)


def test_the_derivative_is_the_slope_in_both_directions() -> None:
    expected = bump(U, WIDTH) * V
    u = U.clone().requires_grad_()
    assert torch.equal(torch.autograd.grad(jumped(u), u, V)[0], expected)
    assert torch.equal(torch.func.vjp(jumped, U)[1](V)[0], expected)
    y, tangent = torch.func.jvp(jumped, (U,), (V,))
    assert torch.equal(y, jump(U, WIDTH))
    assert torch.equal(tangent, expected)
    with forward_ad.dual_level():
        assert torch.equal(forward_ad.unpack_dual(jumped(forward_ad.make_dual(U, V))).tangent, expected)
    for jacobian in (torch.func.jacrev(jumped)(U), torch.func.jacfwd(jumped)(U)):
        assert torch.equal(jacobian, torch.diag(bump(U, WIDTH)))


def test_what_the_slope_reads_besides_is_mapped_but_not_differentiated() -> None:
    widths = torch.stack([WIDTH, 2 * WIDTH])
    slopes = torch.func.vmap(torch.func.grad(lambda u, w: stepwise(jump, bump, u, w).sum()), in_dims=(None, 0))(
        U, widths
    )
    assert torch.equal(slopes, bump(U, widths))
    assert not torch.func.grad(lambda w: stepwise(jump, bump, U, w).sum())(WIDTH).any()
    assert not torch.func.jvp(lambda w: stepwise(jump, bump, U, w), (WIDTH,), (V,))[1].any()


def test_a_number_as_slope_is_linear() -> None:
    def scaled(u: Tensor) -> Tensor:
        return stepwise(torch.round, 0.5, u).sum()

    assert torch.equal(torch.func.grad(scaled)(U), torch.full_like(U, 0.5))
    assert not torch.func.hessian(scaled)(U).any()


def test_a_slope_has_no_derivative() -> None:
    def slope_of(u: Tensor) -> Tensor:
        return torch.func.grad(lambda v: jumped(v).square().sum())(u)

    u = U.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(jumped(u).sum(), u, create_graph=True)
    for twice in (
        lambda: gradient.sum().backward(),
        lambda: torch.func.jacrev(slope_of)(U),
        lambda: torch.func.jvp(slope_of, (U,), (V,)),
        lambda: torch.func.hessian(lambda v: jumped(v).sum())(U),
    ):
        with pytest.raises(BackendError, match="no second derivative"):
            twice()
