"""Training a few steps at a time: the gradients of the same computation, in the memory of one chunk."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from spikeformers import carry, create_model
from spikeformers.core.errors import BackendError, ConfigError
from spikeformers.kernels import pack
from spikeformers.kernels.scan import register_definition
from spikeformers.models.base import SpikingModel
from spikeformers.models.chunks import chunk_time
from spikeformers.neurons import Neuron


@pytest.fixture(autouse=True)
def _no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIKEFORMERS_KERNELS", "reference")


def firing(name: str = "spikformer_tiny", **changes: object) -> SpikingModel:
    model = create_model(name, img_size=16, **changes).train()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.constant_(module.bias, 0.5)
    return model


def by_hand(model: SpikingModel, x: Tensor, steps: int, cut: bool) -> Tensor:
    outputs = []
    with carry(model) as state:
        for chunk in x.split(steps):
            outputs.append(model(chunk))
            if cut:
                state.detach()
    return torch.cat(outputs)


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("steps", [1, 2, 3, 8])
def test_outputs_gradients_and_statistics_are_those_of_the_chunks(steps: int, cut: bool) -> None:
    model, x = firing(), torch.rand(5, 2, 3, 16, 16)
    again = chunk_time(deepcopy(model), steps, cut=cut)
    assert list(again.state_dict()) == list(model.state_dict())
    results = []
    for each in (lambda x: by_hand(model, x, steps, cut), again):
        leaf = x.clone().requires_grad_()
        y = each(leaf)
        (y * torch.arange(1.0, 6.0).view(5, 1, 1)).square().mean().backward()
        results.append((y, leaf.grad))
    assert torch.equal(results[0][0], results[1][0])
    torch.testing.assert_close(results[0][1], results[1][1])
    assert results[0][1].any()
    for (name, one), other in zip(model.named_parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(other.grad, one.grad, rtol=1e-4, atol=1e-7, msg=lambda m, n=name: f"{n}: {m}")
    for (name, one), other in zip(model.named_buffers(), again.named_buffers(), strict=True):
        assert torch.equal(one, other[1]), name


def test_cut_single_steps_are_the_scan_without_gradient_through_time() -> None:
    model, x, grads = firing(), torch.rand(4, 2, 3, 16, 16), []
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()  # so that chunks and the whole see the same statistics
            nn.init.constant_(module.bias, 1.5)
    sltt = deepcopy(model)
    for module in sltt.modules():
        if isinstance(module, Neuron):
            module._definition = register_definition(replace(module._definition, detach_state=True))
    for each in (sltt, chunk_time(deepcopy(model), 1, cut=True), chunk_time(model, 1)):
        (each(x) - torch.arange(4.0).view(4, 1, 1)).square().sum().backward()
        grads.append(torch.cat([p.grad.flatten() for p in each.parameters() if p.grad is not None]))
    torch.testing.assert_close(grads[0], grads[1], rtol=1e-4, atol=1e-4 * float(grads[0].abs().max()))
    assert (grads[0] - grads[2]).norm() > 0.01 * grads[0].norm()


def test_the_second_run_draws_the_same_noise() -> None:
    model = firing(neuron="noisy_lif")
    x, found = torch.rand(4, 2, 3, 16, 16), []
    for each in (lambda x: by_hand(model, x, 2, True), chunk_time(deepcopy(model), 2, cut=True)):
        torch.manual_seed(5)
        y = each(x)
        after = torch.rand(1)
        y.square().mean().backward()
        found.append((y, after))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])
    assert found[0][0].std() > 0


def kept(model: SpikingModel, timesteps: int) -> int:
    x = torch.rand(timesteps, 1, 3, 16, 16)
    return pack.kept_bytes(lambda: model(x), besides=[x, *model.parameters(), *model.buffers()])


def test_cut_chunks_keep_nothing_whatever_the_number_of_steps() -> None:
    model = chunk_time(firing(), 1, cut=True)
    assert kept(model, 2) == kept(model, 16) == 0


def test_a_static_image_and_a_stream_are_taken_as_before() -> None:
    model = firing()
    again = chunk_time(deepcopy(model), 4)
    image = torch.rand(2, 3, 16, 16)
    assert torch.equal(again(image), model(image))
    model.eval(), again.eval()
    x = torch.rand(4, 2, 3, 16, 16)
    assert torch.equal(by_hand(again, x, 2, False), model(x))


def test_models_and_sizes_that_cannot_be_chunked_are_refused() -> None:
    with pytest.raises(ConfigError, match="statten sees later steps"):
        chunk_time(create_model("statten_tiny"), 2)
    with pytest.raises(ConfigError, match="steps=0"):
        chunk_time(firing(), 0)


@pytest.mark.parametrize("cut", [False, True])
def test_function_transforms_are_refused_in_training(cut: bool) -> None:
    model, x = chunk_time(firing(), 1, cut=cut), torch.rand(2, 3, 16, 16)
    with pytest.raises(BackendError, match=r"Spikformer trains in chunks of steps.*eval mode"):
        torch.func.grad(lambda x: model(x).sum())(x)
    model.eval()
    assert torch.func.grad(lambda x: model(x).sum())(x).shape == x.shape
