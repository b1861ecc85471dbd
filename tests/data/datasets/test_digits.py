"""The digits shown larger are the same scans."""

import pytest
import torch

from spikeformers.core.errors import ConfigError
from spikeformers.data.datasets.digits import DigitsConfig


@pytest.mark.parametrize("size", [16, 24])
def test_larger_digits_are_the_same_scans_in_squares_of_equal_pixels(size: int) -> None:
    small, large = DigitsConfig(), DigitsConfig(size=size)
    assert large.info.shape == (1, size, size)
    scans, shown = (config.build().test.inputs([0, 5, 9]) for config in (small, large))
    factor = size // 8
    for row in range(factor):
        for column in range(factor):
            assert torch.equal(shown[..., row::factor, column::factor], scans)
    assert large.build().test.name(0) == small.build().test.name(0)


@pytest.mark.parametrize(("size", "valid"), [(4, "8, 16"), (20, "16, 24"), (0, "8, 16")])
def test_a_size_that_is_no_multiple_of_the_scans_is_refused(size: int, valid: str) -> None:
    with pytest.raises(ConfigError, match=f"size={size} is not a multiple of 8.*nearest valid: {valid}"):
        DigitsConfig(size=size)
