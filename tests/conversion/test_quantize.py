import copy

import pytest
import torch
from torch import Tensor, nn

from spikeformers import energy
from spikeformers.conversion import QuantizeConfig, Quantizer, quantize
from spikeformers.core.errors import ConfigError
from spikeformers.models.vision.qsd import QSDConfig
from spikeformers.models.vision.spikformer import SpikformerConfig
from spikeformers.neurons import IF


def small() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(20, 3)
    )


IMAGES = torch.linspace(-1, 2, 6 * 16).reshape(6, 1, 4, 4)


def test_values_lie_on_a_grid_of_as_many_levels_as_bits_allow() -> None:
    x = torch.randn(1000)
    for bits in (2, 3, 8):
        signed, unsigned = Quantizer(bits), Quantizer(bits)
        signed.fit(x)
        unsigned.fit(x.abs())
        for quantizer, values in ((signed, x), (unsigned, x.abs())):
            levels = quantizer(values) / quantizer.log_step.exp2()
            torch.testing.assert_close(levels, levels.round())
            low, high = quantizer.limits
            assert high - low == 2**bits - 1
            assert low <= levels.min() < levels.max() <= high
        assert unsigned.limits[0] == 0


def test_the_step_is_the_one_of_least_error() -> None:
    x = torch.randn(4, 500) * torch.tensor([[0.1], [1.0], [10.0], [0.0]])
    quantizer = Quantizer(4, channels=4)
    quantizer.fit(x)
    found = (quantizer(x) - x).square().mean(1)
    with torch.no_grad():
        for factor in (0.8, 1.25):
            other = copy.deepcopy(quantizer)
            other.log_step += torch.tensor(factor).log2()
            assert bool(((other(x) - x).square().mean(1)[:3] > found[:3]).all())
    assert found[3] == 0.0
    assert found[1] < 0.02 * x[1].var()


def test_rounding_passes_gradients_and_the_step_learns_them() -> None:
    quantizer, x = Quantizer(3), torch.tensor([-9.0, -0.6, 0.2, 1.4, 9.0], requires_grad=True)
    quantizer.fit(torch.tensor([-4.0, 3.0]))
    assert quantizer.log_step.item() == pytest.approx(0.0, abs=1e-6)
    quantizer(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0, 1, 1, 1, 0], "values outside of the grid have no gradient"
    outside, inside = -4.0 + 3.0, (-1.0 + 0.6) + (0.0 - 0.2) + (1.0 - 1.4)
    expected = (outside + inside) * torch.log(torch.tensor(2.0)) / (5 * 3) ** 0.5
    torch.testing.assert_close(quantizer.log_step.grad, expected[None])


def test_half_precision_stays_half_precision() -> None:
    quantizer = Quantizer(8)
    quantizer.fit(torch.randn(100))
    assert quantizer(torch.randn(3, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_eight_bits_hardly_change_a_network_and_two_bits_do() -> None:
    model, errors = small().eval(), []
    with torch.no_grad():
        expected = model(IMAGES)
        for bits in (8, 4, 2):
            config = QuantizeConfig(weights=bits, activations=bits, ends=bits)
            rounded = quantize(copy.deepcopy(model), config, [IMAGES])
            errors.append(float((rounded(IMAGES) - expected).norm() / expected.norm()))
    assert errors[0] < 0.02 < errors[1] < errors[2]


def test_the_first_and_the_last_layer_keep_more_bits() -> None:
    model = quantize(small(), QuantizeConfig(weights=3, activations=2))
    bits = [
        (m.parametrizations.weight[0].bits, m.input_quantizer.bits)
        for m in model
        if isinstance(m, nn.Conv2d | nn.Linear)
    ]
    assert bits == [(8, 8), (3, 2), (8, 8)]
    assert len(model[2].weight[0].unique()) <= 8


def test_a_network_is_trained_with_few_bits_and_read_back() -> None:
    config = QuantizeConfig(weights=4, activations=4)
    model = quantize(small(), config).train()
    before = model[2].input_quantizer.log_step.clone()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    x, target, losses = torch.randn(6, 1, 4, 4), torch.tensor([0, 1, 2, 0, 1, 2]), []
    for _ in range(60):
        loss = nn.functional.cross_entropy(model(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert not torch.equal(model[2].input_quantizer.log_step, before), "fitted to the first batch, then learned"
    other = quantize(small(), config)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.eval()(IMAGES), model.eval()(IMAGES))


def test_a_spiking_network_with_rounded_weights_still_costs_accumulates_only() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), IF(v_threshold=0.3), nn.Linear(8, 3)).eval()
    x = torch.randn(4, 5, 6)
    with energy.count(model) as before:
        model(x)
    quantize(model, QuantizeConfig(weights=4))
    with torch.no_grad(), energy.count(model) as meter:
        model(x)
    rows = {(row.path, row.kind): row for row in meter.rows()}
    assert rows["2", "linear"].operand == "binary"
    assert rows["2", "linear"].macs == 0
    assert {row.kind for row in meter.rows()} == {row.kind for row in before.rows()}, "rounding of weights is no work"


def test_a_spikformer_and_its_twin_are_quantized() -> None:
    config = SpikformerConfig(img_size=16, num_classes=4, dim=16, depth=1, heads=2, pools="0011")
    x = torch.randn(2, 3, 16, 16)
    for model, bits in ((config.build(), None), (config.twin().build(), 4)):
        y = quantize(model.eval(), QuantizeConfig(weights=4, activations=bits), [x])(x)
        assert bool(y.isfinite().all())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"weights": 1}, "weights=1 bits must lie between 2 and 16"),
        ({"activations": 0}, "activations=0"),
        ({"ends": 17}, "ends=17"),
    ],
)
def test_bits_that_make_no_sense_are_refused(given: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        QuantizeConfig(**given)


def test_what_cannot_be_quantized_is_refused() -> None:
    four = QuantizeConfig(weights=4, activations=4)
    with pytest.raises(ConfigError, match="no convolution or linear layer"):
        quantize(nn.ReLU(), four)
    with pytest.raises(ConfigError, match="'0' is quantized already"):
        quantize(quantize(small(), four), four)
    with pytest.raises(ConfigError, match="quantized already"):
        quantize(QSDConfig(img_size=32, dims=(4, 4, 8, 8), depths=(1, 1), heads=2).build(), four)
    with pytest.raises(ConfigError, match="at least one batch"):
        quantize(small(), four, [])
    with pytest.raises(ConfigError, match="never fitted"):
        quantize(small(), four).eval()(IMAGES)


def test_the_model_keeps_its_mode_and_only_its_own_hooks() -> None:
    model = small().train()
    model[0].eval()
    quantize(model, QuantizeConfig(activations=4), [IMAGES])
    assert (model[0].training, model[2].training) == (False, True)
    assert [len(m._forward_pre_hooks) for m in model] == [1, 0, 1, 0, 0, 1]


def test_every_process_fits_the_same_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two processes, this one sees the smaller values; both fit their step to all of them."""

    def gather(parts: list[Tensor], x: Tensor) -> None:
        parts[0].copy_(x)
        parts[1].copy_(10 * x)

    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(torch.distributed, "all_gather", gather)
    x, whole, shared = torch.rand(50), Quantizer(4), Quantizer(4).train()
    whole.fit(torch.cat([x, 10 * x]))
    shared(x)
    assert torch.equal(shared.log_step, whole.log_step)
