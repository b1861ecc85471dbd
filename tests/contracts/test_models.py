"""What every registered model must keep, whichever neuron fires in it and however many steps it runs.

Each family registers a variant `<family>_tiny`; adding a family adds its tests.
"""

import dataclasses
from collections.abc import Iterator
from copy import deepcopy
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import pytest
import torch
from torch import nn

from spikeformers import carry
from spikeformers.core.errors import ConfigError, ShapeError, SpikeformersError
from spikeformers.layers.attention.base import AttentionConfig
from spikeformers.layers.checks import map_size
from spikeformers.layers.stems import StemConfig
from spikeformers.models.base import MODELS, ModelConfig, SpikingModel
from spikeformers.neurons import NeuronConfig

FAMILIES = MODELS.families()
STEPS = (1, 2, 4, 5, 8)
NEURONS = ("lif", "if", "plif")
LOSES_ROWS = [
    "masked_spiking_transformer",
    "ms_resnet",
    "sglformer",
    "spikformer_v2",
    "spiking_vgg",
    "spikingresformer",
]
"""Families with layers that do not pad, which an image of one row does not survive."""


@cache
def lively(config: ModelConfig) -> SpikingModel:
    """A model in eval mode whose neurons fire: batch statistics of a random batch, norms and biases shifted upward.

    A freshly built spiking net is mostly silent, and a silent net passes every test. Models keep nothing between calls,
    so tests share them; a test that trains one takes a copy.
    """
    torch.manual_seed(0)
    model = config.build()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            assert module.weight is not None
            nn.init.uniform_(module.weight, 1.0, 2.0)
            nn.init.uniform_(module.bias, 0.0, 1.0)
            module.momentum = None
            module.reset_running_stats()
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=1.5 * module.in_features**-0.5)
            if module.bias is not None:
                nn.init.uniform_(module.bias, 0.0, 1.0)
    with torch.no_grad():
        model.train()(images(config, 4))
    return model.eval()


def images(config: ModelConfig, batch: int, steps: int | None = None, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, config.in_channels, *config.image)
    return torch.rand(shape if steps is None else (steps, *shape), generator=generator) * 3 - 1


def config_of(family: str, neuron: str | None = None) -> ModelConfig:
    config = MODELS.config(f"{family}_tiny")
    return config if neuron is None else config.but(neuron=neuron)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_tiny_variant_exists_and_runs(family: str) -> None:
    config = config_of(family)
    model = lively(config)
    with torch.no_grad():
        logits = model(images(config, 2))
    assert logits.shape == (config.timesteps, 2, config.num_classes)
    assert torch.isfinite(logits).all()
    assert model.readout(logits).shape == (2, config.num_classes)
    assert MODELS.entry(family).source, "say where the model comes from"


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("neuron", NEURONS)
@pytest.mark.parametrize("family", FAMILIES)
def test_samples_do_not_influence_each_other(family: str, neuron: str, steps: int) -> None:
    config = config_of(family, neuron)
    model, x = lively(config), images(config, 3, steps)
    with torch.no_grad():
        try:
            together = model(x)
        except SpikeformersError as refusal:
            pytest.skip(f"refused with a reason: {refusal}")
        alone = torch.cat([model(x[:, i : i + 1]) for i in range(3)], dim=1)
    assert together.std() > 0, "a silent model proves nothing"
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("neuron", NEURONS)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_step_does_not_depend_on_later_input(family: str, neuron: str) -> None:
    config = config_of(family, neuron)
    if not config.causal:
        pytest.skip(f"{family} is declared not causal")
    model, x = lively(config), images(config, 2, 5)
    changed = torch.cat([x[:3], images(config, 2, 2, seed=9)])
    with torch.no_grad():
        before, after = model(x), model(changed)
    torch.testing.assert_close(before[:3], after[:3], rtol=1e-5, atol=1e-5)
    assert not torch.equal(before[3:], after[3:])


