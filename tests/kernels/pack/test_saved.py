"""Less is kept for backward, and gradients stay what they were, bit by bit."""

from contextlib import nullcontext
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn import functional

from spikeformers import create_model
from spikeformers.core.errors import BackendError
from spikeformers.kernels import pack
from spikeformers.neurons import LIF

MIB = 2**20
FAMILIES = ["spikformer", "sdt_v1", "qkformer", "spiking_vgg", "sew_resnet", "maxformer"]


def firing(model: nn.Module) -> nn.Module:
    """In training mode, with shifted batch norms, so that neurons fire."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.constant_(module.bias, 0.4)
    return model.train()


def gradients(model: nn.Module, x: Tensor, packed: bool, autocast: bool = False) -> list[Tensor | None]:
    x = x.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast), pack.saved(smallest=64) if packed else nullcontext():
        loss = model(x).square().mean()
    loss.backward()
    return [x.grad, *(p.grad for p in model.parameters()), *model.buffers()]


def same(one: list[Tensor | None], other: list[Tensor | None]) -> bool:
    return all(
        a is b or (a is not None and b is not None and torch.equal(a, b)) for a, b in zip(one, other, strict=True)
    )


def kept(model: nn.Module, x: Tensor, packed: bool) -> int:
    return pack.kept_bytes(lambda: model(x), besides=[*model.parameters(), *model.buffers(), x], packed=packed)


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_and_statistics_are_equal_and_less_is_kept(family: str, autocast: bool) -> None:
    model = firing(create_model(f"{family}_tiny", img_size=32 if family in ("spikformer", "maxformer") else 16))
    x = torch.rand(2, model.config.in_channels, model.config.img_size, model.config.img_size)
    plain = gradients(deepcopy(model), x, packed=False, autocast=autocast)
    assert same(plain, gradients(deepcopy(model), x, packed=True, autocast=autocast))
    assert any(g is not None and g.any() for g in plain)
    assert kept(model, x, packed=True) < 0.6 * kept(model, x, packed=False)


def test_spikformer_4_384_keeps_at_most_27_mib_an_image_for_exact_gradients() -> None:
    model = firing(create_model("spikformer_4_384"))
    x = torch.rand(1, 3, 32, 32)
    assert kept(model, x, packed=True) <= 27 * MIB < kept(model, x, packed=False)
    assert same(gradients(deepcopy(model), x, packed=False), gradients(model, x, packed=True))


def test_no_matrix_product_or_convolution_runs_again() -> None:
    model = firing(create_model("spikformer_tiny"))
    counts = []
    for packed in (False, True):
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            gradients(model, torch.rand(1, 3, 32, 32), packed=packed)
        products = ("aten::mm", "aten::addmm", "aten::bmm", "aten::convolution", "aten::convolution_backward")
        counts.append({event.key: event.count for event in profile.key_averages() if event.key in products})
    assert counts[0] == counts[1]
    assert counts[0]["aten::convolution"] == 5


def test_a_neuron_behind_a_batch_norm_adds_nothing_to_what_is_kept() -> None:
    norm, x = nn.BatchNorm1d(32), torch.rand(256, 32, requires_grad=True)
    chain = nn.Sequential(norm, nn.Unflatten(0, (4, 64)), LIF())
    anyway = [*norm.parameters(), *norm.buffers(), x]
    statistics = 2 * 32 * 4
    assert pack.kept_bytes(lambda: chain(x), besides=anyway, packed=True) == statistics
    assert pack.kept_bytes(lambda: chain(x), besides=anyway) == statistics + x.numel() * 4


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("affine", [True, False])
def test_batch_norms_of_any_kind_come_back_exactly(training: bool, affine: bool) -> None:
    norm = nn.BatchNorm2d(3, affine=affine).train(training)
    norm.running_mean.uniform_()
    chain = nn.Sequential(norm, nn.Unflatten(0, (2, 3)), LIF())
    x = torch.rand(6, 3, 8, 8) * 4
    assert same(gradients(deepcopy(chain), x, False), gradients(chain, x, True))


def test_a_batch_norm_whose_output_was_changed_in_place_is_kept_as_it_is() -> None:
    norm, x = nn.BatchNorm1d(4), torch.rand(64, 4)

    def run(x: Tensor) -> Tensor:
        return norm(x).mul_(3.0).square()

    found = []
    for packed in (False, True):
        leaf = x.clone().requires_grad_()
        with pack.saved() if packed else nullcontext():
            y = run(leaf * 1.0)
        y.pow(3).sum().backward()
        found.append(leaf.grad)
    assert torch.equal(*found)


@pytest.mark.parametrize(
    "options",
    [(3, 2, 1), (2,), (2, 1), ((3, 2), (2, 1), (1, 0)), (3, 2, 1, 1, True), (2, 2, 0, 2), (20, 20, 10)],
)
def test_pooling_with_one_byte_an_output_equals_torch(options: tuple[object, ...]) -> None:
    x = torch.randint(0, 3, (2, 3, 21, 22)).double()
    found = []
    for packed in (False, True):
        leaf = x.clone().requires_grad_()
        with pack.saved() if packed else nullcontext():
            y = functional.max_pool2d(leaf, *options)
        y.backward(torch.arange(y.numel()).double().view(y.shape))
        found.append((y.detach(), leaf.grad))
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_a_pool_keeps_one_byte_an_output() -> None:
    x = torch.rand(2, 3, 16, 16, requires_grad=True)
    assert pack.kept_bytes(lambda: functional.max_pool2d(x * 2, 3, 2, 1), packed=True) == 2 * 3 * 8 * 8
    with pack.saved():
        y, index = functional.max_pool2d(x, 2, return_indices=True)
    assert index.dtype == torch.int64
    assert torch.equal(y, functional.max_pool2d(x, 2))


def test_a_tensor_that_several_layers_keep_is_packed_once() -> None:
    layers = [nn.Linear(64, 8, bias=False) for _ in range(3)]
    x = (torch.rand(128, 64) < 0.2).float()
    anyway = [layer.weight for layer in layers]
    assert pack.kept_bytes(lambda: [layer(x) for layer in layers], besides=anyway, packed=True) == 128 * 64 // 8


def test_weights_are_never_copied_and_their_change_before_backward_is_refused() -> None:
    layer = nn.Linear(64, 64, bias=False)
    nn.init.ones_(layer.weight)
    x = torch.rand(4, 64, requires_grad=True)
    assert pack.kept_bytes(lambda: layer(x), besides=[layer.weight, x], packed=True, smallest=1) == 0
    with pack.saved(smallest=1):
        y = layer(x)
    with torch.no_grad():
        layer.weight.add_(1.0)
    with pytest.raises(BackendError, match=r"shape \(64, 64\).* changed in place"):
        y.sum().backward()


def test_nothing_outlives_its_graph() -> None:
    model = firing(create_model("spikformer_tiny", img_size=16))
    x = torch.rand(1, 3, 16, 16)
    memory = []
    for module in model.modules():
        module.register_forward_hook(lambda *call: memory.append(StorageWeakRef(call[2].untyped_storage())))
    with pack.saved(smallest=1):
        model(x)
    assert memory
    assert all(storage.expired() for storage in memory)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # torch's own forward mode
def test_transforms_see_the_pool_of_torch_and_no_scope_inside() -> None:
    x, v = torch.randn(2, 3, 8, 8, requires_grad=True), torch.randn(2, 3, 8, 8)

    def pooled(x: Tensor) -> Tensor:
        return functional.max_pool2d(x, 2)

    expected = torch.func.jvp(pooled, (x,), (v,))[1]
    with pack.saved():
        assert torch.equal(torch.func.jvp(pooled, (x,), (v,))[1], expected)
        with torch.autograd.forward_ad.dual_level():
            y = pooled(torch.autograd.forward_ad.make_dual(x, v))
            assert torch.equal(torch.autograd.forward_ad.unpack_dual(y).tangent, expected)

    def inside(x: Tensor) -> Tensor:
        with pack.saved():
            return pooled(x).sum()

    with pytest.raises(BackendError, match=r"leave pack.saved\(\) out"):
        torch.func.grad(inside)(v)
