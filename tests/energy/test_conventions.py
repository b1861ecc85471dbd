"""One net counted by hand under every convention: 1 analog layer, 1 binary, 1 integer, 1 product, 1 neuron layer."""

import pytest

from spikeformers.energy.conventions import CONVENTIONS, compare
from spikeformers.energy.neurobench import synaptic_operations
from spikeformers.energy.rows import Row

STEPS = 2
ROWS = [
    Row("stem", "conv", "analog", first=True, dense_macs=200, macs=100, repeats=2, elements=20, nonzeros=20, events=180,
        outputs=40, weights=10),
    Row("neuron", "neuron", "binary", elements=40, outputs=40, nonzeros=10, units=10, states=1, primitives={"add": 80}),
    Row("layer", "linear", "binary", dense_macs=400, acs=100, events=100, elements=40, units=10, nonzeros=10,
        outputs=20, weights=10, levels=1),
    Row("deep", "linear", "integer", dense_macs=400, acs=120, events=80, elements=40, units=12, nonzeros=8, outputs=20,
        weights=10, levels=2),
    Row("attention[0]", "product", "binary", "binary", dense_macs=100, acs=5, ands=20, events=5, elements=10, units=4,
        nonzeros=4, outputs=10),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "picojoules"),
    [
        ("spikeformers", 100 * 4.6 + (100 + 120 + 5) * 0.9 + 80 * 0.9 + 20 * 0.03 / 8),
        ("paper", 100 * 4.6 + (400 * 0.25 + 400 * 0.2 + 100 * 0.4) * 0.9),
        ("paper, first layer T times", 200 * 4.6 + (400 * 0.25 + 400 * 0.2 + 100 * 0.4) * 0.9),
        ("paper, mean count", 100 * 4.6 + (400 * 0.25 + 400 * 0.3 + 100 * 0.4) * 0.9),
        ("neurobench", 180 * 4.6 + 100 * 0.9 + 80 * 4.6),
        ("strict binary", 200 * 4.6 + 100 * 0.9 + 400 * 4.6 + 5 * 0.9),
        ("dense, one step", (200 + 400 + 400 + 100) / 2 * 4.6),
    ],
)
def test_conventions_by_hand(name: str, picojoules: float) -> None:
    found = {c["name"]: c["mj"] for c in compare(ROWS, STEPS, 1)}
    assert found[name] == pytest.approx(picojoules * 1e-9)


def test_step_adds_weights_spikes_and_membranes_at_one_price() -> None:
    found = {c["name"]: c["mj"] for c in compare(ROWS, STEPS, 1)}
    weights, membranes = 30 * 32, 2 * 40 * 32
    inputs = 20 / 2 * 32 + 40 + 40 * 2 + 10
    outputs = 40
    moved = weights + membranes + inputs + outputs
    assert found["step"] - found["spikeformers"] == pytest.approx(moved * 3.12e-9)


def test_fetching_a_weight_at_every_use_dwarfs_the_arithmetic() -> None:
    found = {c["name"]: c["mj"] for c in compare(ROWS, STEPS, 1)}
    words = 200 + 100 + 400 + 2 * 40
    assert found["weight fetched at every use"] - found["strict binary"] == pytest.approx(words * 4 * 24.96e-9)


def test_everything_is_per_sample() -> None:
    one, two = compare(ROWS, STEPS, 1), compare(ROWS, STEPS, 2)
    for a, b in zip(one, two, strict=True):
        if a["name"] not in ("step", "lemaire"):  # weights are shared by the samples, memories are as large as one
            assert a["mj"] == pytest.approx(2 * b["mj"])


def test_every_convention_states_its_assumption() -> None:
    assert len({c.name for c in CONVENTIONS}) == len(CONVENTIONS)
    assert all(len(c.assumption) > 40 for c in CONVENTIONS)


def test_neurobench_rule_ignores_products_and_calls_integers_macs() -> None:
    assert [synaptic_operations(r) for r in ROWS if r.kind != "neuron"] == [(180, 0), (0, 100), (80, 0), (0, 0)]
