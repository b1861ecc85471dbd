"""What every registered neuron must keep. Equations run on the reference; the kernels have their own parity tests."""

import dataclasses
import typing
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from spikeformers.core.carry import Stateful, carry
from spikeformers.core.config import Config
from spikeformers.core.errors import ConfigError
from spikeformers.kernels.scan.trace import trace
from spikeformers.neurons import NEURONS, NeuronConfig, ScanConfig, SurrogateConfig

CHANNELS = 4
NAMES = NEURONS.names()
FAMILIES = NEURONS.families()
WHOLE_SEQUENCE = ("psn", "masked_psn", "hd_if")
"""Neurons whose every step sees all steps, so that they refuse to run in chunks."""
ACTIVATIONS = ("relu", "identity")
LATE = ("resonate",)
"""Neurons that answer one step later, so that one step alone has no gradient."""


def built(config: NeuronConfig) -> nn.Module:
    torch.manual_seed(1)
    return config.build(channels=CHANNELS, axis=2)


def rich(steps: int = 4, batch: int = 3) -> Tensor:
    """Currents of both signs, half of them on quarters, so that thresholds and half integers are met exactly."""
    torch.manual_seed(2)
    x = 1.5 * torch.randn(steps, batch, CHANNELS, 6)
    x[..., ::2] = (4.0 * x[..., ::2]).round() / 4.0
    x[0, 0, 0, :4] = torch.tensor([0.0, 0.5, 1.0, 4.0])
    x[0, 0, 1, 0] = 2.0
    x[:, 1, 1, 0] = 0.0
    return x


def ran(config: NeuronConfig, x: Tensor) -> list[Tensor]:
    """Outputs in training, gradients of input and parameters, and the outputs in eval mode after that."""
    module = built(config)
    x = x.clone().requires_grad_()
    y = module(x)
    torch.manual_seed(3)
    (y * torch.randn_like(y)).sum().backward()
    torch.manual_seed(4)
    after = module.eval()(x.detach())
    assert x.grad is not None
    grads = [p.grad for p in module.parameters() if p.grad is not None]
    return [y.detach(), x.grad, *grads, after.detach()]


@pytest.mark.parametrize("name", NAMES)
def test_one_step_is_refused_where_the_neuron_answers_later(name: str) -> None:
    config = NEURONS.config(name)
    config.check_steps(2)
    if name in LATE:
        with pytest.raises(ConfigError, match=f"timesteps=1 is too few for the neuron '{name}'.*take timesteps=2"):
            config.check_steps(1)
    else:
        config.check_steps(1)


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("name", NAMES)
def test_output_is_finite_and_shaped_like_the_input(name: str, steps: int) -> None:
    config = NEURONS.config(name)
    if name in WHOLE_SEQUENCE:
        config = config.but(steps=5)
    x = rich(steps)
    y = built(config)(x)
    assert y.shape == x.shape
    assert y.dtype == x.dtype
    assert y.isfinite().all()


@pytest.mark.parametrize("shape", [(4, 3, CHANNELS), (4, 2, CHANNELS, 3, 5)])
@pytest.mark.parametrize("family", FAMILIES)
def test_vectors_and_maps_are_taken_alike(family: str, shape: tuple[int, ...]) -> None:
    assert built(NEURONS.config(family))(torch.randn(shape)).shape == shape


@pytest.mark.parametrize("family", FAMILIES)
def test_tokens_have_their_channels_last(family: str) -> None:
    config, x = NEURONS.config(family), rich()
    torch.manual_seed(1)
    tokens = config.build(channels=CHANNELS, axis=-1).eval()
    torch.testing.assert_close(tokens(x.transpose(2, -1)).transpose(2, -1), built(config).eval()(x))


