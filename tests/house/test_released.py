"""A release's wheel of llama.cpp: the right one, whole and by its hash, or a reason to compile."""

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from housekeeping import ROOT, native, released, setup, store
from housekeeping.errors import HouseError
from housekeeping.released import Machine, Manifest, NoWheel, Wheel
from housekeeping.requirements import Pin, read_pins
from native_wheel import pin, recipe
from support.tree import tracked

SOURCE = Pin("llama-cpp-python", "0.3.36", "", frozenset({"0" * 64}))
V2, V3, ARM64 = (
    f"llama_cpp_python-0.3.36-1_{name}-py3-none-manylinux_2_28_{machine}.whl"
    for name, machine in (
        ("x86_64_v2", "x86_64"),
        ("x86_64_v3", "x86_64"),
        ("arm64", "aarch64"),
    )
)
ALL = Manifest("v1.2.3", tuple(released.wheel_of(file, "a" * 64) for file in (ARM64, V2, V3)))
_, LEVEL_2 = released.PROCESSORS["x86-64-v2"]
_, LEVEL_3 = released.PROCESSORS["x86-64-v3"]
_, ARM_FLAGS = released.PROCESSORS["arm64"]
GLIBC = (2, 36)


# --- which one ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "flags", "file"),
    [
        ("x86_64", LEVEL_3, V3),
        ("x86_64", LEVEL_3 | {"avx512f"}, V3),
        ("x86_64", LEVEL_3 - {"avx2"}, V2),
        ("x86_64", LEVEL_2, V2),
        ("aarch64", ARM_FLAGS, ARM64),
    ],
)
def test_the_fastest_that_the_processor_can_run(
    name: str, flags: frozenset[str], file: str
) -> None:
    machine = Machine("linux", name, flags, GLIBC)
    assert released.choose(ALL, SOURCE, machine).file == file


@pytest.mark.parametrize(
    ("manifest", "machine", "why"),
    [
        (Manifest("", ()), Machine("linux", "x86_64", LEVEL_3, GLIBC), "no release"),
        (ALL, Machine("linux", "x86_64", LEVEL_2 - {"ssse3"}, GLIBC), "this processor (x86_64)"),
        (ALL, Machine("linux", "aarch64", frozenset({"asimd"}), GLIBC), "processor (aarch64)"),
        (ALL, Machine("linux", "riscv64", LEVEL_3, GLIBC), "this processor (riscv64)"),
        (ALL, Machine("linux", "x86_64", LEVEL_3, (2, 27)), "needs glibc 2.28"),
        (ALL, Machine("linux", "x86_64", LEVEL_3, None), "needs glibc 2.28"),
        (ALL, Machine("darwin", "arm64", frozenset(), None), "for Linux only"),
    ],
)
def test_a_machine_that_has_none_is_told_why(
    manifest: Manifest, machine: Machine, why: str
) -> None:
    with pytest.raises(NoWheel) as caught:
        released.choose(manifest, SOURCE, machine)
    assert why in str(caught.value)


def test_a_wheel_of_another_version_is_none() -> None:
    newer = Pin(SOURCE.name, "0.4.0", "", SOURCE.hashes)
    with pytest.raises(NoWheel, match=r"has llama-cpp-python 0\.3\.36, and 0\.4\.0 is needed"):
        released.choose(ALL, newer, Machine("linux", "x86_64", LEVEL_3, GLIBC))


def test_what_is_pinned_here_is_a_manifest() -> None:
    released.read_manifest(ROOT / "requirements" / released.MANIFEST)


def test_each_processor_has_its_recipe() -> None:
    assert recipe.RECIPES.keys() == released.PROCESSORS.keys()


