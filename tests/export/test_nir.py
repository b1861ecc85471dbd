"""NIR: every neuron that it knows goes out and comes back as itself, the others are refused by name; whole models too."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from spikeformers import create_model
from spikeformers.core.errors import ExportError
from spikeformers.neurons import NEURONS, NeuronConfig

nir = pytest.importorskip("nir")

from spikeformers.export.nir import from_nir, read, to_nir, write  # noqa: E402

MAPPED: dict[str, tuple[str, dict[str, Any]]] = {
    "if": ("IF", {}),
    "if_elsewhere": ("IF", {"v_reset": -0.25, "v_threshold": 0.75}),
    "lif": ("LIF", {}),
    "lif_undamped": ("LIF", {"tau": 3.0, "decay_input": False, "v_reset": -0.25}),
    "decay_lif": ("LIF", {"decay": 0.3, "bias": 0.05}),
    "decay_lif_strict": ("LIF", {"strict": True, "normalize": True, "v_threshold": 0.7}),
    "decay_lif_without_leak": ("IF", {"decay": 1.0}),
    "cuba_lif": ("CubaLIF", {"decay_synapse": 0.4, "v_reset": -0.25}),
    "plif": ("LIF", {"init_tau": 2.5}),
    "learned_width_lif": ("LIF", {}),
    "learnable_lif": ("LIF", {"channelwise": True, "learn_bias": True, "v_reset": 0.125}),
    "mpbn_folded": ("LIF", {}),
}


@pytest.fixture(autouse=True)
def _reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Constants and graphs are looked at here; kernels have their own tests."""
    monkeypatch.setenv("SPIKEFORMERS_KERNELS", "reference")


KNOWN = {"if", "lif", "decay_lif", "cuba_lif", "plif", "learned_width_lif", "learnable_lif", "mpbn_folded"}


def config_of(case: str) -> NeuronConfig:
    family = max((f for f in NEURONS.families() if case.startswith(f)), key=len)
    return NEURONS.config(family).but(**MAPPED[case][1])


def quarters(*shape: int) -> Tensor:
    """Currents of which many meet a threshold exactly."""
    return (4.0 * torch.randn(*shape)).round() / 4.0


def there_and_back(model: nn.Module, shape: tuple[int, ...], folder: Path, **options: Any) -> nn.Module:
    write(folder / "model.nir", to_nir(model, shape))
    return from_nir(read(folder / "model.nir"), **options)


@pytest.mark.parametrize("case", MAPPED)
def test_a_neuron_goes_out_and_comes_back_with_the_same_spikes(case: str, tmp_path: Path) -> None:
    module = config_of(case).build(channels=3)
    for value in module.parameters():
        value.data += 0.2 * torch.randn_like(value) if case != "mpbn_folded" else 0.0
    x = quarters(12, 4, 3, 5)
    graph = to_nir(module, (3, 5))
    assert type(graph.nodes["layer"]).__name__ == MAPPED[case][0]
    y = module(x)
    assert 0.02 < y.mean() < 0.98
    assert torch.equal(there_and_back(module, (3, 5), tmp_path)(x), y)


@pytest.mark.parametrize("case", [c for c in MAPPED if config_of(c).build(channels=1).state_dict() == {}])
def test_the_equations_of_the_node_alone_give_the_spikes(case: str) -> None:
    module, x = config_of(case).build(), torch.randn(12, 4, 6)
    graph = to_nir(module, (6,))
    for node in graph.nodes.values():
        node.metadata.clear()
    alone = from_nir(graph)
    assert "LIF" in repr(alone) or "IF" in repr(alone)
    assert torch.equal(alone(x), module(x))


def test_a_hint_that_does_not_fit_the_constants_is_not_believed() -> None:
    module, x = NEURONS.config("lif").build(), torch.randn(8, 2, 6)
    graph = to_nir(module, (6,))
    graph.nodes["layer"].tau = graph.nodes["layer"].tau * 2
    torch.testing.assert_close(from_nir(graph)(x), NEURONS.config("lif").but(tau=4.0).build()(x))
    graph.nodes["layer"].metadata["spikeformers"] = "{not json"
    assert from_nir(graph)(x).shape == x.shape


