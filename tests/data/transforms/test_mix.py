import pytest
import torch

from spikeformers.core.errors import ConfigError
from spikeformers.core.types import Batch
from spikeformers.data import DATASETS
from spikeformers.data.loader import Loader
from spikeformers.data.samples import ArraySamples
from spikeformers.data.transforms.image import Affine
from spikeformers.data.transforms.mix import MIXES, CutMix, EventMix, MixConfig, Mixup, MixupOrCutMix, beta
from spikeformers.tasks.losses import LOSSES

NAMES = MIXES.names()


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def samples(n: int = 40) -> ArraySamples:
    torch.manual_seed(0)
    x = torch.randint(0, 4, (n, 4, 2, 6, 6)).float()
    return ArraySamples(x, torch.arange(n) % 5, "made up")


def loader(mix: MixConfig | None, *, rank: int = 0, world: int = 1, workers: int = 0) -> Loader:
    return Loader(
        samples(),
        12,
        seed=3,
        shuffle=True,
        augment=Affine(erase=0.5),
        mix=mix,
        classes=5,
        rank=rank,
        world=world,
        workers=workers,
    )


@pytest.mark.parametrize("name", NAMES)
def test_targets_are_probabilities_of_the_two_samples(name: str) -> None:
    plain, mixed = list(loader(None)), list(loader(MIXES.config(name)))
    partial = 0
    for before, after in zip(plain, mixed, strict=True):
        assert after.targets.shape == (len(before), 5)
        assert torch.allclose(after.targets.sum(1), torch.ones(len(before)))
        assert ((after.targets > 0).sum(1) <= 2).all()
        partial += int((after.targets.max(1).values < 1).sum())
        assert after.inputs.shape == before.inputs.shape
    assert partial > 10


@pytest.mark.parametrize("name", NAMES)
def test_mixing_is_the_same_whatever_the_workers_and_processes(name: str) -> None:
    def joined(batches: list[Batch]) -> torch.Tensor:
        return torch.cat([torch.cat([b.inputs.flatten(1), b.targets], 1) for b in batches])

    mix = MIXES.config(name)
    whole = list(loader(mix))
    if name == "mixup":
        assert torch.equal(joined(list(loader(mix, workers=2))), joined(whole))
    shares = [list(loader(mix, rank=r, world=3)) for r in range(3)]
    for step, batch in enumerate(whole[:-1]):
        assert torch.equal(joined([share[step] for share in shares]), joined([batch]))


@pytest.mark.parametrize("name", NAMES)
def test_probability_0_changes_nothing(name: str) -> None:
    for before, after in zip(loader(None), loader(MIXES.config(name).but(probability=0.0)), strict=True):
        assert torch.equal(before.inputs, after.inputs)
        assert torch.equal(after.targets.argmax(1), before.targets)
        assert (after.targets.max(1).values == 1).all()


def test_cutmix_weights_labels_by_pixels_and_pastes_one_rectangle() -> None:
    one, two = torch.zeros(200, 3, 20, 20), torch.ones(200, 3, 20, 20)
    config = CutMix()
    mixed, share = config.apply(one, two, config.draw(200, generator()))
    assert torch.allclose(share, 1 - mixed.mean((1, 2, 3)))
    rows, columns = mixed[:, 0].amax(2), mixed[:, 0].amax(1)
    assert torch.equal(mixed[:, 0], rows[:, :, None] * columns[:, None, :])
    assert share.std() > 0.15


def test_mixup_is_a_weighted_mean() -> None:
    one, two = torch.zeros(300, 1, 2, 2), torch.ones(300, 1, 2, 2)
    config = Mixup(alpha=0.4)
    mixed, share = config.apply(one, two, config.draw(300, generator()))
    assert torch.allclose(1 - mixed[:, 0, 0, 0], share, atol=1e-6)
    assert share.mean().item() == pytest.approx(0.5, abs=0.06)


def test_event_mix_keeps_counts_whole_and_weights_labels_by_events() -> None:
    torch.manual_seed(0)
    one, two = (torch.randint(0, 3, (60, 5, 2, 8, 8)).float() for _ in range(2))
    two[:, :, :, :4] = 0
    config = EventMix()
    mixed, share = config.apply(one, two, config.draw(60, generator()))
    assert ((mixed == one) | (mixed == two)).all()
    foreign = (mixed != one).flatten(1).any(1)
    assert foreign.float().mean() > 0.9
    from_one = torch.where(mixed == one, one, 0).flatten(1).sum(1)  # counts at least what was kept
    assert (share * mixed.flatten(1).sum(1) <= from_one + 1e-3).all()
    empty = torch.zeros(4, 5, 2, 8, 8)
    assert torch.equal(config.apply(empty, empty, config.draw(4, generator()))[1], torch.ones(4))
    assert torch.equal(
        config.apply(one[:9], empty[:1].expand(9, -1, -1, -1, -1), config.draw(9, generator()))[1], torch.ones(9)
    )


def test_either_mixup_or_cutmix_for_a_whole_batch() -> None:
    config = MixupOrCutMix(mixup_alpha=5.0)
    kinds = []
    for seed in range(40):
        drawn = config.draw(8, generator(seed))
        mixed, _ = config.apply(torch.zeros(8, 1, 9, 9), torch.ones(8, 1, 9, 9), drawn)
        fractional = ((mixed > 0) & (mixed < 1)).flatten(1).any(1)
        assert fractional.all() or not fractional.any()
        kinds.append(bool(fractional.any()))
    assert 8 < sum(kinds) < 32


def test_beta_has_the_mean_and_variance_of_its_distribution() -> None:
    for alpha in (0.2, 1.0, 4.0):
        x = beta(alpha, 20_000, generator())
        assert x.mean().item() == pytest.approx(0.5, abs=0.01)
        assert x.var().item() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.05)


@pytest.mark.parametrize("name", LOSSES.names())
def test_losses_of_soft_targets_are_the_mean_over_their_labels(name: str) -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(3, 4, 5), torch.tensor([0, 3, 2, 2])
    for smoothing in (0.0, 0.1):
        loss = LOSSES.config(name).but(label_smoothing=smoothing)
        hard = loss.loss(logits, logits.mean(0), labels)
        soft = loss.loss(logits, logits.mean(0), torch.nn.functional.one_hot(labels, 5).float())
        assert torch.allclose(hard, soft)


def test_what_cannot_be_mixed_is_refused() -> None:
    for make, message in (
        (lambda: Mixup(alpha=0.0), "alpha=0.0 of a Beta"),
        (lambda: EventMix(blobs=0), "blobs=0"),
        (lambda: CutMix(probability=1.5), "probability=1.5"),
        (lambda: Loader(samples(), 8, seed=0, shuffle=False, mix=Mixup(), classes=5), "needs shuffled"),
        (lambda: Loader(samples(), 8, seed=0, shuffle=True, mix=Mixup()), "classes=0"),
        (lambda: DATASETS.config("digits").but(mix="event_mix"), "mix 'event_mix' changes samples of 4 axes"),
    ):
        with pytest.raises(ConfigError, match=message):
            make()  # type: ignore[no-untyped-call]
    boxes = ArraySamples(torch.zeros(8, 1, 4, 4), torch.zeros(8, 3), "made up")
    with pytest.raises(ConfigError, match="needs class labels"):
        list(Loader(boxes, 4, seed=0, shuffle=True, mix=Mixup(), classes=5))
