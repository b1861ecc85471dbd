import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from spikeformers.core.errors import DataError
from spikeformers.data.download import RemoteFile, fetch, unpack

CONTENT = bytes(range(256)) * 9000
MD5 = "md5:" + hashlib.md5(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves CONTENT at every path but /missing, with ranges; /cut announces more than it sends."""

    ranges: list[str | None]
    can_resume = True


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.ranges.append(wanted)
        if self.path == "/missing":
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.server.can_resume else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        stop = len(CONTENT) // 2 if self.path == "/cut" else len(CONTENT)
        self.wfile.write(CONTENT[start:stop])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as running:
        running.ranges = []
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def remote(server: Server, path: str = "/file", checksum: str = MD5) -> RemoteFile:
    return RemoteFile("file.bin", f"http://127.0.0.1:{server.server_port}{path}", checksum)


def test_a_file_arrives_whole_and_progress_is_told(server: Server, tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    path = fetch(remote(server), tmp_path / "new", lambda *args: told.append(args))
    assert path.read_bytes() == CONTENT
    assert told[-1] == ("file.bin", len(CONTENT), len(CONTENT))
    assert list((tmp_path / "new").iterdir()) == [path]


def test_a_file_that_is_there_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    fetch(remote(server), tmp_path)
    fetch(remote(server), tmp_path)
    assert len(server.ranges) == 1


@pytest.mark.parametrize("can_resume", [True, False])
def test_an_interrupted_transfer_goes_on(server: Server, tmp_path: Path, can_resume: bool) -> None:
    server.can_resume = can_resume
    with pytest.raises(DataError, match="call again to go on"):
        fetch(remote(server, "/cut"), tmp_path)
    part = tmp_path / "file.bin.part"
    assert part.stat().st_size == len(CONTENT) // 2
    assert fetch(remote(server), tmp_path).read_bytes() == CONTENT
    assert server.ranges[-1] == f"bytes={len(CONTENT) // 2}-"
    assert not part.exists()


def test_a_part_that_was_complete_is_taken(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    assert fetch(remote(server), tmp_path).read_bytes() == CONTENT


def test_a_wrong_checksum_is_refused_and_nothing_stays(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="publisher states 0123"):
        fetch(remote(server, checksum="md5:0123"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_says_so(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="HTTP status 404"):
        fetch(remote(server, "/missing"), tmp_path)


def test_archives_are_unpacked_and_hostile_ones_refused(tmp_path: Path) -> None:
    for name, inner in (("good.tar.gz", "sub/a.txt"), ("bad.tar.gz", "../outside.txt")):
        with tarfile.open(tmp_path / name, "w:gz") as out:
            info = tarfile.TarInfo(inner)
            info.size = 2
            out.addfile(info, io.BytesIO(b"hi"))
    with zipfile.ZipFile(tmp_path / "good.zip", "w") as zipped:
        zipped.writestr("zip/b.txt", "hi")
    unpack(tmp_path / "good.tar.gz", tmp_path / "into")
    unpack(tmp_path / "good.zip", tmp_path / "into")
    assert sorted(p.name for p in (tmp_path / "into").rglob("*.txt")) == ["a.txt", "b.txt"]
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(tmp_path / "bad.tar.gz", tmp_path / "into")
    assert not (tmp_path / "outside.txt").exists()
    (tmp_path / "torn.tar.gz").write_bytes((tmp_path / "good.tar.gz").read_bytes()[:40])
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(tmp_path / "torn.tar.gz", tmp_path / "into")