@pytest.mark.parametrize("name", NAMES)
def test_input_and_every_parameter_get_a_gradient(name: str) -> None:
    module, x = built(NEURONS.config(name)), rich().requires_grad_()
    y = module(x)
    torch.manual_seed(3)
    (y * torch.randn_like(y)).sum().backward()
    for label, grad in [("input", x.grad), *((n, p.grad) for n, p in module.named_parameters())]:
        assert grad is not None, label
        assert grad.isfinite().all(), label
        assert grad.abs().sum() > 0, label


@pytest.mark.parametrize("name", [n for n in NAMES if n not in LATE])
def test_one_step_alone_passes_a_gradient(name: str) -> None:
    x = rich(1).requires_grad_()
    built(NEURONS.config(name))(x).sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0


@pytest.mark.parametrize("name", NAMES)
def test_chunks_under_carry_equal_the_whole(name: str) -> None:
    module, x = built(NEURONS.config(name)).eval(), rich()
    if name in WHOLE_SEQUENCE:
        with carry(module), pytest.raises(ConfigError, match="chunks"):
            module(x[:2]), module(x[2:])
        return
    whole = module(x)
    with carry(module):
        chunks = torch.cat([module(x[:1]), module(x[1:3]), module(x[3:])])
    torch.testing.assert_close(chunks, whole, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in WHOLE_SEQUENCE])
def test_a_step_does_not_depend_on_later_input(name: str) -> None:
    module, x = built(NEURONS.config(name)).eval(), rich()
    torch.testing.assert_close(module(x)[:2], module(torch.cat([x[:2], 7.0 - x[2:]]))[:2])


@pytest.mark.parametrize("name", NAMES)
def test_samples_do_not_influence_each_other_in_eval(name: str) -> None:
    module, x = built(NEURONS.config(name)).eval(), rich()
    torch.testing.assert_close(module(x)[:, :1], module(x[:, :1]))


@pytest.mark.parametrize("name", NAMES)
def test_half_precision_computes_wide_and_casts_the_output(name: str) -> None:
    if name in ACTIVATIONS:
        pytest.skip("plain torch activation")
    module, x = built(NEURONS.config(name)).eval(), rich().bfloat16()
    y = module(x)
    assert y.dtype is torch.bfloat16
    torch.testing.assert_close(y, module(x.float()).bfloat16())


@pytest.mark.parametrize("name", NAMES)
def test_config_survives_the_plain_form(name: str) -> None:
    config = NEURONS.config(name)
    assert NeuronConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize("name", [n for n in NAMES if isinstance(NEURONS.config(n), ScanConfig)])
def test_equations_can_become_kernels(name: str) -> None:
    config = NEURONS.config(name)
    assert isinstance(config, ScanConfig)
    recorded = trace(config.definition())
    assert set(recorded.states) == set(config.states())


@pytest.mark.parametrize("name", NAMES)
def test_nan_in_gives_nan_out(name: str) -> None:
    x = torch.full((3, 2, CHANNELS, 2), float("nan"))
    module = built(NEURONS.config(name).but(steps=3) if name in WHOLE_SEQUENCE else NEURONS.config(name)).eval()
    assert module(x)[-1].isnan().all()


@pytest.mark.parametrize("family", FAMILIES)
def test_docstring_has_an_equation_and_the_entry_a_source(family: str) -> None:
    if family == "identity":
        return
    entry = NEURONS.entry(family)
    assert "$" in (entry.cls.__doc__ or "")
    assert entry.source


SPECIAL: dict[tuple[str, str], dict[str, Any]] = {
    ("multispike", "levels"): {"levels": 2},
    ("ternary", "margin"): {"margin": 0.3},
    ("ternary", "v_negative"): {"v_negative": 0.5},
    ("adaptive_integer", "min_threshold"): {"min_threshold": 2.0},
    ("adaptive_integer", "max_threshold"): {"max_threshold": 0.1},
    ("hoyer", "window"): {"window": 2.0},
    ("gif", "levels"): {"levels": 4},
    ("mpbn", "eps"): {"eps": 0.5},
    ("mpbn", "momentum"): {"momentum": 0.9},
    ("mpr", "surrogate"): {"surrogate": "atan"},
    ("hd_if", "top"): {"top": 1},
    ("qcfs", "levels"): {"levels": 3},
    ("balanced_resonate", "init_omega"): {"init_omega": 60.0},
    ("balanced_resonate", "dt"): {"dt": 0.02},
    ("hodgkin_huxley", "v_threshold"): {"v_threshold": -60.0},
    ("masked_psn", "order"): {"order": 1},
    ("learned", "constants"): {"constants": ("v_reset",)},
}
"""Changes that a generic one would miss or that validation would refuse."""

