import math

import pytest
import torch

from spikeformers.core.errors import ConfigError
from spikeformers.data.transforms.base import AUGMENTS
from spikeformers.data.transforms.image import Affine, CropFlip, crop, draw_erasing, erase, warp
from spikeformers.data.transforms.rand_augment import RandAugment, equalize


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", AUGMENTS.names())
def test_rows_of_numbers_belong_to_their_sample_alone(name: str) -> None:
    config = AUGMENTS.config(name)
    image = 3 in config.axes
    x = torch.rand(6, 2, 9, 11) if image else torch.randint(0, 3, (6, 4, 2, 9, 11)).float()
    if 2 in config.axes:
        x = torch.rand(6, 9, 11)
    drawn = config.draw(6, x.shape[1:], generator())
    whole = config.apply(x, drawn)
    parts = [config.apply(x[s], {k: v[s] for k, v in drawn.items()}) for s in (slice(0, 2), slice(2, 6))]
    assert torch.equal(torch.cat(parts), whole)
    assert whole.shape == x.shape
    assert whole.min() >= 0 or 2 in config.axes
    assert whole.max() <= 1 or not image


@pytest.mark.parametrize("name", AUGMENTS.names())
def test_the_same_generator_gives_the_same_numbers(name: str) -> None:
    config = AUGMENTS.config(name)
    shape = torch.Size((12, 12) if 2 in config.axes else (1, 12, 12))
    one, two = config.draw(5, shape, generator(1)), config.draw(5, shape, generator(1))
    assert all(torch.equal(one[k], two[k]) for k in one)


def test_no_shift_no_turn_no_scale_changes_nothing() -> None:
    x = torch.rand(3, 2, 5, 8)
    assert torch.allclose(warp(x, torch.zeros(3, 2), torch.zeros(3), torch.ones(3)), x, atol=1e-5)


def test_whole_pixel_shifts_move_pixels() -> None:
    x = torch.rand(1, 1, 6, 7)
    moved = warp(x, torch.tensor([[2.0, 1.0]]), torch.zeros(1), torch.ones(1))
    assert torch.allclose(moved[..., 1:, 2:], x[..., :-1, :-2], atol=1e-5)
    assert moved[..., 0, :].abs().max() < 1e-5


def test_a_quarter_turn_is_a_rotation_of_the_array() -> None:
    x = torch.rand(2, 3, 6, 6)
    turned = warp(x, torch.zeros(2, 2), torch.full((2,), math.pi / 2), torch.ones(2))
    assert torch.allclose(turned, torch.rot90(x, 1, (-2, -1)), atol=1e-4)


def test_rotation_keeps_distances_on_images_that_are_not_square() -> None:
    x = torch.zeros(1, 1, 9, 21)
    x[0, 0, 4, 13] = 1.0  # three pixels right of the centre
    turned = warp(x, torch.zeros(1, 2), torch.tensor([math.pi / 2]), torch.ones(1))
    assert turned[0, 0, 1, 10] > 0.99


def test_shear_moves_rows_in_proportion_to_their_distance_from_the_center() -> None:
    x = torch.zeros(1, 1, 9, 15)
    x[0, 0, :, 7] = 1.0
    slanted = warp(x, torch.zeros(1, 2), torch.zeros(1), torch.ones(1), torch.tensor([1.0]))
    assert slanted[0, 0].argmax(1).tolist() == [3, 4, 5, 6, 7, 8, 9, 10, 11]


def test_equalizing_makes_a_histogram_even_and_leaves_a_flat_image() -> None:
    x = torch.linspace(0.4, 0.5, 64).view(1, 1, 8, 8)
    even = equalize(x)
    assert even.min() == 0
    assert even.max() == 1
    assert (even.flatten().diff() >= 0).all()
    flat = torch.full((1, 2, 4, 4), 0.25)
    assert torch.allclose(equalize(flat), flat, atol=1 / 255)


def test_every_operation_of_rand_augment_occurs_and_its_strength_is_the_magnitude() -> None:
    config = RandAugment(flip=0.0, erase=0.0, magnitude=10.0)
    x = torch.rand(60, 3, 10, 10)
    drawn = config.draw(60, x.shape[1:], generator())
    out = config.apply(x, drawn)
    for kind in range(5):
        of = drawn["operation"][:, 0] == kind
        assert of.any()
        assert not torch.allclose(out[of], x[of], atol=1e-3)
    rotated = drawn["operation"][:, 0] == 1
    still = config.but(magnitude=0.0).apply(x, drawn)
    assert torch.allclose(still[rotated], x[rotated], atol=1e-5)
    twice = config.but(operations=2)
    assert not torch.equal(twice.apply(x, twice.draw(60, x.shape[1:], generator())), out)


def test_scale_above_one_enlarges() -> None:
    x = torch.zeros(1, 1, 9, 9)
    x[..., 3:6, 3:6] = 1.0
    assert warp(x, torch.zeros(1, 2), torch.zeros(1), torch.tensor([1.5])).sum() > 1.8 * x.sum()


def test_crops_are_windows_of_the_padded_image() -> None:
    x = torch.rand(2, 3, 5, 6)
    padded = torch.nn.functional.pad(x, [2] * 4)
    out = crop(x, torch.tensor([[0, 4], [3, 1]]), 2)
    assert torch.equal(out[0], padded[0, :, 0:5, 4:10])
    assert torch.equal(out[1], padded[1, :, 3:8, 1:7])


def test_flip_probability_one_mirrors_everything() -> None:
    config = CropFlip(padding=0, flip=1.0)
    x = torch.rand(4, 3, 6, 6)
    assert torch.equal(config.apply(x, config.draw(4, x.shape[1:], generator())), x.flip(-1))
    assert config.mirrors
    assert not CropFlip(flip=0.0).mirrors


def test_erasing_blanks_one_box_of_the_stated_size() -> None:
    drawn = draw_erasing(1.0, 400, generator())
    kept = erase(torch.ones(400, 1, 40, 40), drawn["erased"], drawn["box"]).mean((1, 2, 3))
    assert ((1 - kept) <= 0.4).all()
    assert 0.05 < float(1 - kept.mean()) < 0.3
    untouched = draw_erasing(0.0, 4, generator())
    x = torch.ones(4, 1, 8, 8)
    assert erase(x, untouched["erased"], untouched["box"]) is x


def test_frames_of_one_sample_are_changed_alike() -> None:
    config = Affine(shift=2, rotate=20, erase=1.0)
    frame = torch.rand(3, 1, 2, 8, 8)
    x = frame.expand(3, 5, 2, 8, 8)
    out = config.apply(x, config.draw(3, x.shape[1:], generator()))
    assert torch.equal(out, out[:, :1].expand_as(out))


@pytest.mark.parametrize(
    ("config", "fields"),
    [
        (RandAugment, {"magnitude": 11.0}),
        (RandAugment, {"operations": 0}),
        (Affine, {"shift": -1.0}),
        (Affine, {"erase": 1.5}),
        (CropFlip, {"flip": -0.1}),
        (CropFlip, {"padding": -1}),
    ],
)
def test_impossible_values_are_refused(config: type, fields: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(fields))):
        config(**fields)
