"""Set-up: nothing when nothing changed, seconds for a second clone, a sentence when it cannot."""

import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from housekeeping import ROOT, debian, native, setup, store
from housekeeping.errors import HouseError
from housekeeping.process import run
from housekeeping.requirements import Pin, read_pins
from support.tree import tracked

NOTHING_TO_DO_SECONDS = 0.5
"""A quiet machine takes a fifth of it."""

SECOND_CLONE_SECONDS = 15.0
"""Two quiet cores take a fifth of it."""

BASE_PYTHON = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The tracked files, as a fresh clone has them."""
    place = tmp_path / "clone"
    for path in tracked():
        target = place / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return place


@pytest.fixture
def bare_path(tmp_path: Path) -> Path:
    """A machine's programs: a shell's few, Python, and nothing else."""
    place = tmp_path / "bin"
    place.mkdir()
    for name in ("sh", "dirname", "env"):
        (place / name).symlink_to(shutil.which(name) or f"/bin/{name}")
    (place / "python3").symlink_to(BASE_PYTHON)
    return place


def call(clone: Path, path: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["tools/setup", "setup", "demo"],
        cwd=clone,
        env={"PATH": str(path), "HOME": str(cache), "XDG_CACHE_HOME": str(cache)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def assert_one_sentence(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    for word in words:
        assert word in done.stderr


def test_no_compiler_is_one_sentence(clone: Path, bare_path: Path, tmp_path: Path) -> None:
    done = call(clone, bare_path, tmp_path / "cache")
    assert_one_sentence(done, "no C++ compiler", "sudo apt install g++")


def test_a_compiler_that_does_not_start_is_none(
    clone: Path, bare_path: Path, tmp_path: Path
) -> None:
    (bare_path / "c++").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    (bare_path / "c++").chmod(0o755)
    assert_one_sentence(call(clone, bare_path, tmp_path / "cache"), "no C++ compiler")


def test_an_old_python_is_one_sentence(clone: Path, bare_path: Path, tmp_path: Path) -> None:
    (bare_path / "python3").unlink()
    (bare_path / "python3").write_text(
        '#!/bin/sh\ncase "$*" in *version_info*) exit 1;; esac\necho "Python 3.9.2"\n',
        encoding="utf-8",
    )
    (bare_path / "python3").chmod(0o755)
    done = call(clone, bare_path, tmp_path / "cache")
    assert_one_sentence(done, "needs Python 3.11 or newer", "found Python 3.9.2")


def test_no_python_is_one_sentence(clone: Path, bare_path: Path, tmp_path: Path) -> None:
    (bare_path / "python3").unlink()
    assert_one_sentence(call(clone, bare_path, tmp_path / "cache"), "found no Python")


def test_a_newer_python_beside_an_old_one_is_taken(
    clone: Path, bare_path: Path, tmp_path: Path
) -> None:
    (bare_path / "python3").rename(bare_path / "python3.12")
    (bare_path / "python3").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    (bare_path / "python3").chmod(0o755)
    assert_one_sentence(call(clone, bare_path, tmp_path / "cache"), "no C++ compiler")


def test_a_missing_venv_module_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "quietly", lambda *_, **__: False)
    monkeypatch.setattr(debian, "install", lambda _: False)
    monkeypatch.setattr(native, "compiler", lambda: "c++")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    with pytest.raises(HouseError, match="sudo apt install python3-venv"):
        setup.Setup(tmp_path).make("demo")


def test_somebody_elses_folder_is_not_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "compiler", lambda: "c++")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    kept = tmp_path / ".venv" / "letters.txt"
    kept.parent.mkdir()
    kept.touch()
    with pytest.raises(HouseError, match="is no virtual environment"):
        setup.Setup(tmp_path).make("demo")
    assert kept.exists()


def processor_seconds() -> float:
    """What the ended child processes have used: unlike time, it is the same beside other work."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_nothing_changed_costs_nothing() -> None:
    command = [str(ROOT / "tools" / "setup"), "ready", "demo"]
    subprocess.run(command, capture_output=True, check=True)
    seconds = []
    for _ in range(3):
        began = processor_seconds()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds.append(processor_seconds() - began)
        assert done.stdout + done.stderr == ""
    assert min(seconds) < NOTHING_TO_DO_SECONDS