def test_all_other_neurons_are_refused_at_once_by_path() -> None:
    others = sorted(set(NEURONS.families()) - KNOWN - {"identity"})
    configs = [NEURONS.config(family) for family in others]
    configs = [c.but(steps=2) if hasattr(c, "steps") else c for c in configs]
    modules = [config.build(channels=3) for config in configs]
    with pytest.raises(ExportError) as caught:
        to_nir(nn.Sequential(*modules), (3,))
    named = [getattr(m, "config", None) for m in modules]
    titles = [type(m).__name__ if c is None else c.family for m, c in zip(modules, named, strict=True)]
    faults = [fault.split(":")[0].strip() for fault in str(caught.value).splitlines()[1:]]
    assert faults == [f"{number} ({title})" for number, title in enumerate(titles)]


@pytest.mark.parametrize(
    ("family", "fields", "reason"),
    [
        ("lif", {"v_reset": None}, "soft reset"),
        ("if", {"v_reset": None}, "soft reset"),
        ("cuba_lif", {"v_reset": None}, "soft reset"),
        ("cuba_lif", {"decay": 1.0}, "decay=1.0"),
        ("decay_lif", {"reset": "none"}, "reset='none'"),
        ("decay_lif", {"init_v": 0.5}, "init_v=0.5"),
        ("decay_lif", {"bias": 0.1, "decay_after_fire": True}, "decay_after_fire"),
        ("decay_lif", {"bias": 0.1, "decay": 1.0}, "constant current"),
        ("learnable_lif", {"reset": "soft"}, "reset='soft'"),
        ("learnable_lif", {"learn_reset": True}, "learned reset potential"),
    ],
)
def test_options_without_a_node_are_refused_with_the_reason(family: str, fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(ExportError, match=reason):
        NEURONS.config(family).but(**fields).to_nir({}, 1e-4)


def trained_looking(model: nn.Module) -> nn.Module:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0.0, 0.1)  # type: ignore[union-attr]
            module.running_var.uniform_(0.02, 0.1)  # type: ignore[union-attr]
    return model.eval()


@pytest.mark.parametrize("name", ["spiking_vgg_tiny", "sew_resnet_tiny", "ms_resnet_tiny"])
def test_a_whole_model_gives_the_same_logits(name: str, tmp_path: Path) -> None:
    model, x = trained_looking(create_model(name, neuron="lif", num_classes=5)), torch.rand(4, 2, 3, 16, 16)
    y = model(x)
    assert y.std() > 0.0
    back = there_and_back(model, (3, 16, 16), tmp_path)
    torch.testing.assert_close(back(x), y, rtol=1e-5, atol=1e-5)
    again = there_and_back(back, (3, 16, 16), tmp_path)
    assert torch.equal(again(x), back(x))


