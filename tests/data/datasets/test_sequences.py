from pathlib import Path

import pytest
import torch

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data import DATASETS
from spikeformers.data.formats.arff import read_arff, write_arff

ORDER = [60, 361, 167, 578, 107, 772, 313, 626]
"""First places of the order that seed 0 draws for 784 pixels: results of different machines belong together."""
NAMES = [name for name in DATASETS.names() if DATASETS.config(name).family == "sequential"]


@pytest.mark.parametrize("name", NAMES)
def test_a_sequence_holds_its_image_step_by_step(name: str, tmp_path: Path) -> None:
    config = DATASETS.config(name)
    config.fake(20, tmp_path)
    config = config.but(root=str(tmp_path))
    image = config.images.but(root=str(tmp_path)).build().train.inputs([3])[0]
    sequence = config.build().train.inputs([3])[0]
    natural = torch.empty_like(sequence)
    natural[config.order()] = sequence
    channels, height, width = image.shape
    if config.step == "pixel":
        assert torch.equal(natural.T.reshape(image.shape), image)
    else:
        assert torch.equal(natural.view(height, channels, width).transpose(0, 1), image)
    assert (config.order() == torch.arange(len(sequence))).all() == (config.permutation_seed is None)


def test_rows_of_color_images_keep_their_channels_apart(tmp_path: Path) -> None:
    config = DATASETS.config("rows").but(images="cifar10", root=str(tmp_path))
    config.fake(50, tmp_path)
    image = config.images.but(root=str(tmp_path)).build().train.inputs([0])[0]
    rows = config.build().train.inputs([0])[0]
    assert rows.shape == (32, 96)
    assert torch.equal(rows[5].view(3, 32), image[:, 5])
    assert len(config.info.mean) == 96
    pixels = config.but(step="pixel").build().train.inputs([0])[0]
    assert torch.equal(pixels[5 * 32 + 7], image[:, 5, 7])


def test_the_seed_of_the_permutation_decides_it() -> None:
    base = DATASETS.config("permuted_rows")
    assert torch.equal(base.order(), base.but(permutation_seed=0).order())
    assert not torch.equal(base.order(), base.but(permutation_seed=1).order())


def test_the_fixed_order_of_the_pixels_is_the_same_on_every_machine() -> None:
    assert DATASETS.config("permuted_mnist").order()[:8].tolist() == ORDER
    assert len(DATASETS.config("permuted_mnist").order().unique()) == 784


@pytest.mark.parametrize("name", ["sequential", "spoken_digits", "eeg_eye_state", "tiny_shakespeare"])
def test_image_augmentation_of_what_is_no_image_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="leave augment unset"):
        DATASETS.config(name).but(augment="affine")


def test_eeg_windows_share_no_step_with_another_part(shared: Path) -> None:
    config = DATASETS.config("eeg_eye_state").but(root=str(shared / "data" / "eeg-eye-state"))
    splits = config.build()
    steps = []
    for part in (splits.train, splits.val, splits.test):
        starts = [int(part.name(i).rsplit(" ", 1)[1]) for i in range(len(part))]
        steps.append({t for start in starts for t in range(start, start + config.window)})
        assert part.targets(range(len(part))).bincount(minlength=2).min() > 10
    assert sum(map(len, steps)) == len(set.union(*steps))
    x = splits.train.inputs(range(len(splits.train)))
    assert x.abs().max() <= 10
    assert x.median().abs() < 0.1


def test_filters_of_eeg_do_not_reach_into_another_block(tmp_path: Path) -> None:
    config = DATASETS.config("eeg_eye_state").but(root=str(tmp_path), low_hz=1.0, high_hz=30.0)
    config.fake(60, tmp_path)
    before = config.build()
    path = tmp_path / "eeg-eye-state.arff"
    names, table = read_arff(path)
    block = len(table) // 10
    table[4 * block : 5 * block, :-1] += 300  # the fifth of ten blocks is of the test part
    write_arff(path, "EEG_DATA", names, table, {"eyeDetection": "{0,1}"})
    after = config.build()
    assert not torch.equal(after.test.inputs([0]), before.test.inputs([0]))
    for one, other in ((after.train, before.train), (after.val, before.val)):
        assert torch.equal(one.inputs(range(len(one))), other.inputs(range(len(other))))