# --- from where -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "repository"),
    [
        ("https://github.com/owner/name.git", "owner/name"),
        ("https://github.com/owner/name", "owner/name"),
        ("https://token@github.com/owner/name.git", "owner/name"),
        ("git@github.com:owner/na.me.git", "owner/na.me"),
        ("ssh://git@github.com/owner/name.git", "owner/name"),
        ("https://example.org/owner/name.git", ""),
        ("https://notgithub.com/owner/name.git", ""),
        ("../name", ""),
    ],
)
def test_the_clone_says_whose_release_it_is(tmp_path: Path, origin: str, repository: str) -> None:
    for command in (["init", "-q"], ["remote", "add", "origin", origin]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    if not repository:
        with pytest.raises(NoWheel, match="origin of this clone is not on GitHub"):
            released.address(ALL, ALL.wheels[0], tmp_path, {})
        return
    address = released.address(ALL, ALL.wheels[0], tmp_path, {})
    assert address == f"https://github.com/{repository}/releases/download/v1.2.3/{ARM64}"


def test_a_repository_or_a_server_can_be_named(tmp_path: Path) -> None:
    wheel = ALL.wheels[0]
    named = {"GITHUB_REPOSITORY": "ours/fork"}
    address = released.address(ALL, wheel, tmp_path, named)
    assert address == f"https://github.com/ours/fork/releases/download/v1.2.3/{ARM64}"
    mirror = {**named, released.URL_VARIABLE: "https://mirror.example.org/wheels/"}
    address = released.address(ALL, wheel, tmp_path, mirror)
    assert address == f"https://mirror.example.org/wheels/{ARM64}"


# --- over the wire --------------------------------------------------------------------------


class Server(ThreadingHTTPServer):
    """Serves `files` by name: whole, only up to `cut` bytes, or a byte at a time."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.cut: int | None = None
        self.drips = False
        self.asked: list[str] = []
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        self.server.asked.append(name)
        body = self.server.files.get(name)
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if not self.server.drips:
            self.wfile.write(body[: self.server.cut])
            return
        for position in range(len(body)):
            if self.server.closing.wait(0.2):
                return
            try:
                self.wfile.write(body[position : position + 1])
            except OSError:
                return

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        try:
            yield running
        finally:
            running.closing.set()
            running.shutdown()
            thread.join()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as running:
        yield running


def small_wheel(folder: Path, file: str = V3) -> bytes:
    """A wheel of llama-cpp-python with nothing in it."""
    path = folder / file
    info = "llama_cpp_python-0.3.36.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: llama_cpp_python\nVersion: 0.3.36\n"
        )
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: false\n")
        archive.writestr(f"{info}/RECORD", "")
    return path.read_bytes()


def this_machines_file() -> str:
    """The file name of a wheel that pip takes on this machine."""
    machine = released.this_machine()
    wheel = released.choose(ALL, SOURCE, machine)
    return wheel.file


def offered(server: Server, tmp_path: Path) -> Wheel:
    """A wheel that the server has."""
    file = this_machines_file()
    body = small_wheel(tmp_path, file)
    server.files[file] = body
    return released.wheel_of(file, hashlib.sha256(body).hexdigest())


def fetched(wheel: Wheel, url: str, tmp_path: Path) -> Path:
    place = released.folder(tmp_path / "store", wheel)
    pip = [sys.executable, "-m", "pip"]
    released.fetch(pip, wheel, f"{url}/{wheel.file}", place, log=tmp_path / "setup.log")
    return place


def test_a_wheel_comes_whole(server: Server, tmp_path: Path) -> None:
    wheel = offered(server, tmp_path)
    place = fetched(wheel, server.url, tmp_path)
    assert released.is_intact(place, wheel)
    (place / wheel.file).write_bytes(b"touched")
    assert not released.is_intact(place, wheel), "it is fetched again"
    assert released.is_intact(fetched(wheel, server.url, tmp_path), wheel)


def refused(wheel: Wheel, url: str, tmp_path: Path) -> str:
    """Why there is no wheel; nothing of the attempt is left."""
    with pytest.raises(NoWheel) as caught:
        fetched(wheel, url, tmp_path)
    assert list((tmp_path / "store").rglob("*.whl")) == []
    return str(caught.value)


def test_another_file_under_its_name_is_refused(server: Server, tmp_path: Path) -> None:
    wheel = offered(server, tmp_path)
    server.files[wheel.file] += b"and more"
    assert "its SHA-256 is not the one in requirements/native.toml" in refused(
        wheel, server.url, tmp_path
    )


def test_half_a_file_is_refused(server: Server, tmp_path: Path) -> None:
    wheel = offered(server, tmp_path)
    server.cut = 100
    assert "gave no wheel of llama.cpp" in refused(wheel, server.url, tmp_path)


def test_a_release_without_it_is_a_sentence(server: Server, tmp_path: Path) -> None:
    wheel = offered(server, tmp_path)
    server.files.clear()
    assert "the server answers 404" in refused(wheel, server.url, tmp_path)


def test_nobody_there_is_a_sentence(tmp_path: Path) -> None:
    wheel = released.wheel_of(this_machines_file(), "a" * 64)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert "could not be reached" in refused(wheel, f"http://127.0.0.1:{port}", tmp_path)


def test_a_server_that_says_nothing_is_left_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(released, "CONNECT_SECONDS", 1)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    wheel = released.wheel_of(this_machines_file(), "a" * 64)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        assert "could not be reached" in refused(wheel, url, tmp_path)
    assert time.monotonic() - began < released.DOWNLOAD_SECONDS / 2


def test_a_server_that_is_too_slow_is_left_too(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(released, "DOWNLOAD_SECONDS", 3.0)
    wheel = offered(server, tmp_path)
    server.drips = True
    assert "it took longer than 3 s" in refused(wheel, server.url, tmp_path)


# --- in a clone -----------------------------------------------------------------------------


def test_the_reason_is_said_before_it_is_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(native, "compiler", lambda: "c++")
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    (tmp_path / "requirements" / released.MANIFEST).write_text('release = ""\n[wheels]\n')
    assert setup.Setup(tmp_path)._fetch_native(SOURCE) is None
    said = capsys.readouterr().err
    assert said == (
        "There is no release with wheels of llama.cpp yet. So llama.cpp is compiled here.\n"
    )


def test_a_clone_without_a_compiler_takes_the_wheel_of_the_release(
    server: Server, tmp_path: Path
) -> None:
    pins = read_pins(ROOT / "requirements" / "demo.txt")
    source = next(each for each in pins if each.name == native.BUILT_HERE)
    here = native.at_hand(store.store_path(), source, ROOT)
    assert here is not None
    # What was compiled here runs here: it takes the place of the release's.
    body = next(here.folder.glob("*.whl")).read_bytes()
    file = this_machines_file()
    server.files[file] = body
    clone = tmp_path / "clone"
    for path in tracked():
        target = clone / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    wheel = released.wheel_of(file, hashlib.sha256(body).hexdigest())
    (clone / "requirements" / released.MANIFEST).write_text(pin.render("v1.2.3", [wheel]))

    cache = tmp_path / "cache"
    wheels = cache / "aistratus" / "wheels"
    wheels.mkdir(parents=True)
    for path in store.store_path().glob("*.whl"):
        (wheels / path.name).symlink_to(path)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "dirname", "env", "git"):
        (programs / name).symlink_to(shutil.which(name) or f"/bin/{name}")
    python = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    done = subprocess.run(
        [clone / "tools" / "setup", "setup", "demo"],
        env={
            **os.environ,
            "PATH": str(programs),
            "PYTHON": str(python),
            "XDG_CACHE_HOME": str(cache),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(wheels),
            released.URL_VARIABLE: server.url,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert server.asked == [file]
    assert "Compiling" not in done.stderr
    assert "Fetching Python packages" not in done.stderr, "the store has them all"
    script = "import llama_cpp; llama_cpp.llama_backend_init(); print(llama_cpp.__version__)"
    shown = subprocess.run(
        [clone / ".venv" / "bin" / "python", "-c", script],
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.strip() == source.version


# --- pinned ---------------------------------------------------------------------------------


def test_a_releases_sums_become_the_manifest(server: Server, tmp_path: Path) -> None:
    sums = f"{'b' * 64}  router.zip\n{'c' * 64}  {V3}\n{'d' * 64} *{ARM64}\n"
    server.files[pin.SUMS] = sums.encode()
    manifest = tmp_path / released.MANIFEST
    pin.pin("v1.2.3", server.url, manifest)
    read = released.read_manifest(manifest)
    assert read.release == "v1.2.3"
    assert {wheel.file: wheel.sha256 for wheel in read.wheels} == {V3: "c" * 64, ARM64: "d" * 64}
    kept = (ROOT / "requirements" / released.MANIFEST).read_text(encoding="utf-8")
    assert manifest.read_text(encoding="utf-8").split("release =")[0] == kept.split("release =")[0]


@pytest.mark.parametrize(
    ("sums", "said"),
    [
        (None, "Is v1.2.3 released, with its wheels?"),
        ("", "lists no wheel"),
        (f"{'c' * 64}  ../{V3}\n", "lists what it should not"),
        (f"{'c' * 64}  another-1.0-py3-none-any.whl\n", "lists what it should not"),
    ],
)
def test_what_is_no_release_is_not_pinned(
    server: Server, tmp_path: Path, sums: str | None, said: str
) -> None:
    if sums is not None:
        server.files[pin.SUMS] = sums.encode()
    with pytest.raises(HouseError) as caught:
        pin.pin("v1.2.3", server.url, tmp_path / released.MANIFEST)
    assert said in str(caught.value)
    assert not (tmp_path / released.MANIFEST).exists()
