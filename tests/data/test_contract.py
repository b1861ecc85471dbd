"""What every registered dataset must do, tried on made-up samples in its true layout."""

from pathlib import Path

import pytest
import torch

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data import DATASETS, DataConfig, Samples, Splits
from spikeformers.data.boxes import NO_BOX

NAMES = DATASETS.names()


@pytest.fixture(scope="module", params=NAMES)
def config(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> DataConfig:
    """Each dataset, pointed to a folder of made-up samples."""
    found = DATASETS.config(request.param)
    if found.info.generated:
        return found
    root = tmp_path_factory.mktemp(request.param)
    try:
        found.fake(max(60, 4 * len(found.info.classes)), root)
    except DataError as error:
        if "install the extra" not in str(error):
            raise
        pytest.skip(str(error))
    return found.but(root=str(root))


@pytest.fixture(scope="module")
def splits(config: DataConfig) -> Splits:
    return config.build()


def parts(splits: Splits) -> list[Samples]:
    return [splits.train, splits.val, splits.test]


def test_no_sample_is_in_two_parts(splits: Splits) -> None:
    names = [part.name(i) for part in parts(splits) for i in range(len(part))]
    assert len(names) == len(set(names))
    assert all(len(part) for part in parts(splits))


def test_inputs_have_the_shape_of_the_card_and_are_finite(config: DataConfig, splits: Splits) -> None:
    for part in parts(splits):
        x = part.inputs([0, len(part) - 1])
        assert x.shape == (2, *config.info.shape)
        assert torch.isfinite(x.float()).all()


def test_images_lie_between_0_and_1(config: DataConfig, splits: Splits) -> None:
    if not config.info.unit_range:
        pytest.skip(f"{config.info.title} is not given in [0, 1]")
    x = splits.train.inputs(range(min(8, len(splits.train))))
    assert x.dtype == torch.float32
    assert 0 <= x.min() < x.max() <= 1


def test_labels_lie_within_the_classes(config: DataConfig, splits: Splits) -> None:
    for part in parts(splits):
        y = part.targets(range(len(part)))
        if not config.info.classes:
            assert y.is_floating_point()
            assert torch.isfinite(y).all()
            continue
        if y.dim() == 3:  # boxes, class first
            assert ((y[..., 0] >= NO_BOX) & (y[..., 0] < len(config.info.classes))).all()
            continue
        assert y.dtype == torch.int64
        assert 0 <= y.min() <= y.max() < len(config.info.classes)


def test_reading_twice_gives_the_same(config: DataConfig, splits: Splits) -> None:
    again = config.build()
    for one, two in zip(parts(splits), parts(again), strict=True):
        assert [one.name(i) for i in range(len(one))] == [two.name(i) for i in range(len(two))]
        assert torch.equal(one.inputs([0]), two.inputs([0]))


def test_limit_keeps_that_many_training_samples(config: DataConfig, splits: Splits) -> None:
    cut = config.but(limit=7, eval_limit=2).build()
    assert (len(cut.train), len(cut.val), len(cut.test)) == (7, 2, 2)


def test_the_card_states_its_facts(config: DataConfig) -> None:
    info = config.info
    for fact in (info.title, info.license, info.source, info.split, info.layout):
        assert fact
        assert fact.splitlines()[0] in info.card
    assert len(set(info.classes)) == len(info.classes)
    assert len(info.mean) == len(info.std)
    assert all(s > 0 for s in info.std)


def test_a_missing_folder_is_one_error_that_says_what_to_do(config: DataConfig, tmp_path: Path) -> None:
    if config.info.generated:
        with pytest.raises(ConfigError, match="is computed and reads no files; leave root unset"):
            config.but(root=str(tmp_path))
        return
    with pytest.raises(DataError) as caught:
        config.but(root=str(tmp_path / "nothing")).build()
    for part in (str(tmp_path / "nothing"), config.info.layout.splitlines()[0], "root="):
        assert part in str(caught.value)


def test_the_config_survives_its_plain_form(config: DataConfig) -> None:
    assert DataConfig.from_dict(config.to_dict()) == config
