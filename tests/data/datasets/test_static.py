import gzip
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data import DATASETS
from spikeformers.data.datasets.mnist import DEBIAN_FASHION
from spikeformers.data.formats.idx import write_idx


def test_digits_are_the_real_scans() -> None:
    splits = DATASETS.config("digits").build()
    sizes = [len(part) for part in (splits.train, splits.val, splits.test)]
    assert sum(sizes) == 1797
    assert sizes[2] == pytest.approx(0.2 * 1797, abs=5)
    x = torch.cat([part.inputs(range(len(part))) for part in (splits.train, splits.val, splits.test)])
    info = DATASETS.config("digits").info
    assert x.mean() == pytest.approx(info.mean[0], abs=1e-3)
    assert x.std() == pytest.approx(info.std[0], abs=1e-3)


def test_the_split_of_digits_follows_its_fields() -> None:
    base = DATASETS.config("digits")
    names = [base.but(split_seed=s).build().test.name(0) for s in (0, 0, 5)]
    assert names[0] == names[1]
    assert [base.but(split_seed=0).build().test.name(i) for i in range(9)] != [
        base.but(split_seed=5).build().test.name(i) for i in range(9)
    ]
    with pytest.raises(ConfigError, match=r"test_fraction=0\.95"):
        base.but(test_fraction=0.95)


def test_a_damaged_digits_file_is_refused(tmp_path: Path) -> None:
    config = DATASETS.config("digits").but(root=str(tmp_path))
    (tmp_path / "digits.csv.gz").write_bytes(b"no gzip")
    with pytest.raises(DataError, match="not a gzip"):
        config.build()
    (tmp_path / "digits.csv.gz").write_bytes(gzip.compress(b"1,2,3\n"))
    with pytest.raises(DataError, match="64 pixels"):
        config.build()


def test_fashion_mnist_of_the_system_package_is_found_unasked() -> None:
    if not Path(DEBIAN_FASHION).is_dir():
        pytest.skip("needs Debian's package dataset-fashion-mnist")
    config = DATASETS.config("fashion_mnist")
    splits = config.build()
    assert (len(splits.train), len(splits.val), len(splits.test)) == (54000, 6000, 10000)
    x = splits.train.inputs(range(0, 54000, 9))
    assert x.mean() == pytest.approx(config.info.mean[0], abs=5e-3)
    assert splits.test.targets(range(10000)).bincount().tolist() == [1000] * 10


def test_mnist_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    config = DATASETS.config("mnist").but(root=str(tmp_path))
    config.fake(20, tmp_path)
    write_idx(tmp_path / "train-labels-idx1-ubyte.gz", np.zeros(19))
    with pytest.raises(DataError, match="20 samples but 19 labels"):
        config.build()
    write_idx(tmp_path / "train-labels-idx1-ubyte.gz", np.full(20, 10))
    with pytest.raises(DataError, match="label 10 of sample 0 is outside 0 … 9"):
        config.build()
    write_idx(tmp_path / "train-images-idx3-ubyte.gz", np.zeros((20, 27, 28)))
    with pytest.raises(DataError, match="27×28"):
        config.build()


def test_mnist_is_not_mistaken_for_fashion_mnist_in_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPIKEFORMERS_DATA", str(tmp_path))
    DATASETS.config("mnist").fake(20, tmp_path)
    with pytest.raises(DataError, match="was not found"):
        DATASETS.config("mnist").build()
    DATASETS.config("mnist").fake(20, tmp_path / "mnist")
    assert len(DATASETS.config("mnist").build().test) == 20


@pytest.mark.parametrize(("name", "label"), [("cifar10", b"labels"), ("cifar100", b"fine_labels")])
def test_the_python_layout_of_cifar_gives_what_the_binary_gives(name: str, label: bytes, tmp_path: Path) -> None:
    config = DATASETS.config(name)
    config.fake(200, tmp_path / "one")
    binary = config.but(root=str(tmp_path / "one")).build()
    folder = next((tmp_path / "one").iterdir())
    python = tmp_path / "two" / folder.name.replace("bin", "py").replace("pyary", "python")
    python.mkdir(parents=True)
    extra = 1 if name == "cifar10" else 2
    for path in folder.glob("*.bin"):
        table = np.fromfile(path, np.uint8).reshape(-1, 3072 + extra)
        content = {b"data": table[:, extra:].copy(), label: table[:, extra - 1].tolist(), b"filenames": [b"x.png"]}
        (python / path.stem).write_bytes(pickle.dumps(content, 2))
    other = config.but(root=str(tmp_path / "two")).build()
    for one, two in ((binary.train, other.train), (binary.val, other.val), (binary.test, other.test)):
        assert torch.equal(one.inputs(range(len(one))), two.inputs(range(len(two))))
        assert torch.equal(one.targets(range(len(one))), two.targets(range(len(two))))


def test_cifar_100_takes_the_fine_label_and_its_own_statistics(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-100-binary"
    folder.mkdir()
    record = np.concatenate([[7, 93], np.zeros(3072)]).astype(np.uint8)
    np.tile(record, 20).tofile(folder / "train.bin")
    np.tile(record, 2).tofile(folder / "test.bin")
    config = DATASETS.config("cifar100").but(root=str(tmp_path))
    assert config.build().test.targets([0, 1]).tolist() == [93, 93]
    assert config.info.mean != DATASETS.config("cifar10").info.mean
    assert len(config.info.classes) == 100


def test_pixels_of_cifar_are_planes_of_red_green_and_blue_by_rows(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-bin"
    config = DATASETS.config("cifar10").but(root=str(tmp_path))
    config.fake(50, tmp_path)
    pixels = np.zeros((3, 32, 32), np.uint8)
    pixels[1, 2, 5] = 255
    np.concatenate([[4], pixels.ravel()]).astype(np.uint8).tofile(folder / "test_batch.bin")
    assert config.build().test.inputs([0])[0].nonzero().tolist() == [[1, 2, 5]]


def test_damaged_cifar_files_are_refused_with_the_place(tmp_path: Path) -> None:
    config = DATASETS.config("cifar10").but(root=str(tmp_path))
    config.fake(50, tmp_path)
    path = tmp_path / "cifar-10-batches-bin" / "data_batch_3.bin"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DataError, match=r"data_batch_3\.bin.*record 9 at byte 27657 is cut off"):
        config.build()
    path.unlink()
    with pytest.raises(DataError, match=r"lacks data_batch_3\.bin"):
        config.build()
