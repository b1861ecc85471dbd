"""Parameter names of the code base that Spike-driven Transformer V1 and STAtten share."""

from spikeformers.weights.rules import Rule, Rules
from spikeformers.weights.units import conv_rules, linear_rules


def official_rules() -> Rules:
    """Rules for both; the names of learned time constants (`*_lif.w`) exist where the official neuron is PLIF."""
    rules = [
        Rule("head.{p}", "head.{p}"),
        Rule("head_lif.{p}", "head_neuron.{p}"),
        Rule("block.{i}.attn.talking_heads.{p}", None),
        Rule("block.{i}.attn.attn_lif.{p}", None),
        Rule("block.{i}.attn.talking_heads_lif.{p}", "blocks.{i}.attention.operator.neuron.{p}"),
        Rule("block.{i}.attn.shortcut_lif.{p}", "blocks.{i}.attention.neuron.{p}"),
        Rule("patch_embed.rpe_lif.{p}", None),
        *conv_rules("patch_embed.rpe_conv", "patch_embed.rpe_bn", "stem.position.unit"),
    ]
    for number, unit, neuron in (
        ("", "units.0.unit", "units.0.neuron"),
        ("1", "units.1.unit", "units.1.neuron"),
        ("2", "units.2.unit", "units.2.neuron"),
        ("3", "last", "position.neuron"),
    ):
        rules += conv_rules(f"patch_embed.proj_conv{number}", f"patch_embed.proj_bn{number}", f"stem.{unit}")
        rules.append(Rule(f"patch_embed.proj_lif{number}.{{p}}", f"stem.{neuron}.{{p}}"))
    for part in ("q", "k", "v"):
        official, ours = f"block.{{i}}.attn.{part}", f"blocks.{{i}}.attention.{part}"
        rules += linear_rules(f"{official}_conv", f"{official}_bn", f"{ours}.unit", 2)
        rules.append(Rule(f"{official}_lif.{{p}}", f"{ours}.neuron.{{p}}"))
    rules += linear_rules("block.{i}.attn.proj_conv", "block.{i}.attn.proj_bn", "blocks.{i}.attention.proj", 2)
    for part in ("fc1", "fc2"):
        official, ours = f"block.{{i}}.mlp.{part}", f"blocks.{{i}}.mlp.{part}"
        rules += linear_rules(f"{official}_conv", f"{official}_bn", f"{ours}.unit", 2)
        rules.append(Rule(f"{official}_lif.{{p}}", f"{ours}.neuron.{{p}}"))
    return Rules(rules)
