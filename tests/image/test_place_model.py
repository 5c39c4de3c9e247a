"""The weights: fetched over a line that breaks, resumed, verified, and refused in a sentence."""

import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from housekeeping import ROOT

SCRIPT = ROOT / "roles" / "model" / "files" / "place_model.py"
WEIGHTS = bytes(range(256)) * 16384
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()


class Line(ThreadingHTTPServer):
    """A web server that breaks off after so many bytes, and remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.breaks_after: list[int] = []
        self.knows_ranges = True
        self.failures: list[int] = []
        self.begins: list[int] = []
        self.content = WEIGHTS

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/weights.gguf"


class Answer(BaseHTTPRequestHandler):
    server: Line

    def do_GET(self) -> None:
        line = self.server
        if line.failures:
            self.send_error(line.failures.pop(0))
            return
        asked = self.headers.get("Range", "")
        begin = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        line.begins.append(begin)
        if begin and line.knows_ranges:
            self.send_response(206)
            size = len(line.content)
            self.send_header("Content-Range", f"bytes {begin}-{size - 1}/{size}")
        else:
            begin = 0
            self.send_response(200)
        body = line.content[begin:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: line.breaks_after.pop(0)] if line.breaks_after else body)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def line() -> Iterator[Line]:
    with Line() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "weights.gguf"


def place(target: Path, url: str, sha256: str = SHA256) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, str(SCRIPT), f"--target={target}", f"--sha256={sha256}"),
            f"--bytes={len(WEIGHTS)}",
        ],
        input=url,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def assert_one_sentence(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    for word in words:
        assert word in done.stderr


def part(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def test_it_is_placed_whole_and_read_only(line: Line, target: Path) -> None:
    done = place(target, line.url)
    assert done.returncode == 0, done.stderr
    assert target.read_bytes() == WEIGHTS
    assert target.stat().st_mode & 0o777 == 0o444
    assert not part(target).exists()


def test_a_line_that_breaks_is_taken_up_where_it_broke(line: Line, target: Path) -> None:
    line.breaks_after = [1_000_000, 2_000_000]
    assert place(target, line.url).returncode == 0
    assert target.read_bytes() == WEIGHTS
    assert line.begins == [0, 1_000_000, 3_000_000]


def test_a_second_run_takes_up_what_the_first_has_left(line: Line, target: Path) -> None:
    part(target).write_bytes(WEIGHTS[:123_456])
    assert place(target, line.url).returncode == 0
    assert line.begins == [123_456]
    assert target.read_bytes() == WEIGHTS


def test_a_server_without_ranges_is_read_from_the_start(line: Line, target: Path) -> None:
    part(target).write_bytes(b"x" * 1000)
    line.knows_ranges = False
    assert place(target, line.url).returncode == 0
    assert target.read_bytes() == WEIGHTS


def test_a_server_that_is_busy_is_asked_again(line: Line, target: Path) -> None:
    line.failures = [503]
    assert place(target, line.url).returncode == 0


def test_the_wrong_file_is_refused_and_not_kept(line: Line, target: Path) -> None:
    line.content = WEIGHTS[:-1] + b"!"
    assert_one_sentence(place(target, line.url), "is not the model", "run this again")
    assert not target.exists()
    assert not part(target).exists()


def test_what_is_in_place_stays_when_another_is_refused(line: Line, target: Path) -> None:
    target.write_bytes(b"before")
    assert place(target, line.url, sha256="0" * 64).returncode == 1
    assert target.read_bytes() == b"before"


def test_a_file_that_is_not_there_is_a_sentence(line: Line, target: Path) -> None:
    line.failures = [404]
    assert_one_sentence(place(target, line.url), "404", "Is model_url right")


def test_no_network_is_a_sentence_and_what_came_is_kept(line: Line, target: Path) -> None:
    line.breaks_after = [500_000]
    line.failures = []
    line.content = WEIGHTS
    url = line.url
    line.server_close()
    part(target).write_bytes(WEIGHTS[:500_000])
    assert_one_sentence(place(target, url), "500000 of", "goes on from there")
    assert part(target).stat().st_size == 500_000


def test_an_address_of_another_kind_is_refused(target: Path) -> None:
    assert_one_sentence(place(target, "file:///etc/passwd"), "https://")


def test_a_file_that_was_copied_is_verified_as_well(target: Path) -> None:
    part(target).write_bytes(WEIGHTS)
    assert place(target, "").returncode == 0
    assert target.read_bytes() == WEIGHTS
    part(target).write_bytes(WEIGHTS[:1000])
    assert_one_sentence(place(target, ""), "from model_file")


def test_an_address_s_signature_is_not_repeated(line: Line, target: Path) -> None:
    done = place(target, f"{line.url}?X-Amz-Signature=hidden", sha256="0" * 64)
    assert_one_sentence(done, line.url, "is not the model")
    assert "hidden" not in done.stderr + done.stdout


def test_an_address_with_a_user_is_refused_and_not_repeated(line: Line, target: Path) -> None:
    done = place(target, line.url.replace("://", "://reader:hidden@"))
    assert_one_sentence(done, "a signed address")
    assert "hidden" not in done.stderr + done.stdout
