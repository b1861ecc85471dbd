"""The Triton kernels: run by its interpreter against the reference, and compiled to machine code without a GPU."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from spikeformers.kernels.scan.triton.emit import Mode, backward_arguments, forward_arguments
from spikeformers.kernels.scan.triton.run import BLOCKS, kernel

pytestmark = [
    pytest.mark.triton,
    pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="needs triton (pip install triton)"),
]

SCRIPT = """
import sys
import torch

sys.path.insert(0, {folder!r})
from conftest import CASES

from spikeformers.kernels.dispatch import watch
from spikeformers.kernels.scan import scan
from spikeformers.kernels.scan.triton import run

torch.manual_seed(0)


def go(name, backend, x, state):
    case = CASES[name]()
    wide = torch.float64 if x.dtype == torch.float64 else torch.float32
    x = x.detach().requires_grad_()
    params = {{n: p.to(wide).requires_grad_() for n, p in case.params.items()}}
    state = state and {{n: s.to(wide).requires_grad_() for n, s in state.items()}}
    y, last = scan(case.definition, x, state, params, backend=backend)
    loss = (y.double() * torch.linspace(-1, 2, y.numel()).reshape(y.shape)).sum()
    loss = loss + sum(v.double().sum() for v in last.values())
    return y.detach(), last, torch.autograd.grad(loss, [x, *(state or {{}}).values(), *params.values()])


def compare(name, x, given=False):
    states = CASES[name]().definition.states
    state = {{n: torch.rand(x.shape[1:]) for n in states}} if given else None
    with watch() as seen:
        mine = go(name, "triton", x, state)
    assert seen == ["scan:triton", "scan_backward:triton"], seen
    right = go(name, "reference", x, state)
    exact = name in ("leaky", "leaky_strict", "learned", "per_channel")
    loose = 2e-2 if x.dtype == torch.bfloat16 else 1e-4
    torch.testing.assert_close(mine[0], right[0], rtol=0 if exact else loose, atol=0 if exact else loose, equal_nan=True)
    for n in right[1]:
        torch.testing.assert_close(mine[1][n], right[1][n], rtol=loose, atol=loose, equal_nan=True)
    for a, b in zip(mine[2], right[2], strict=True):
        scale = b.abs().max().clamp(min=1) if b.numel() else 1.0
        torch.testing.assert_close(a / scale, b / scale, rtol=loose, atol=loose, equal_nan=True)


for name in CASES:
    compare(name, 1.5 * torch.randn(5, 2, 3, 37))
    compare(name, 1.5 * torch.randn(5, 2, 3, 37), given=True)
compare("leaky", torch.randn(1, 1))
compare("leaky", torch.randn(3, 0))
compare("leaky", 2 * torch.randn(2000, 3))
run._LANES = max(run.BLOCKS)
for run._UNTUNED in run.BLOCKS:
    run._tuned.clear()
    compare("learned", 2 * torch.randn(2, 2100 if run._UNTUNED == run._LANES else 600))
compare("leaky", torch.randn(4, 2, 7, 5).transpose(1, 3))
compare("leaky", torch.randn(6, 33, dtype=torch.float64))
compare("per_channel", torch.randn(6, 2, 3, 11).bfloat16())
broken = torch.randn(4, 9)
broken[1, 2], broken[2, 3] = torch.nan, torch.inf
compare("leaky", broken)
print("equal")
"""


def test_interpreted_kernels_equal_the_reference() -> None:
    script = SCRIPT.format(folder=str(Path(__file__).parent))
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.stdout.strip() == "equal", done.stderr[-3000:]


@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("name", ["per_channel", "adaptive"])
def test_kernels_compile_to_machine_code(case: Any, name: str, capability: int) -> None:
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    neuron = case(name)
    program = neuron.definition.program
    values = program.invariants(neuron.params)
    mode = Mode("float32", tuple(torch.Tensor.dim(v) > 0 for v in values), given=True, last=True)
    for kind, tensors, numbers in (
        ("forward", forward_arguments(program, mode), ["steps", "count"]),
        ("backward", backward_arguments(program, mode), ["steps", "count"]),
    ):
        types = {t: "*bf16" if t in ("x", "y", "gy", "gx") else "*fp32" for t in tensors}
        signature = {**types, **dict.fromkeys(numbers, "i32"), "BLOCK": "constexpr"}
        tried = BLOCKS if capability == 90 else {512: (4,)}
        for block, warps in ((b, w) for b, tries in tried.items() for w in tries):
            source = ASTSource(kernel(program, mode, kind), signature, constexprs={(len(signature) - 1,): block})
            options = {"num_warps": warps, "enable_fp_fusion": False}
            compiled = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
            assert len(compiled.asm["cubin"]) > 1000
            assert f"sm_{capability}" in compiled.asm["ptx"]
            assert "fma.rn.f32" not in compiled.asm["ptx"] or name == "adaptive"
