"""What BrainCog keeps in a state dict besides weights."""

from spikeformers.weights.rules import Rule


def node_rules(*owners: str) -> list[Rule]:
    """Rules that drop the threshold and surrogate slope which every neuron below these names keeps as a parameter."""
    rules = []
    for owner in owners:
        rules += [Rule(f"{owner}.{{n}}.threshold", None), Rule(f"{owner}.{{n}}.act_fun.alpha", None)]
    return rules
