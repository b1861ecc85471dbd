"""Official checkpoints of the code base that Max-Former and MS-QKFormer share."""

from collections.abc import Mapping
from typing import Any

import torch

from spikeformers.models.official import OfficialArgs, count_blocks
from spikeformers.weights.rules import Rule
from spikeformers.weights.units import PERCEPTRON, attention_parts, count_numbered, part_rules


def official_fields(shapes: Mapping[str, torch.Size], args: OfficialArgs, *, imagenet: bool) -> dict[str, Any]:
    """The fields that both read alike; of the layouts, the one for ImageNet is told by the caller."""
    stages = count_numbered(shapes, "stage")
    stride = 4 if imagenet else 1 if stages == 3 else 8
    hidden, width = shapes["stage1.0.mlp.fc1_conv.weight"][:2]
    dim = shapes["head.weight"][1]
    return {
        "img_size": args.image(default={4: 224, 1: 32, 8: 128}[stride]),
        "num_classes": shapes["head.weight"][0],
        "timesteps": args.take("T", 4),
        "dim": dim,
        "depths": tuple(count_blocks(shapes, f"stage{s + 1}") for s in range(stages)),
        "heads": {4: max(dim // 64, 1), 1: 8, 8: 16}[stride],
        "mlp_ratio": hidden / width,
        "stem_stride": stride,
    }


def block_rules(stage: int, attention: str = "") -> list[Rule]:
    """Rules of the blocks of a stage, counted from 0: the perceptron, and an attention that takes these inputs."""
    official, ours = f"stage{stage + 1}.{{i}}", f"stages.{stage}.{{i}}"
    rules = part_rules(f"{official}.mlp", f"{ours}.mlp", PERCEPTRON, trailing=2)
    if attention:
        parts = attention_parts(attention, neuron=False)
        rules += part_rules(f"{official}.attn", f"{ours}.attention", parts, trailing=1)
    return rules
