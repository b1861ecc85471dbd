"""Any video as events: a file that FFmpeg reads, or an array of frames."""

from collections.abc import Iterator
from itertools import islice, tee
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data.events.array import Recording
from spikeformers.data.events.simulate import from_frames

ARRAYS = (".npy", ".npz")
GRAY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in luma (ITU-R BT.601)."""

Timed = Iterator[tuple[Tensor, float]]
"""Gray frames [H, W] in [0, 1], each with its time in microseconds."""


def events_from_video(
    path: Path, *, threshold: float = 0.25, rate: float | None = None, most: int | None = None, allow_cut: bool = False
) -> Recording:
    """Events of a camera that sees a video, by the model of `from_frames`.

    Args:
        path: a video file, or an array of frames [n, H, W] or [n, H, W, 3] (.npy, or the only one in a .npz).
        threshold: change of log intensity that makes an event.
        rate: frames a second of an array, which does not say; a video file brings its own times.
        most: use this many frames only, from the first.
        allow_cut: of a video file that is cut off, take what is whole.

    Raises:
        ConfigError: a rate is missing, not above 0, or given where the file brings its own.
        DataError: no readable video, cut off, less than two frames, or frames of different size.
    """
    stored = path.suffix in ARRAYS
    if stored != (rate is not None) or (rate is not None and not rate > 0):
        wanted = "needs a rate above 0 (frames a second)" if stored else "brings its own times; leave rate out"
        raise ConfigError(f"rate={rate}: {path} {wanted}")
    source = _timed(_stored(path), rate) if rate is not None else _decoded(path, allow_cut)
    seen, clock = tee(islice(source, most))
    count = 0

    def frames() -> Iterator[Tensor]:
        nonlocal count
        for frame, _ in seen:
            count += 1
            yield frame

    try:
        events = from_frames(frames(), (time for _, time in clock), threshold=threshold)
    except DataError as error:
        raise DataError(f"{path}: {error}" if str(path) not in str(error) else str(error)) from None
    if count < 2:
        raise DataError(f"{path}: {count} frames; change, and so an event, needs at least two")
    return Recording(events)


def _decoded(path: Path, allow_cut: bool) -> Timed:
    """Frames of a video file.

    Raises:
        DataError: PyAV is not installed, or the file is no readable video, or cut off.
    """
    try:
        import av
    except ImportError:
        raise DataError(
            "reading video files needs PyAV; install the extra: pip install 'spikeformers[video]'"
        ) from None
    count, announced = 0, 0
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise DataError(f"{path}: holds no video stream")
            stream = container.streams.video[0]
            announced = stream.frames
            for frame in container.decode(stream):
                if frame.time is None:
                    raise DataError(f"{path}: frame {count} has no time")
                count += 1
                yield torch.from_numpy(frame.to_ndarray(format="gray")) / 255.0, frame.time * 1e6
    except (av.FFmpegError, OSError) as error:
        if not (allow_cut and count):
            raise DataError(f"{path}: not a readable video after {count} frames: {error}") from None
    if count < announced and not allow_cut:
        raise DataError(f"{path}: cut off; it announces {announced} frames, but holds {count}")


def _timed(frames: Iterator[Tensor], rate: float) -> Timed:
    for number, frame in enumerate(frames):
        yield frame, number * 1e6 / rate


def _stored(path: Path) -> Iterator[Tensor]:
    """Frames of an array.

    Raises:
        DataError: it is not readable, or holds no frames.
    """
    try:
        loaded = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(loaded, np.ndarray):
            with loaded as archive:
                if len(archive.files) != 1:
                    raise DataError(f"{path}: holds arrays {sorted(archive.files)}; exactly one is needed, the frames")
                loaded = archive[archive.files[0]]
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: not a readable array of frames: {error}") from None
    if loaded.ndim not in (3, 4) or (loaded.ndim == 4 and loaded.shape[3] != len(GRAY)):
        raise DataError(f"{path}: frames must be [n, H, W] or [n, H, W, 3]; the array is {loaded.shape}")
    yield from (_gray(frame, path) for frame in loaded)


def _gray(frame: np.ndarray, path: Path) -> Tensor:
    """A frame as luma in [0, 1]; bytes are divided by 255, fractions are taken as they are.

    Raises:
        DataError: other numbers than bytes or fractions.
    """
    if frame.dtype != np.uint8 and frame.dtype.kind != "f":
        raise DataError(f"{path}: pixels of type {frame.dtype}; bytes (0 … 255) or fractions in [0, 1] are needed")
    values = frame.astype(np.float64) / (255 if frame.dtype == np.uint8 else 1)
    return torch.from_numpy(values @ np.array(GRAY) if values.ndim == 3 else values)
