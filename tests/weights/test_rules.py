"""Rules between official names and ours: both directions, leftovers named."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spikeformers.core.errors import CheckpointError
from spikeformers.weights.rules import Rule, Rules, grouped

RULES = Rules(
    [
        Rule("block.{i}.attn.q_conv.{p}", "blocks.{i}.q.linear.{p}", trailing=1),
        Rule("block.{i}.norm.{p}", None),
        Rule("head.{p}", "head.{p}"),
    ]
)


@given(st.integers(0, 99), st.sampled_from(["weight", "bias"]))
def test_rules_invert(index: int, part: str) -> None:
    shape = (2, 3, 1) if part == "weight" else (2,)
    official = {f"block.{index}.attn.q_conv.{part}": torch.zeros(shape), f"head.{part}": torch.ones(2)}
    back = RULES.to_official(RULES.to_ours(official))
    assert {n: t.shape for n, t in back.items()} == {n: t.shape for n, t in official.items()}


def test_tensors_that_are_never_used_are_dropped() -> None:
    assert RULES.to_ours({"block.0.norm.weight": torch.zeros(1)}) == {}


def test_leftovers_are_grouped_by_prefix() -> None:
    with pytest.raises(CheckpointError, match=r"3 tensors fit no rule.*'stem\.conv\.weight'"):
        RULES.to_ours({f"stem.conv.{n}": torch.zeros(1) for n in ("weight", "bias", "extra")})
    with pytest.raises(CheckpointError, match="no official counterpart"):
        RULES.to_official({"tail.weight": torch.zeros(1)})
    assert grouped(["a.b.c", "a.b.d", "e"]) == "a.b.* (2, e.g. 'a.b.c'), 'e'"


def test_a_kernel_that_is_not_1x1_is_refused() -> None:
    with pytest.raises(CheckpointError, match="trailing axes"):
        RULES.to_ours({"block.0.attn.q_conv.weight": torch.zeros(2, 3, 3)})
