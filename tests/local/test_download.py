"""The real weights come down whole or not at all, whatever the network does."""

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from aistratus_local import download
from aistratus_local.console import Console
from aistratus_local.download import DownloadFailed, RemoteFile, fetch

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NAME = "weights.gguf"

Behaviour = Callable[[BaseHTTPRequestHandler, int], None]


def whole(request: BaseHTTPRequestHandler, begin: int) -> None:
    """A server as it should be."""
    answer(request, begin, CONTENT[begin:])


def answer(
    request: BaseHTTPRequestHandler,
    begin: int,
    body: bytes,
    *,
    total: int = len(CONTENT),
    length: int | None = None,
) -> None:
    request.send_response(206 if begin else 200)
    if begin:
        request.send_header("Content-Range", f"bytes {begin}-{total - 1}/{total}")
    request.send_header("Content-Length", str(total - begin if length is None else length))
    request.end_headers()
    request.wfile.write(body)
    request.wfile.flush()


def cut_after(count: int) -> Behaviour:
    return lambda request, begin: answer(request, begin, CONTENT[begin : begin + count])


def no_ranges(request: BaseHTTPRequestHandler, begin: int) -> None:
    assert begin >= 0
    answer(request, 0, CONTENT)


def status(code: int) -> Behaviour:
    def send(request: BaseHTTPRequestHandler, begin: int) -> None:
        request.send_error(code)

    return send


def another(request: BaseHTTPRequestHandler, begin: int) -> None:
    answer(request, begin, bytes(len(CONTENT) - begin))


def of_another_size(request: BaseHTTPRequestHandler, begin: int) -> None:
    answer(request, begin, b"short", total=begin + 5)


def endless(request: BaseHTTPRequestHandler, begin: int) -> None:
    request.send_response(200)
    request.end_headers()
    request.wfile.write(CONTENT + b"more")


def another_part(request: BaseHTTPRequestHandler, begin: int) -> None:
    request.send_response(206)
    request.send_header("Content-Range", f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}")
    request.send_header("Content-Length", str(len(CONTENT)))
    request.end_headers()
    request.wfile.write(CONTENT)


@dataclass
class Server:
    """An HTTP server that behaves as told, one behaviour a request, the last one for ever."""

    url: str = ""
    behaviours: deque[Behaviour] = field(default_factory=lambda: deque([whole]))
    ranges: list[str | None] = field(default_factory=list)

    def will(self, *behaviours: Behaviour) -> None:
        self.behaviours = deque(behaviours)

    @property
    def remote(self) -> RemoteFile:
        return RemoteFile(NAME, f"{self.url}/{NAME}", len(CONTENT), SHA256)


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            state.ranges.append(asked)
            begin = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
            behaviour = state.behaviours[0]
            if len(state.behaviours) > 1:
                state.behaviours.popleft()
            behaviour(self, begin)

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))
        thread.start()
        state.url = f"http://127.0.0.1:{http.server_address[1]}"
        yield state
        http.shutdown()
        thread.join()


@dataclass
class Fetcher:
    server: Server
    target: Path
    out: StringIO = field(default_factory=StringIO)
    pauses: list[float] = field(default_factory=list)

    def __call__(self) -> Path:
        console = Console(self.out)
        return fetch(self.server.remote, self.target, console, pause=self.pauses.append)

    @property
    def partial(self) -> Path:
        return self.target.with_name(f"{NAME}.part")


@pytest.fixture
def fetcher(server: Server, tmp_path: Path) -> Fetcher:
    return Fetcher(server, tmp_path / "models" / NAME)


def test_it_comes_down_once(fetcher: Fetcher, server: Server) -> None:
    assert fetcher().read_bytes() == CONTENT
    assert fetcher().read_bytes() == CONTENT
    assert server.ranges == [None]
    assert not fetcher.partial.exists()


def test_a_broken_download_goes_on_where_it_broke(fetcher: Fetcher, server: Server) -> None:
    server.will(cut_after(300_000), cut_after(400_000), whole)
    assert fetcher().read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=300000-", "bytes=700000-"]


def test_another_start_goes_on_too(fetcher: Fetcher, server: Server) -> None:
    fetcher.target.parent.mkdir(parents=True)
    fetcher.partial.write_bytes(CONTENT[:500_000])
    fetcher()
    assert server.ranges == ["bytes=500000-"]


def test_a_whole_part_is_only_verified(fetcher: Fetcher, server: Server) -> None:
    fetcher.target.parent.mkdir(parents=True)
    fetcher.partial.write_bytes(CONTENT)
    assert fetcher().read_bytes() == CONTENT
    assert server.ranges == []


