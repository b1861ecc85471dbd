"""Blocks are found in their order; recomputing them changes nothing but memory."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from spikeformers import carry, create_model
from spikeformers.core.errors import ConfigError
from spikeformers.models.adapt import blocks, checkpoint_blocks, depths
from spikeformers.models.base import MODELS

FAMILIES = MODELS.families()


def test_lists_beside_each_other_take_turns() -> None:
    assert blocks(create_model("qkformer_tiny")) == ["stages.0.0", "stages.1.0", "stages.2.0"]
    found = depths(create_model("qkformer_tiny"))
    parts = {name: depth for name, depth in found.items() if name.endswith("weight")}
    by_part = {".".join(name.split(".")[:2]): depth for name, depth in parts.items()}
    assert by_part["embeds.0"] == 0
    assert (by_part["stages.0"], by_part["embeds.1"], by_part["stages.1"]) == (1, 2, 2)
    assert by_part["head.weight"] == 4


@pytest.mark.parametrize("family", FAMILIES)
def test_depth_rises_from_the_stem_over_the_blocks_to_the_head(family: str) -> None:
    with torch.device("meta"):
        model = create_model(f"{family}_tiny")
    paths, found = blocks(model), depths(model)
    assert paths
    assert set(found) == {name for name, _ in model.named_parameters()}
    for number, path in enumerate(paths, start=1):
        assert {depth for name, depth in found.items() if name.startswith(path + ".")} == {number}
    assert {depth for name, depth in found.items() if name.startswith("head")} == {len(paths) + 1}
    assert min(found.values()) == 0 or family == "spiking_vgg"  # whose first stage is its stem


@pytest.mark.parametrize("family", FAMILIES)
def test_recomputed_blocks_give_the_same_gradients_and_statistics(family: str) -> None:
    model = create_model(f"{family}_tiny").train()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.constant_(module.bias, 0.5)  # so that neurons fire
    again = checkpoint_blocks(deepcopy(model))
    assert list(again.state_dict()) == list(model.state_dict())
    x, out = torch.rand(2, model.config.in_channels, *model.config.image), []
    for each in (model, again):
        torch.manual_seed(0)
        logits = each(x)
        logits.square().mean().backward()
        out.append(logits)
    assert torch.equal(out[0], out[1])
    for (name, one), other in zip(model.named_parameters(), again.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None), name
        if one.grad is not None:
            torch.testing.assert_close(other.grad, one.grad, rtol=1e-5, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}")
    for (name, one), other in zip(model.named_buffers(), again.buffers(), strict=True):
        assert torch.equal(one, other), name


def test_recomputing_keeps_fewer_tensors() -> None:
    model = create_model("spikformer_tiny", depth=3)
    kept = []
    for each in (model, checkpoint_blocks(deepcopy(model))):
        sizes: list[int] = []

        def pack(tensor: torch.Tensor, sizes: list[int] = sizes) -> torch.Tensor:
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            each.train()(torch.rand(1, 3, 32, 32))
        kept.append(sum(sizes))
    assert kept[1] < 0.7 * kept[0]


def test_copies_and_streams_of_a_recomputing_model_are_their_own() -> None:
    model = checkpoint_blocks(create_model("spikformer_tiny")).train()
    copy = deepcopy(model)
    with torch.no_grad():
        for parameter in copy.parameters():
            parameter.zero_()
    x = torch.rand(4, 2, 3, 32, 32)
    assert model(x).std() > 0
    assert not copy(x).any()
    model.eval()
    with carry(model):
        chunks = torch.cat([model(x[:2]), model(x[2:])])
    torch.testing.assert_close(chunks, model(x))


def test_a_model_without_blocks_is_refused() -> None:
    with pytest.raises(ConfigError, match="Linear has no blocks to recompute"):
        checkpoint_blocks(nn.Linear(2, 2))


@pytest.mark.parametrize("training", [True, False])
def test_a_model_compiles_into_one_graph(training: bool) -> None:
    model = create_model("spikformer_tiny", img_size=16).train(training)
    x = torch.rand(2, 3, 16, 16)
    compiled = torch.compile(deepcopy(model), backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), model(x))


@pytest.fixture
def _no_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our fused kernels are operators that other runtimes do not know; the reference is made of torch's own."""
    monkeypatch.setenv("SPIKEFORMERS_KERNELS", "reference")


@pytest.mark.usefixtures("_no_kernels")
def test_a_model_in_eval_is_traced_into_operators_that_anyone_knows() -> None:
    model = create_model("spikformer_tiny", img_size=16, timesteps=2).eval()
    x = torch.rand(2, 3, 16, 16)
    program = torch.export.export(model, (x,))
    torch.testing.assert_close(program.module()(x), model(x))
    targets = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    assert not [target for target in targets if "spikeformers" in target]
