"""Official checkpoints of the code base that Spike-driven Transformer V1 and STAtten share."""

from collections.abc import Mapping
from typing import Any

import torch

from spikeformers.models.official import OfficialArgs, count_blocks
from spikeformers.weights.rules import Rule, Rules
from spikeformers.weights.units import PERCEPTRON, attention_parts, neuron_rules, part_rules, patch_rules


def official_fields(shapes: Mapping[str, torch.Size], args: OfficialArgs, *, event_steps: int) -> dict[str, Any]:
    """The fields that both read alike; `event_steps` is the official T for events."""
    in_channels = shapes["patch_embed.proj_conv.weight"][1]
    hidden, dim = shapes["block.0.mlp.fc1_conv.weight"][:2]
    events, pools = in_channels == 2, args.take("pooling_stat", "1111")
    return {
        "img_size": args.image(default=128 if events else 32 if pools == "0011" else 224),
        "in_channels": in_channels,
        "num_classes": shapes["head.weight"][0],
        "timesteps": args.take("T", event_steps if events else 4),
        "dim": dim,
        "depth": count_blocks(shapes, "block"),
        "heads": args.heads(8),
        "mlp_ratio": hidden / dim,
        "pools": pools,
    }


def official_rules() -> Rules:
    """Rules for both; the names of learned time constants (`*_lif.w`) exist where the official neuron is PLIF."""
    units = ["units.0", "units.1", "units.2"]
    stem_neurons = [*(f"{unit}.neuron" for unit in units), "position.neuron"]
    attention, ours = "block.{i}.attn", "blocks.{i}.attention"
    return Rules(
        [
            Rule("head.{p}", "head.{p}"),
            Rule("head_lif.{p}", "head_neuron.{p}"),
            Rule(f"{attention}.talking_heads.{{p}}", None),
            Rule(f"{attention}.attn_lif.{{p}}", None),
            Rule(f"{attention}.talking_heads_lif.{{p}}", f"{ours}.operator.neuron.{{p}}"),
            Rule(f"{attention}.shortcut_lif.{{p}}", f"{ours}.neuron.{{p}}"),
            Rule("patch_embed.rpe_lif.{p}", None),
            *patch_rules([*(f"{unit}.unit" for unit in units), "last"], "position.unit"),
            *(Rule(f"patch_embed.proj_lif{i or ''}.{{p}}", f"stem.{n}.{{p}}") for i, n in enumerate(stem_neurons)),
            *part_rules(attention, ours, attention_parts(neuron=False), trailing=2),
            *neuron_rules(attention, ours, "qkv"),
            *part_rules("block.{i}.mlp", "blocks.{i}.mlp", PERCEPTRON, trailing=2),
            *neuron_rules("block.{i}.mlp", "blocks.{i}.mlp", PERCEPTRON),
        ]
    )