def test_a_server_without_ranges_sends_it_again(fetcher: Fetcher, server: Server) -> None:
    server.will(cut_after(300_000), no_ranges)
    assert fetcher().read_bytes() == CONTENT


def test_a_lost_connection_is_given_up_with_a_sentence(fetcher: Fetcher, server: Server) -> None:
    server.will(cut_after(300_000), cut_after(0))
    with pytest.raises(DownloadFailed, match=r"broke off at 0\.3 of 1\.0 MB .* goes on from there"):
        fetcher()
    assert fetcher.partial.stat().st_size == 300_000
    assert fetcher.pauses == sorted(fetcher.pauses)
    server.will(whole)
    assert fetcher().read_bytes() == CONTENT


def test_a_server_that_is_busy_is_asked_again(fetcher: Fetcher, server: Server) -> None:
    server.will(status(503), status(429), whole)
    assert fetcher().read_bytes() == CONTENT


def test_nobody_there_is_a_sentence(tmp_path: Path) -> None:
    remote = RemoteFile(NAME, "http://127.0.0.1:9/x", len(CONTENT), SHA256)
    with pytest.raises(DownloadFailed, match="Check your connection"):
        fetch(remote, tmp_path / NAME, Console(StringIO()), pause=lambda _: None)


@pytest.mark.parametrize("code", [403, 404])
def test_a_refusal_is_a_sentence(fetcher: Fetcher, server: Server, code: int) -> None:
    server.will(status(code))
    with pytest.raises(DownloadFailed, match=f"answered {code} .* can be reached"):
        fetcher()
    assert len(server.ranges) == 1


def test_another_file_of_the_same_size_is_refused(fetcher: Fetcher, server: Server) -> None:
    server.will(another)
    with pytest.raises(DownloadFailed, match=r"SHA-256 is wrong\. Nothing of it was kept"):
        fetcher()
    assert not fetcher.target.exists()
    assert not fetcher.partial.exists()


@pytest.mark.parametrize("begin", [0, 1000])
def test_another_size_is_refused(fetcher: Fetcher, server: Server, begin: int) -> None:
    fetcher.target.parent.mkdir(parents=True)
    fetcher.partial.write_bytes(CONTENT[:begin])
    server.will(of_another_size)
    with pytest.raises(DownloadFailed, match="another file"):
        fetcher()


def test_more_than_was_said_is_refused(fetcher: Fetcher, server: Server) -> None:
    server.will(endless)
    with pytest.raises(DownloadFailed, match="another file"):
        fetcher()
    assert not fetcher.target.exists()


def test_another_part_than_asked_for_is_refused(fetcher: Fetcher, server: Server) -> None:
    server.will(cut_after(300_000), another_part)
    with pytest.raises(DownloadFailed, match="another part"):
        fetcher()
    assert fetcher.partial.read_bytes() == CONTENT[:300_000]


def test_a_cached_file_that_has_changed_is_fetched_again(fetcher: Fetcher, server: Server) -> None:
    fetcher()
    fetcher.target.write_bytes(bytes(len(CONTENT)))
    assert fetcher().read_bytes() == CONTENT
    assert "fetched again" in fetcher.out.getvalue()
    assert len(server.ranges) == 2


def test_a_full_disk_is_a_sentence(
    fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    class Usage:
        free = 1000

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    with pytest.raises(DownloadFailed, match=r"not enough space .* 1\.0 MB"):
        fetcher()
    assert server.ranges == []


def test_a_disk_that_fills_up_meanwhile_is_a_sentence(
    fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(download, "_continue", full)
    with pytest.raises(DownloadFailed, match="not enough space"):
        fetcher()


def test_two_at_once_fetch_it_once(fetcher: Fetcher, server: Server) -> None:
    release = threading.Event()

    def slow(request: BaseHTTPRequestHandler, begin: int) -> None:
        release.wait(10)
        whole(request, begin)

    server.will(slow)
    second = Fetcher(server, fetcher.target)
    threads = [threading.Thread(target=one) for one in (fetcher, second)]
    for thread in threads:
        thread.start()
    release.set()
    for thread in threads:
        thread.join()
    assert fetcher.target.read_bytes() == CONTENT
    assert server.ranges == [None]


def test_progress_goes_up_to_the_end(fetcher: Fetcher) -> None:
    fetcher()
    lines = [line for line in fetcher.out.getvalue().splitlines() if "Fetching" in line]
    assert "100%" in lines[-1]
    assert "1.0 of 1.0 MB" in lines[-1]
    # Not on a terminal: no line is written over.
    assert "\r" not in fetcher.out.getvalue()