def test_a_second_clone_is_ready_in_seconds_and_without_the_network(clone: Path) -> None:
    began = processor_seconds()
    done = subprocess.run(
        [clone / "tools" / "setup", "setup", "demo"],
        env={**os.environ, "PIP_NO_INDEX": "1", "UV_OFFLINE": "1", "PYTHON": str(BASE_PYTHON)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert processor_seconds() - began < SECOND_CLONE_SECONDS
    script = "import llama_cpp, flet, moto, aistratus_local as own; print(own.__file__)"
    whence = subprocess.run(
        [clone / ".venv" / "bin" / "python", "-c", script],
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    )
    assert whence.stdout.startswith(str(clone))


@pytest.mark.parametrize(
    "changed", ["requirements/demo.txt", "router/pyproject.toml", "tools/housekeeping/setup.py"]
)
def test_a_change_of_what_decides_is_seen(
    clone: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    job = setup.Setup(clone)
    (clone / ".venv").mkdir()
    monkeypatch.setattr(setup.Setup, "_make_venv", lambda _: None)
    monkeypatch.setattr(setup.Setup, "_uv", lambda *_: Path("uv"))
    monkeypatch.setattr(setup.Setup, "_install", lambda *_, **__: None)
    monkeypatch.setattr(setup.Setup, "_install_own", lambda *_: None)
    monkeypatch.setattr(native, "compiler", lambda: "c++")
    assert not job.ready("demo")
    job.make("dev")
    assert job.ready("dev")
    assert job.ready("demo"), "the wider set holds it"
    with (clone / changed).open("a", encoding="utf-8") as file:
        file.write("\n# changed\n")
    assert not job.ready("demo") or changed == "requirements/demo.txt"
    job.make("demo")
    assert job.ready("dev"), "the wider set stays"


def test_the_operators_set_compiles_nothing(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = setup.Setup(clone)
    installed: list[Pin] = []

    def install(_job: object, _uv: Path, pins: list[Pin], *_: object, **__: object) -> bool:
        installed.extend(pins)
        return True

    (clone / ".venv").mkdir()
    monkeypatch.setattr(setup.Setup, "_make_venv", lambda _: None)
    monkeypatch.setattr(setup.Setup, "_uv", lambda *_: Path("uv"))
    monkeypatch.setattr(setup.Setup, "_install_own", lambda *_: None)
    monkeypatch.setattr(setup.Setup, "_installed", install)
    monkeypatch.setattr(native, "compiler", lambda: pytest.fail("it asks for a compiler"))
    job.make("operator")
    assert job.ready("operator")
    assert not job.ready("demo")
    assert {"boto3", "flet", "hatchling"} <= {pin.name for pin in installed}


def test_two_set_ups_do_not_meet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entered: list[str] = []
    with store.locked(tmp_path):

        def second() -> None:
            with store.locked(tmp_path):
                entered.append("second")

        other = threading.Thread(target=second)
        other.start()
        time.sleep(0.2)
        assert entered == []
    other.join(timeout=5)
    assert entered == ["second"]
    assert "Another set-up is running" in capsys.readouterr().err


def test_a_failed_command_shows_its_last_telling_lines(tmp_path: Path) -> None:
    script = "echo noise; echo 'ERROR: no such version' >&2; echo 'after it'; exit 1"
    with pytest.raises(HouseError) as caught:
        run(["sh", "-c", script], log=tmp_path / "setup.log", failure="It did not work.")
    lines = str(caught.value).splitlines()
    assert lines[0] == "It did not work."
    assert "setup.log" in lines[1]
    assert [line.strip() for line in lines[2:]] == ["ERROR: no such version", "after it"]


SOURCE = Pin("llama-cpp-python", "0.3.36", "", frozenset({"0" * 64}))

FAKE_PIP = """
import pathlib, sys
place = pathlib.Path(sys.argv[sys.argv.index("-w") + 1])
place.mkdir(parents=True)
print("[1/4] Building CXX object")
print("[4/4] Linking")
(place / "llama_cpp_python-0.3.36-py3-none-any.whl").write_bytes(b"a wheel")
if "--no-cache-dir" in sys.argv:
    (place / "afresh").touch()
"""


@pytest.fixture
def fake_pip(tmp_path: Path) -> list[str]:
    (tmp_path / "pip.py").write_text(FAKE_PIP, encoding="utf-8")
    return [sys.executable, str(tmp_path / "pip.py")]


def test_a_finished_build_is_kept_with_its_hash(tmp_path: Path, fake_pip: list[str]) -> None:
    place = native.folder(tmp_path, SOURCE, "cpython-311")
    assert native.built(place, SOURCE) is None
    native.build(fake_pip, tmp_path, SOURCE, place, log=tmp_path / "setup.log")
    kept = native.built(place, SOURCE)
    assert kept is not None
    assert kept.hashes != SOURCE.hashes
    assert not (place / "afresh").exists()

    next(place.glob("*.whl")).write_bytes(b"another wheel")
    assert native.built(place, SOURCE) is None, "a wheel that was touched is built again"


def test_another_processor_gets_its_own_build(
    tmp_path: Path, fake_pip: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = native.folder(tmp_path, SOURCE, "cpython-311")
    native.build(fake_pip, tmp_path, SOURCE, here, log=tmp_path / "setup.log")
    monkeypatch.setattr(native, "processor", lambda: "another")
    there = native.folder(tmp_path, SOURCE, "cpython-311")
    assert native.built(there, SOURCE) is None
    native.build(fake_pip, tmp_path, SOURCE, there, log=tmp_path / "setup.log")
    assert (there / "afresh").exists(), "pip's cache may hold the other processor's build"


def test_only_a_wheel_of_the_lock_is_taken(tmp_path: Path) -> None:
    wheel = tmp_path / "six-1.17.0-py3-none-any.whl"
    wheel.write_bytes(b"not six")
    pin = next(pin for pin in read_pins(ROOT / "requirements" / "demo.txt") if pin.name == "six")
    pin = Pin(pin.name, "1.17.0", "", pin.hashes)
    assert store.find_wheel(tmp_path, pin) is None
    own = Pin("six", "1.17.0", "", frozenset({store.sha256(wheel)}))
    assert store.find_wheel(tmp_path, own) == wheel
