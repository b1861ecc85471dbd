"""How programs are cut into loops: every value is computed before it is read, and costly ones once."""

from typing import Any

import pytest

from spikeformers.kernels.scan.cpu.stages import CHAINED, Plan, Stage
from spikeformers.neurons import NEURONS, ScanConfig


def program(name: str) -> Any:
    config = NEURONS.config(name)
    assert isinstance(config, ScanConfig)
    return config.definition().program


def check(graph: Any, stages: tuple[Stage, ...], leaves: set[int], outputs: list[int | None]) -> None:
    stored: set[int] = set()
    for stage in stages:
        known = leaves | set(stage.loads)
        assert set(stage.loads) <= stored
        for node in stage.nodes:
            entry = graph.nodes[node]
            args = entry.args[:1] if entry.op == "through" else entry.args
            assert all(a in known or graph.nodes[a].op == "const" for a in args)
            assert not any(a in stage.nodes and graph.nodes[a].op in CHAINED for a in args) or stage is stages[-1]
            known.add(node)
        assert set(stage.stores) <= set(stage.nodes)
        stored |= set(stage.stores)
    assert all(n is None or n in known or graph.nodes[n].op == "const" for n in outputs)


@pytest.mark.parametrize("name", ["lif", "clif", "mpr", "hodgkin_huxley", "learned_width_lif", "glif"])
def test_a_stage_reads_what_it_has_computed_or_what_is_stored(name: str) -> None:
    neuron = program(name)
    plan, graph = Plan(neuron), neuron.graph
    check(graph, plan.forward, set(neuron.leaves), [neuron.y, *neuron.new_states])
    check(graph, plan.recompute, set(neuron.leaves), list(neuron.new_states))
    given = {*neuron.leaves, neuron.gy, *neuron.g_new, *plan.kept}
    check(graph, plan.adjoint, given, [neuron.gx, *neuron.g_states, *neuron.g_params])
    assert set(plan.kept) <= {n for stage in plan.recompute for n in stage.stores}


def test_members_of_a_chain_get_loops_of_their_own_and_costly_values_are_kept_for_the_adjoint() -> None:
    clif = program("clif")
    plan = Plan(clif)
    ops = [[clif.graph.nodes[n].op for n in stage.nodes].count("sigmoid") for stage in plan.forward]
    assert ops == [1, 1]
    assert [clif.graph.nodes[n].op for n in plan.kept] == ["sigmoid", "sigmoid"]
    adjoint = {clif.graph.nodes[n].op for stage in plan.adjoint for n in stage.nodes}
    assert not adjoint & CHAINED
    assert len(Plan(program("lif")).forward) == 1
    assert Plan(program("lif")).kept == ()


def test_no_costly_value_is_computed_twice_in_a_step() -> None:
    neuron = program("hodgkin_huxley")
    nodes = [
        n for stage in Plan(neuron).recompute for n in stage.nodes if neuron.graph.nodes[n].op in (*CHAINED, "div")
    ]
    divisions = {n for n in nodes if neuron.graph.nodes[n].op == "div"}
    by_constant = {n for n in divisions if neuron.graph.nodes[neuron.graph.nodes[n].args[1]].op == "const"}
    costly = [n for n in nodes if n not in by_constant]
    assert len(costly) == len(set(costly))
