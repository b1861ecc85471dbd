"""What a tensor is does not depend on how it lies in memory."""

import pytest
import torch
from torch import Tensor

from spikeformers.energy.operands import classify

SPIKES = (torch.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5) % 3 == 0).float()


@pytest.mark.parametrize(
    "lay",
    [
        lambda x: x,
        lambda x: x.contiguous(memory_format=torch.channels_last),
        lambda x: x.permute(3, 1, 0, 2),
        lambda x: x[:, :, ::2],
        lambda x: x[:, :1].expand(2, 3, 4, 5),
    ],
    ids=["contiguous", "channels last", "permuted", "with gaps", "expanded"],
)
@pytest.mark.parametrize(
    ("values", "kind", "high"),
    [
        (SPIKES, "binary", 1),
        (-SPIKES, "ternary", 1),
        (4 * SPIKES, "integer", 4),
        (0.3 * SPIKES, "scaled", 1),
        (SPIKES + torch.arange(120).reshape(2, 3, 4, 5).sin(), "analog", 0),
    ],
)
def test_kinds(values: Tensor, kind: str, high: int, lay: object) -> None:
    found = classify(lay(values))
    assert (found.kind, found.high) == (kind, high)


def test_one_analog_value_far_behind_is_found() -> None:
    x = torch.ones(3, 40, 50, 2)
    x[2, 39, 49, 1] = 0.5001
    for laid in (x, x.permute(2, 0, 3, 1), x.contiguous(memory_format=torch.channels_last)):
        assert classify(laid).kind == "analog"
