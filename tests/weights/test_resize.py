"""Interpolation of what depends on the image size keeps what it should."""

import torch

from spikeformers.weights.resize import flat_map, relative_table, token_pairs, token_vector


def test_the_same_size_changes_nothing() -> None:
    table, vector, pairs, readout = torch.rand(49, 3), torch.rand(16), torch.rand(16, 16, 5), torch.rand(10, 8 * 16)
    torch.testing.assert_close(relative_table(table, table.shape), table)
    torch.testing.assert_close(token_vector(vector, vector.shape), vector)
    torch.testing.assert_close(token_pairs(pairs, pairs.shape), pairs)
    torch.testing.assert_close(flat_map(8)(readout, readout.shape), readout)


def test_a_readout_gives_the_same_logits_on_the_enlarged_map() -> None:
    weight = torch.rand(10, 4 * 1).view(10, 4)  # one pixel: a constant map, which interpolation keeps exactly
    maps = torch.rand(2, 4, 1, 1)
    larger = flat_map(4)(weight, torch.Size((10, 4 * 9)))
    torch.testing.assert_close(maps.expand(2, 4, 3, 3).flatten(1) @ larger.T, maps.flatten(1) @ weight.T)


def test_a_mixing_of_tokens_keeps_its_sum_and_its_direction() -> None:
    small = torch.zeros(4, 4, 1)
    small[0, 3] = 1.0  # to the first corner, from the last
    large = token_pairs(small, torch.Size((16, 16, 1)))
    torch.testing.assert_close(large.sum(1).amax(), torch.tensor(1.0))
    assert large[0, 15] == large.max()
    assert large[15, 0] == 0


def test_a_table_of_relative_positions_keeps_its_middle_and_its_symmetry() -> None:
    offsets = torch.linspace(-1, 1, 7).square()
    table = (offsets[:, None] + offsets).view(49, 1)
    large = relative_table(table, torch.Size((15 * 15, 1))).view(15, 15)
    torch.testing.assert_close(large, large.flip(0))
    torch.testing.assert_close(large, large.T)
    assert large.min() == large[7, 7]
