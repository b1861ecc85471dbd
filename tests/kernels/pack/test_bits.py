"""Spikes kept as bits: exact, small, and only where they are spikes."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from spikeformers.kernels import pack


def spikes(*shape: int) -> Tensor:
    return (torch.rand(*shape) < 0.2).float()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_binary_tensors_take_one_bit_each(dtype: torch.dtype) -> None:
    x = spikes(3, 7, 11, 13).to(dtype)
    packed = pack.pack(x, smallest=1)
    assert isinstance(packed, pack.Packed)
    assert packed.data.numel() == -(-x.numel() // 8)
    assert torch.equal(pack.unpack(packed), x)


def test_small_whole_numbers_take_one_byte_each() -> None:
    x = torch.randint(0, 256, (40, 50)).float()
    packed = pack.pack(x, smallest=1)
    assert isinstance(packed, pack.Packed)
    assert packed.data.numel() == x.numel()
    assert torch.equal(pack.unpack(packed), x)


@pytest.mark.parametrize("step", [0.25, 0.125, 0.0625])
def test_averages_of_spikes_take_one_byte_each(step: float) -> None:
    x = torch.randint(0, 256, (40, 50)) * step
    packed = pack.pack(x, smallest=1)
    assert isinstance(packed, pack.Packed)
    assert packed.data.numel() == x.numel()
    assert torch.equal(pack.unpack(packed), x)


@pytest.mark.parametrize("value", [0.3, -1.0, 256.0, float("nan"), float("inf")])
@pytest.mark.parametrize("place", [0, 1999])
def test_anything_else_is_kept_as_it_is(value: float, place: int) -> None:
    x = spikes(2000)
    x[place] = value
    assert pack.pack(x, smallest=1) is x


def test_layout_comes_back() -> None:
    x = spikes(2, 3, 8, 5).to(memory_format=torch.channels_last)[1:]
    back = pack.unpack(pack.pack(x, smallest=1))
    assert back.stride() == x.stride()
    assert torch.equal(back, x)


@given(st.lists(st.integers(0, 1), min_size=1, max_size=70))
def test_bits_round_trip(values: list[int]) -> None:
    x = torch.tensor(values, dtype=torch.float32)
    assert torch.equal(pack.unpack(pack.pack(x, smallest=1)), x)