@pytest.mark.parametrize("neuron", NEURONS)
@pytest.mark.parametrize("family", FAMILIES)
def test_chunks_under_carry_equal_the_whole(family: str, neuron: str) -> None:
    config = config_of(family, neuron)
    if not config.causal:
        pytest.skip(f"{family} is declared not causal")
    model, x = lively(config), images(config, 2, 5)
    with torch.no_grad():
        whole = model(x)
        with carry(model):
            chunks = torch.cat([model(x[:2]), model(x[2:])])
    torch.testing.assert_close(chunks, whole, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("neuron", [*NEURONS, "relu"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_parameter_gets_a_gradient(family: str, neuron: str) -> None:
    config = config_of(family, neuron)
    model = deepcopy(lively(config)).train()
    for seed in range(1, 9):
        # Deep neurons of a tiny model may all rest on one batch; a parameter that is used moves on some batch.
        model(images(config, 4, seed=seed)).square().mean().backward()
        learned = {n for n, p in model.named_parameters() if p.grad is not None and p.grad.any()}
        without = [n for n, p in model.named_parameters() if p.requires_grad and n not in learned]
        if not any(n.endswith("weight") for n in without):
            break
    # A bias in front of a batch norm is cancelled by it: its gradient is zero up to rounding, which may round to zero.
    assert not [n for n in without if not n.endswith("bias")], without
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_saved_config_gives_the_same_model(family: str) -> None:
    config = config_of(family)
    model = lively(config)
    again = ModelConfig.from_dict(config.to_dict()).build().eval()
    again.load_state_dict(model.state_dict())
    x = images(config, 2)
    with torch.no_grad():
        assert torch.equal(again(x), model(x))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_twin_is_an_ann_of_the_same_shape(family: str) -> None:
    config = config_of(family)
    twin = lively(config.twin())
    assert not any("surrogate" in str(dict(vars(m))) for m in twin.modules())
    with torch.no_grad():
        assert torch.isfinite(twin(images(config, 2))).all()
    spiking = {n: p.shape for n, p in config.build().named_parameters() if "neuron" not in n}
    assert {n: p.shape for n, p in twin.named_parameters() if "neuron" not in n} == spiking


@pytest.mark.parametrize("family", FAMILIES)
def test_bfloat16_autocast_works(family: str) -> None:
    config = config_of(family)
    model = deepcopy(lively(config))
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(images(config, 2)).float().square().mean()
    loss.backward()
    assert torch.isfinite(loss)
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_features_are_what_feature_info_says(family: str) -> None:
    config = config_of(family)
    model = lively(config)
    with torch.no_grad():
        levels = model.features(images(config, 2))
    assert len(levels) == len(model.feature_info)
    for level, info in zip(levels, model.feature_info, strict=True):
        assert level.shape[:3] == (config.timesteps, 2, info.channels)
        assert level.shape[3:] == map_size(config.img_size, info.reduction)
        model.get_submodule(info.module)


@pytest.mark.parametrize("family", FAMILIES)
def test_sizes_of_zero_are_refused(family: str) -> None:
    config = MODELS.config(f"{family}_tiny")
    for name in ("img_size", "in_channels", "num_classes", "timesteps", "dim", "depth", "heads", "mlp_ratio"):
        if hasattr(config, name) and not isinstance(getattr(config, name), tuple):
            with pytest.raises(ConfigError, match=f"{name}=0"):
                config.but(**{name: 0})


@pytest.mark.parametrize("shape", ["wide", "tall", "row"])
@pytest.mark.parametrize("family", FAMILIES)
def test_images_need_not_be_square(family: str, shape: str) -> None:
    config = config_of(family)
    side = config.image[0]
    size = {"wide": (side, 2 * side), "tall": (2 * side, side), "row": (1, 2 * side)}[shape]
    if shape == "row" and family in LOSES_ROWS:
        with pytest.raises(ConfigError, match=r"1 of img_size=\(1, .*nearest valid"):
            config.but(img_size=size)
        return
    config = config.but(img_size=size)
    assert ModelConfig.from_dict(config.to_dict()) == config
    model = lively(config)
    with torch.no_grad():
        x = images(config, 2)
        logits, levels = model(x), model.features(x)
        assert torch.isfinite(lively(config.twin())(x)).all()
    assert torch.isfinite(logits).all()
    assert logits.std() > 0, "a silent model proves nothing"
    for level, info in zip(levels, model.feature_info, strict=True):
        assert level.shape[3:] == map_size(size, info.reduction)
    if not config.any_size:
        with pytest.raises(ShapeError, match="was built for images"):
            model(x.transpose(-2, -1))


@pytest.mark.parametrize("family", FAMILIES)
def test_what_follows_the_image_size_is_declared_so_that_checkpoints_are_fitted(family: str) -> None:
    tiny = config_of(family)
    kinds = [field for field, kind in tiny.field_types().items() if "Literal" in str(kind)]
    for config in (tiny, *(other for field in kinds for other in variations(tiny, field))):
        height, width = config.image
        here, there = (
            {n: t.shape for n, t in config.but(img_size=size).build().state_dict().items()}
            for size in ((height, width), (height, 2 * width))
        )
        differ = {n for n in here.keys() | there.keys() if here.get(n) != there.get(n)}
        assert all(any(fnmatchcase(n, glob) for glob in config.positional()) for n in differ), differ


@pytest.mark.parametrize("family", FAMILIES)
def test_a_sensor_of_odd_sides_is_refused_with_sizes_that_fit(family: str) -> None:
    with pytest.raises(ConfigError, match=r"261 of img_size=\(261, 347\).*nearest valid"):
        config_of(family).but(img_size=(261, 347))


def changed_values(value: Any) -> Iterator[Any]:
    """Other values of a field, the likeliest to be acceptable first."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (value * 2, value + 1, value - 1, value // 2)
    elif isinstance(value, float):
        yield from (value * 2, value / 2, value + 1.0)
    elif isinstance(value, str) and set(value) <= {"0", "1"} and value:
        yield value[:-1] + ("0" if value[-1] == "1" else "1")
    elif value == ():
        yield (8,)
    elif isinstance(value, tuple) and value and isinstance(value[0], int | float):
        yield from ((*value[:-1], value[-1] * 2), tuple(v * 2 for v in value), value + value[-1:], value[:-1])
    elif isinstance(value, NeuronConfig):
        yield from ("plif", "if", "relu")
    elif isinstance(value, AttentionConfig | StemConfig):
        yield from (name for name in value.registry.families() if name != value.family)


def variations(config: ModelConfig, field: str) -> Iterator[ModelConfig]:
    kind = config.field_types()[field]
    options = getattr(kind, "__args__", ()) if "Literal" in str(kind) else ()
    current = getattr(config, field)
    candidates = [o for o in options if o != current] or list(changed_values(current))
    for value in candidates:
        if value == current:
            continue
        try:
            yield config.but(**{field: value})
        except SpikeformersError:
            continue


def fingerprint(config: ModelConfig) -> tuple[Any, ...]:
    """What the built model is and computes: its tensors' names and shapes, its input, and an output."""
    model = lively(config)
    with torch.no_grad():
        out = model(images(config, 2))
    shapes = tuple((n, tuple(t.shape)) for n, t in model.state_dict().items())
    return shapes, config.img_size, config.in_channels, tuple(out.shape), tuple(out.double().flatten().tolist())


def norms_at_start(config: ModelConfig) -> list[float]:
    """The weights that norms start from, which `lively` replaces."""
    norms = [m for m in config.build().modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    return [norm.weight.sum().item() for norm in norms]


FIELDS = [(f, field.name) for f in FAMILIES for field in dataclasses.fields(MODELS.entry(f).cls)]


@pytest.mark.parametrize(("family", "field"), FIELDS, ids=[f"{a}-{b}" for a, b in FIELDS])
def test_every_config_field_changes_the_model(family: str, field: str) -> None:
    config = config_of(family)
    before = fingerprint(config)
    tried = []
    for changed in variations(config, field):
        try:
            after = fingerprint(changed)
        except (SpikeformersError, RuntimeError) as refusal:
            tried.append(f"{getattr(changed, field)!r}: {refusal}")
            continue
        differs = after != before or norms_at_start(changed) != norms_at_start(config)
        assert differs, f"{family}.{field} = {getattr(changed, field)!r} changes nothing"
        return
    pytest.fail(f"no other value of {family}.{field} could be built: {tried}")
