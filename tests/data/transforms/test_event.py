import pytest
import torch

from spikeformers.core.errors import ConfigError
from spikeformers.data.transforms.event import EventDrop, Neuromorphic


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