BASE: dict[tuple[str, str], dict[str, Any]] = {
    ("decay_lif", "normalize"): {"v_threshold": 0.5},
    ("decay_lif", "decay_after_fire"): {"bias": 0.2},
    ("learnable_lif", "normalize"): {"v_threshold": 0.5},
    ("resonate", "channelwise"): {"learn": True},
    ("ternary", "detach_reset"): {"reset": "soft"},
    ("eif", "strict"): {"v_reset": 0.0, "v_rheobase": 1e6},
    ("adex", "strict"): {"v_reset": 0.0, "v_rheobase": 1e6},
    ("qif", "strict"): {"v_reset": 0.0},
    ("izhikevich", "strict"): {"v_rest": 0.0},
    ("glif", "strict"): {"init_leak": 0.5},
    ("resonate", "strict"): {"v_threshold": 0.0},
    ("mpbn", "strict"): {"v_threshold": 0.0, "momentum": 0.0},
    ("psn", "strict"): {"v_threshold": 0.0},
    ("masked_psn", "strict"): {"v_threshold": 0.0},
}
"""Where the field only matters beside other values."""


def changed(config: Config, name: str, annotation: Any) -> dict[str, Any]:
    """Another value for one field."""
    value = getattr(config, name)
    if isinstance(value, SurrogateConfig):
        return {name: "rectangle" if value.family != "rectangle" else "triangle"}
    if isinstance(value, NeuronConfig):
        return {name: "plif"}
    if isinstance(value, bool):
        return {name: not value}
    if isinstance(value, str):
        return {name: next(v for v in typing.get_args(annotation) if v != value)}
    if type(None) in typing.get_args(annotation):
        return {name: 0.0 if value is None else None}
    return {name: value + 1 if isinstance(value, int) else 0.7 * value + 0.05}


FIELDS = [(f, field.name) for f in FAMILIES for field in dataclasses.fields(NEURONS.entry(f).cls)]  # type: ignore[arg-type]


@pytest.mark.parametrize(("family", "field"), FIELDS)
def test_no_field_does_nothing(family: str, field: str) -> None:
    config = NEURONS.config(family).but(**BASE.get((family, field), {}))
    other = config.but(**SPECIAL.get((family, field)) or changed(config, field, config.field_types()[field]))
    assert other.to_dict() != config.to_dict()
    x = rich()
    before, after = ran(config, x), ran(other, x)
    same = len(before) == len(after) and all(
        a.shape == b.shape and torch.equal(a, b) for a, b in zip(before, after, strict=True)
    )
    assert not same, f"{field} changes neither output nor gradient"


@pytest.mark.parametrize("family", FAMILIES)
def test_scaled_threshold_scales_the_threshold_only(family: str) -> None:
    config = NEURONS.config(family)
    half = config.scaled_threshold(0.5)
    if isinstance(inner := getattr(config, "neuron", None), NeuronConfig):
        assert half == config.but(neuron=inner.scaled_threshold(0.5))
        assert half != config
    elif hasattr(config, "v_threshold"):
        assert half == config.but(v_threshold=config.v_threshold * 0.5)
    else:
        assert half is config


def test_a_stateful_neuron_keeps_nothing_after_a_call() -> None:
    for family in FAMILIES:
        module = built(NEURONS.config(family)).eval()
        assert torch.equal(module(rich()), module(rich())), family
        assert not any("_carried" in vars(m) for m in module.modules() if isinstance(m, Stateful))