class Block(nn.Module):
    """Every layer that goes out, and a residual sum."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, padding=1, groups=2), nn.BatchNorm2d(4))
        self.neuron = NEURONS.config("lif").but(v_threshold=0.1).build()
        self.pools = nn.Sequential(nn.AvgPool2d(2), nn.Identity(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.head = nn.Sequential(nn.Linear(16, 8, bias=False), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3))

    def forward(self, x: Tensor) -> Tensor:
        folded = x.flatten(0, 1)
        folded = folded + self.first(folded)
        spikes = self.neuron(folded.unflatten(0, x.shape[:2]))
        pooled = self.pools(spikes.flatten(0, 1))
        return self.head(pooled).view(*x.shape[:2], 3)


def test_norms_groups_pools_and_sums_go_out(tmp_path: Path) -> None:
    block, x = trained_looking(Block()), torch.rand(3, 2, 4, 8, 8)
    torch.testing.assert_close(there_and_back(block, (4, 8, 8), tmp_path)(x), block(x), rtol=1e-5, atol=1e-5)
    assert not block.training
    to_nir(block.train(), (4, 8, 8))
    assert all(m.training for m in block.modules())


def test_everything_without_a_node_is_listed_at_once_by_path() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pool = nn.MaxPool2d(2)
            self.neuron = NEURONS.config("ilif").build()
            self.tall = nn.Conv2d(2, 2, (3, 1))

        def forward(self, x: Tensor) -> Tensor:
            y = self.pool(x.flatten(0, 1)).unflatten(0, x.shape[:2])
            return self.tall(torch.relu(self.neuron(y)).flatten(0, 1)).unflatten(0, x.shape[:2])

    with pytest.raises(ExportError) as caught:
        to_nir(nn.Sequential(Odd()), (2, 8, 8))
    said = str(caught.value)
    for part in ("0.pool (MaxPool2d)", "0.neuron (ilif)", "0.tall (Conv2d): kernel_size=(3, 1)", "'relu'"):
        assert part in said


def test_a_graph_from_elsewhere_runs_by_its_own_equations() -> None:
    rng = torch.Generator().manual_seed(0)

    def drawn(low: float, high: float) -> Any:
        return (torch.rand(5, generator=rng) * (high - low) + low).numpy()

    tau, r, leak, threshold, reset = drawn(2e-3, 9e-3), drawn(0.5, 2), drawn(-0.1, 0.1), drawn(0.3, 0.6), drawn(-0.2, 0)
    node = nir.CubaLIF(tau, 2 * tau, r, leak, threshold, reset, w_in=drawn(1.0, 3.0))
    x = torch.rand(20, 3, 5, generator=rng)
    for synapse in ("new", "old"):
        i, v, spikes = torch.zeros(3, 5), torch.as_tensor(reset).expand(3, 5), []
        for current in x:
            before = i
            i = i + 1e-3 / torch.as_tensor(tau) * (torch.as_tensor(node.w_in) * current - i)
            charge = torch.as_tensor(leak) - v + torch.as_tensor(r) * (i if synapse == "new" else before)
            v = v + 1e-3 / (2 * torch.as_tensor(tau)) * charge
            spikes.append((v > torch.as_tensor(threshold)).float())
            v = torch.where(spikes[-1] > 0, torch.as_tensor(reset), v)
        graph = from_nir(nir.NIRGraph.from_list(node), dt=1e-3, synapse=synapse)  # type: ignore[arg-type]
        assert torch.equal(graph(x), torch.stack(spikes))
        assert 0.02 < torch.stack(spikes).mean() < 0.98


def test_integrators_pools_and_scales_are_read() -> None:
    import numpy as np

    ones = np.ones((2, 4, 4), np.float32)
    graph = nir.NIRGraph.from_list(
        nir.Scale(2.0 * ones),
        nir.I(10.0 * ones),
        nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        nir.LI(*(np.full((2, 2, 2), v, np.float32) for v in (0.2, 1.0, 0.0))),
        nir.Threshold(np.full((2, 2, 2), 2.0, np.float32)),
    )
    x = torch.ones(3, 1, 2, 4, 4)
    y = from_nir(graph, dt=0.1)(x)
    # integral 2, 4, 6 in each pixel; sums of four 8, 16, 24; leaky by half 4, 10, 17
    assert y.mean((1, 2, 3, 4)).tolist() == [1.0, 1.0, 1.0]
    assert from_nir(graph, dt=0.02)(x).mean((1, 2, 3, 4)).tolist() == [0.0, 0.0, 0.0]


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    import numpy as np

    with pytest.raises(ExportError, match=r"there is no file 'nothing\.nir'"):
        read(tmp_path / "nothing.nir")
    (tmp_path / "text.nir").write_text("no graph")
    with pytest.raises(ExportError, match="is no NIR graph"):
        read(tmp_path / "text.nir")
    one = np.ones(3, np.float32)
    with pytest.raises(ExportError, match=r"delay \(Delay\)"):
        from_nir(nir.NIRGraph.from_list(nir.Delay(one), nir.IF(one, one)))
    nodes = {
        "input": nir.Input(np.array([3])),
        "a": nir.IF(one, one),
        "b": nir.Linear(np.eye(3)),
        "output": nir.Output(np.array([3])),
    }
    loop = nir.NIRGraph(nodes, [("input", "a"), ("a", "b"), ("b", "a"), ("a", "output")], type_check=False)
    with pytest.raises(ExportError, match="goes in a circle"):
        from_nir(loop)


def test_a_written_file_is_never_half_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = to_nir(NEURONS.config("lif").build(), (3,))
    monkeypatch.setattr(nir, "write", lambda path, graph: Path(path).write_text("half") and 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write(tmp_path / "a.nir", graph)
    assert list(tmp_path.iterdir()) == []
