import pytest
import torch

from spikeformers.core.errors import ConfigError
from spikeformers.data.transforms.base import AugmentConfig
from spikeformers.data.transforms.event import EventDrop, EventFlip, EventJitter, Neuromorphic
from spikeformers.data.transforms.several import Several


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_one_geometric_change_a_sample_for_event_frames() -> None:
    config = Neuromorphic(flip=0.0)
    drawn = config.draw(200, torch.Size((4, 2, 8, 8)), generator())
    acts = torch.stack([drawn["shift"].abs().sum(1) > 0, drawn["angle"] != 0, drawn["shear"] != 0, drawn["erased"]])
    assert (acts.sum(0) == 1).all()
    assert (acts.sum(1) > 20).all()


def test_a_dropped_span_blanks_whole_consecutive_steps_and_nothing_else() -> None:
    config = EventDrop(time=1.0, area=0.0, longest=0.5)
    x = torch.ones(100, 10, 2, 6, 6)
    out = config.apply(x, config.draw(100, x.shape[1:], generator()))
    steps = out.mean((2, 3, 4))
    assert set(steps.unique().tolist()) == {0.0, 1.0}
    assert ((steps.diff(dim=1) == -1).sum(1) <= 1).all()
    lost = (1 - steps).sum(1)
    assert lost.max() <= 6
    assert lost.mean() > 1


def test_probabilities_of_drops_are_those_of_the_fields() -> None:
    x = torch.ones(600, 8, 2, 8, 8)
    for config, share in ((EventDrop(time=0.0, area=0.0), 0.0), (EventDrop(time=0.0, area=0.5), 0.5)):
        out = config.apply(x, config.draw(600, x.shape[1:], generator()))
        assert (out != x).flatten(1).any(1).float().mean().item() == pytest.approx(share, abs=0.08)
    with pytest.raises(ConfigError, match="their sum is above 1"):
        EventDrop(time=0.6, area=0.6)
    with pytest.raises(ConfigError, match="rotate=-1"):
        Neuromorphic(rotate=-1.0)


def test_flips_keep_polarity_right() -> None:
    x = torch.rand(6, 4, 2, 5, 5)
    for field, expected in (
        ("flip", x.flip(-1)),
        ("upside_down", x.flip(-2)),
        ("backwards", x.flip(1).flip(2)),
        ("negative", x.flip(2)),
    ):
        config = EventFlip(**{"flip": 0.0, field: 1.0})
        assert torch.equal(config.apply(x, config.draw(6, x.shape[1:], generator())), expected)
    both = EventFlip(flip=0.0, backwards=1.0, negative=1.0)
    assert torch.equal(both.apply(x, both.draw(6, x.shape[1:], generator())), x.flip(1))
    assert EventFlip().mirrors
    assert not EventFlip(flip=0.0, backwards=1.0).mirrors
    with pytest.raises(ConfigError, match="P=1"):
        both.apply(x[:, :, :1], both.draw(6, x.shape[1:], generator()))


def test_jitter_moves_single_events_a_little_and_loses_none() -> None:
    config = EventJitter(sigma=1.5)
    x = torch.zeros(2, 3, 2, 41, 41)
    x[0, 1, 1, 20, 20], x[1, 2, 0, 0, 0] = 4000, 7
    out = config.apply(x, config.draw(2, x.shape[1:], generator()))
    assert torch.equal(out.sum((3, 4)), x.sum((3, 4)))
    place = torch.arange(41.0) - 20
    for axis in (0, 1):
        along = out[0, 1, 1].sum(axis) / 4000
        assert (along * place).sum().abs() < 0.1
        assert (along * place.square()).sum().sqrt().item() == pytest.approx(1.53, abs=0.1)  # rounding adds 1/12
    assert torch.equal(EventJitter(sigma=0.0).apply(x, config.draw(2, x.shape[1:], generator())), x)
    with pytest.raises(ConfigError, match="needs counts"):
        config.apply(x - 0.5, config.draw(2, x.shape[1:], generator()))


def test_several_augmentations_follow_one_another() -> None:
    one, two = EventFlip(flip=1.0), EventDrop(time=1.0, area=0.0)
    both = Several(parts=(one, two))
    x = torch.rand(20, 6, 2, 5, 5)
    drawn = both.draw(20, x.shape[1:], generator())
    rng = generator()
    single = [part.draw(20, x.shape[1:], rng) for part in (one, two)]
    assert torch.equal(both.apply(x, drawn), two.apply(one.apply(x, single[0]), single[1]))
    assert both.mirrors
    assert both.axes == (4,)
    assert AugmentConfig.from_dict(both.to_dict()) == both
    with pytest.raises(ConfigError, match="cannot be 'several'"):
        Several(parts=(both,))
