"""The digits shown larger are the same scans."""

import pytest
import torch
import torch.nn.functional as F

from spikeformers.core.errors import ConfigError
from spikeformers.data.datasets.digits import DigitsConfig


@pytest.mark.parametrize("size", [16, 24])
def test_larger_digits_are_the_same_scans_smoothly_enlarged(size: int) -> None:
    small, large = DigitsConfig(), DigitsConfig(size=size)
    assert large.info.shape == (1, size, size)
    scans, shown = (config.build().test.inputs([0, 5, 9]) for config in (small, large))
    assert shown.shape == (3, 1, size, size)
    assert (shown.amax((1, 2, 3)) <= scans.amax((1, 2, 3))).all()
    assert shown.min() >= 0
    back = F.adaptive_avg_pool2d(shown, 8)
    assert torch.corrcoef(torch.stack([back.flatten(), scans.flatten()]))[0, 1] > 0.97
    torch.testing.assert_close(shown.mean((1, 2, 3)), scans.mean((1, 2, 3)), rtol=0, atol=0.02)
    squares = scans.repeat_interleave(size // 8, 2).repeat_interleave(size // 8, 3)
    assert not torch.equal(shown, squares)
    assert large.build().test.name(0) == small.build().test.name(0)


@pytest.mark.parametrize(("size", "valid"), [(4, "8, 16"), (20, "16, 24"), (0, "8, 16")])
def test_a_size_that_is_no_multiple_of_the_scans_is_refused(size: int, valid: str) -> None:
    with pytest.raises(ConfigError, match=f"size={size} is not a multiple of 8.*nearest valid: {valid}"):
        DigitsConfig(size=size)
