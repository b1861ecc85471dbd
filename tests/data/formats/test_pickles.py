import pickle
import subprocess
from pathlib import Path

import numpy as np
import pytest

from spikeformers.core.errors import DataError
from spikeformers.data.formats.pickles import read_pickle


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[list[str]]]:
        return subprocess.call, (["touch", "pwned"],)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_plain_data_come_out_as_they_went_in(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "batch"
    path.write_bytes(pickle.dumps({b"data": np.arange(6, dtype=np.uint8).reshape(2, 3), b"labels": [1, 2]}, protocol))
    found = read_pickle(path)
    assert found[b"labels"] == [1, 2]
    assert np.array_equal(found[b"data"], [[0, 1, 2], [3, 4, 5]])


def test_text_of_python_2_comes_out_as_bytes(tmp_path: Path) -> None:
    path = tmp_path / "batch"
    path.write_bytes(b"\x80\x02}q\x01U\x04dataq\x02K\x07s.")
    assert read_pickle(path) == {b"data": 7}


def test_the_old_module_name_of_numpy_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "batch"
    raw = pickle.dumps(np.arange(3, dtype=np.uint8), 2).replace(
        b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"
    )
    assert b"numpy.core" in raw
    path.write_bytes(raw)
    assert read_pickle(path).tolist() == [0, 1, 2]


def test_a_pickle_that_calls_something_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "batch").write_bytes(pickle.dumps({b"data": Hostile()}, 2))
    with pytest.raises(DataError, match=r"asks for \w+\.call"):
        read_pickle(tmp_path / "batch")
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("data", [b"", b"not a pickle", pickle.dumps({b"data": np.arange(100)}, 2)[:-30]])
def test_damaged_files_are_refused_with_the_place(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "batch").write_bytes(data)
    with pytest.raises(DataError, match=r"reading stopped at byte \d+ of"):
        read_pickle(tmp_path / "batch")
