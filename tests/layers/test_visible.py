"""Batch norms over the visible cells of partly hidden images."""

import copy

import torch
from torch import nn

from spikeformers.layers.visible import Visible

GRID = torch.tensor([[[1, 0], [0, 1]], [[1, 1], [0, 0]]], dtype=torch.bool)


def test_statistics_are_those_of_visible_cells_and_hidden_ones_are_zero() -> None:
    norm = nn.BatchNorm2d(3)
    nn.init.constant_(norm.bias, 0.7)
    plain = nn.BatchNorm1d(3)
    plain.load_state_dict(norm.state_dict())
    x = torch.randn(2, 3, 4, 4)
    fine = GRID.repeat_interleave(2, 1).repeat_interleave(2, 2)
    wanted = plain(x.movedim(1, -1)[fine])
    Visible().tell(norm, GRID)
    y = norm(x).movedim(1, -1)
    torch.testing.assert_close(y[fine], wanted)
    assert y[~fine].eq(0).all()
    torch.testing.assert_close(norm.running_var, plain.running_var)


def test_steps_are_folded_before_the_batch() -> None:
    norm = nn.BatchNorm2d(1).eval()
    nn.init.constant_(norm.bias, 1.0)
    Visible().tell(norm, GRID)
    y = norm(torch.zeros(3, 2, 1, 2, 2).flatten(0, 1)).unflatten(0, (3, 2))[:, :, 0]
    assert torch.equal(y > 0, GRID.expand(3, 2, 2, 2))


def test_tokens_coarser_maps_and_whole_images_are_normalized_as_ever() -> None:
    part = nn.ModuleList([nn.BatchNorm1d(4), nn.BatchNorm2d(4)])
    twin, visible = copy.deepcopy(part), Visible()
    visible.tell(part, GRID)
    tokens, coarse, maps = torch.randn(6, 4, 5), torch.randn(2, 4, 1, 1), torch.randn(2, 4, 4, 4)
    assert torch.equal(part[0](tokens), twin[0](tokens))
    assert torch.equal(part[1](coarse), twin[1](coarse))
    visible.tell(part, None)
    assert torch.equal(part[1](maps), twin[1](maps))
