"""Interpolation of what depends on the image size keeps what it should."""

import pytest
import torch

from spikeformers.weights.resize import flat_map, map_of, relative_table, token_kernel, token_pairs, token_vector


def test_the_same_size_changes_nothing() -> None:
    table, vector, pairs, readout = torch.rand(49, 3), torch.rand(16), torch.rand(16, 16, 5), torch.rand(10, 8 * 16)
    for image in ((32, 32), (16, 64), (1, 256)):
        torch.testing.assert_close(relative_table(table, table.shape, image, image), table)
        torch.testing.assert_close(token_vector(vector, vector.shape, image, image), vector)
        torch.testing.assert_close(token_pairs(pairs, pairs.shape, image, image), pairs)
        torch.testing.assert_close(flat_map(8)(readout, readout.shape, image, image), readout)


def test_a_map_keeps_its_sides_apart() -> None:
    assert map_of(8, (32, 64)) == (2, 4)
    assert map_of(8, (64, 32)) == (4, 2)
    assert map_of(7, (1, 28)) == (1, 7)
    with pytest.raises(LookupError, match="no map of 5 cells"):
        map_of(5, (32, 64))
    ramp = torch.tensor([0.0, 1.0]).repeat_interleave(4)  # down a map of 2×4
    larger = token_vector(ramp, torch.Size((32,)), (32, 64), (64, 128)).view(4, 8)
    assert (larger.diff(dim=1) == 0).all()
    assert (larger.diff(dim=0) >= 0).all()
    assert larger[-1, 0] == 1


def test_a_readout_gives_the_same_logits_on_the_enlarged_map() -> None:
    weight = torch.rand(10, 4 * 1).view(10, 4)  # one pixel: a constant map, which interpolation keeps exactly
    maps = torch.rand(2, 4, 1, 1)
    larger = flat_map(4)(weight, torch.Size((10, 4 * 9)), (8, 8), (24, 24))
    torch.testing.assert_close(maps.expand(2, 4, 3, 3).flatten(1) @ larger.T, maps.flatten(1) @ weight.T)


def test_a_kernel_over_tokens_and_steps_keeps_its_sum_per_step_and_refuses_other_steps() -> None:
    kernel = torch.rand(3, 1, 2 * 4, 5)
    torch.testing.assert_close(token_kernel(kernel, kernel.shape, (32, 64), (32, 64)), kernel)
    large = token_kernel(kernel, torch.Size((3, 1, 4 * 8, 5)), (32, 64), (64, 128))
    torch.testing.assert_close(large.sum(2), kernel.sum(2), rtol=1e-3, atol=1e-3)
    with pytest.raises(LookupError, match="of 5 steps does not become one of 4"):
        token_kernel(kernel, torch.Size((3, 1, 8, 4)), (32, 64), (32, 64))


def test_a_mixing_of_tokens_keeps_its_sum_and_its_direction() -> None:
    small = torch.zeros(4, 4, 1)
    small[0, 3] = 1.0  # to the first corner, from the last
    large = token_pairs(small, torch.Size((16, 16, 1)), (32, 32), (64, 64))
    torch.testing.assert_close(large.sum(1).amax(), torch.tensor(1.0))
    assert large[0, 15] == large.max()
    assert large[15, 0] == 0


def test_a_table_of_relative_positions_keeps_its_middle_and_its_symmetry() -> None:
    offsets = torch.linspace(-1, 1, 7).square()
    table = (offsets[:, None] + offsets).view(49, 1)
    large = relative_table(table, torch.Size((15 * 15, 1)), (28, 28), (56, 56)).view(15, 15)
    torch.testing.assert_close(large, large.flip(0))
    torch.testing.assert_close(large, large.T)
    assert large.min() == large[7, 7]
