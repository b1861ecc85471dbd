"""Running entry points on threads."""

import ctypes
import threading
import time

import pytest
import torch

from spikeformers.kernels import threads
from spikeformers.kernels.memory import keep_memory


def entry(seen: list[tuple[int, int]]) -> ctypes._CFuncPtr:
    def body(argument: int) -> None:
        seen.append((threading.get_native_id(), argument))
        time.sleep(0.02)

    return threads._Entry(body)


@pytest.mark.parametrize("pool", ["torch's", "ours"])
def test_every_thread_gets_the_argument_once(monkeypatch: pytest.MonkeyPatch, pool: str) -> None:
    if pool == "ours":
        monkeypatch.setattr(threads, "_openmp_team", lambda: None)
    elif threads._openmp_team() is None:
        pytest.skip("this build of torch has no OpenMP team to share")
    seen: list[tuple[int, int]] = []
    function = entry(seen)
    threads.run_entry(ctypes.cast(function, ctypes.c_void_p).value or 0, 1234, 2)
    assert [argument for _, argument in seen] == [1234, 1234]
    assert len({thread for thread, _ in seen}) == 2


def test_small_work_and_few_threads_stay_small() -> None:
    torch.set_num_threads(2)
    assert threads.thread_count(10, 100) == 1
    assert threads.thread_count(10**9, 100) == 2
    torch.set_num_threads(1)
    assert threads.thread_count(10**9, 100) == 1


def test_keeping_memory_answers_whether_it_could() -> None:
    assert isinstance(keep_memory(), bool)