def test_filtered_eeg_holds_the_band_only(shared: Path) -> None:
    config = DATASETS.config("eeg_eye_state").but(root=str(shared / "data" / "eeg-eye-state"), low_hz=4.0, high_hz=30.0)
    x = config.build().val.inputs(range(20))
    power = torch.fft.rfft(x * torch.hann_window(64)[:, None], dim=1).abs().square().sum((0, 2))
    assert power[[0, *range(20, 33)]].sum() < 0.1 * power.sum()  # half a second: bin 20 is 40 Hz


def test_every_field_of_eeg_changes_what_comes_out(tmp_path: Path) -> None:
    config = DATASETS.config("eeg_eye_state")
    config.fake(60, tmp_path)
    config = config.but(root=str(tmp_path))
    base = config.build().train
    assert config.but(window=32).build().train.inputs([0]).shape == (1, 32, 14)
    assert len(config.but(stride=8).build().train) > len(base)
    assert config.but(blocks=5).build().val.name(0) != config.build().val.name(0)
    for change in ({"low_hz": 4.0}, {"high_hz": 30.0}):
        assert not torch.allclose(config.but(**change).build().train.inputs([0]), base.inputs([0]), atol=0.05)
    with pytest.raises(ConfigError, match="high_hz=64"):
        config.but(high_hz=64.0).build()
    with pytest.raises(ConfigError, match="blocks=4"):
        config.but(blocks=4)
    with pytest.raises(ConfigError, match="window=9999 is longer than a block"):
        config.but(window=9999).build()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("@RELATION r\n@ATTRIBUTE a NUMERIC\n@DATA\n1,2\n", "line 4: 2 values for 1 attributes"),
        ("@RELATION r\n@ATTRIBUTE a NUMERIC\n@DATA\nx\n", "line 4: could not convert"),
        ("@RELATION r\n@ATTRIBUTE a NUMERIC\n@DATA\nnan\n", "line 4: a value is not finite"),
        ("@RELATION r\nhello\n", "line 2: 'hello' is neither"),
        ("@RELATION r\n@DATA\n", "no rows"),
    ],
)
def test_damaged_arff_tables_are_refused_with_the_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.arff").write_text(text)
    with pytest.raises(DataError, match=message):
        read_arff(tmp_path / "a.arff")


def test_the_whole_of_shakespeare_is_read_and_targets_are_the_next_characters(shared: Path) -> None:
    config = DATASETS.config("tiny_shakespeare").but(root=str(shared / "data" / "tiny-shakespeare"))
    splits = config.build()
    x, y = splits.train.inputs([0, 1]), splits.train.targets([0, 1])
    assert torch.equal(x[:, 1:], y[:, :-1])
    assert "".join(config.info.classes[i] for i in x[0].tolist()).startswith("First Citizen:\nBefore we proceed")
    spans = [
        {int(p.name(i).rsplit("#", 1)[1]) + k for i in range(len(p)) for k in (0, 256)}
        for p in (splits.train, splits.val, splits.test)
    ]
    assert max(spans[0]) < min(spans[1]) <= max(spans[1]) < min(spans[2])
    assert max(spans[2]) < 1115394
    assert len(config.but(stride=128).build().train) > 1.9 * len(splits.train)


def test_foreign_characters_are_refused_with_their_place(tmp_path: Path) -> None:
    config = DATASETS.config("tiny_shakespeare").but(root=str(tmp_path))
    (tmp_path / "input.txt").write_bytes(b"To be\xff")
    with pytest.raises(DataError, match="byte 0xff at byte 5"):
        config.build()
    (tmp_path / "input.txt").write_bytes(b"")
    with pytest.raises(DataError, match="empty text"):
        config.build()
    (tmp_path / "input.txt").write_bytes(b"To be" * 50)
    with pytest.raises(ConfigError, match="length=256 is longer"):
        config.build()
