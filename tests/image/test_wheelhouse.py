"""A wheelhouse holds what the worker installs, each file by its hash, and is the same each time."""

import subprocess
import sys
from pathlib import Path

import pytest

from housekeeping import ROOT
from housekeeping.errors import HouseError
from housekeeping.requirements import read_pins
from housekeeping.store import sha256
from wheelhouse import compiled
from wheelhouse.contents import LOCK, OWN, fill

# What compiles systemd-python.
NATIVE = pytest.mark.needs("libsystemd-dev", "pkg-config")
SOURCES = ("llama-cpp-python", "systemd-python")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheelhouse") / "wheels"
    fill(folder, complete=True)
    return folder


@NATIVE
def test_each_wheel_is_locked_by_its_own_hash_and_no_other(house: Path) -> None:
    pins = read_pins(house / "requirements.txt")
    assert all(len(pin.hashes) == 1 for pin in pins)
    wheels = {sha256(wheel) for wheel in house.glob("*.whl")}
    assert {digest for pin in pins for digest in pin.hashes} == wheels


@NATIVE
def test_it_has_our_own_packages_and_all_that_the_lock_names(house: Path) -> None:
    names = {pin.name for pin in read_pins(house / "requirements.txt")}
    assert names == {pin.name for pin in read_pins(LOCK)} | {f"aistratus-{own}" for own in OWN}


@NATIVE
def test_it_is_the_same_each_time(house: Path, tmp_path: Path) -> None:
    fill(tmp_path / "again", complete=True)
    again = (tmp_path / "again" / "requirements.txt").read_text(encoding="utf-8")
    assert again == (house / "requirements.txt").read_text(encoding="utf-8")


def test_for_another_machine_it_has_our_own_and_the_lock_as_it_is(tmp_path: Path) -> None:
    fill(tmp_path / "source", complete=False)
    wheels = sorted(wheel.name.split("-")[0] for wheel in tmp_path.glob("source/*.whl"))
    assert wheels == ["aistratus_contracts", "aistratus_daemon"]
    pins = {pin.name: pin for pin in read_pins(tmp_path / "source" / "requirements.txt")}
    locked = {pin.name: pin for pin in read_pins(LOCK)}
    assert all(pins[name].hashes == locked[name].hashes for name in SOURCES)


def test_what_is_compiled_on_the_machine_is_locked_by_its_own_hash(tmp_path: Path) -> None:
    script = ROOT / "roles" / "worker" / "files" / "lock_built.py"
    fill(tmp_path / "source", complete=False)
    folder = tmp_path / "source"
    subprocess.run([sys.executable, script, folder, "before"], check=True)
    locked = {pin.name: pin for pin in read_pins(folder / "requirements.txt")}
    assert read_pins(folder / "source.txt") == [locked[name] for name in SOURCES]
    wheels = [folder / f"{name.replace('-', '_')}-1-py3-none-linux_x86_64.whl" for name in SOURCES]
    for wheel in wheels:
        wheel.write_bytes(wheel.name.encode())
    subprocess.run([sys.executable, script, folder, "after"], check=True)
    built = {pin.name: pin for pin in read_pins(folder / "built.txt")}
    for name, wheel in zip(SOURCES, wheels, strict=True):
        assert built.pop(name).hashes == {sha256(wheel)}
        del locked[name]
    assert built == locked


def test_a_wheelhouse_of_another_release_is_refused_with_a_sentence(tmp_path: Path) -> None:
    script = ROOT / "roles" / "worker" / "files" / "lock_built.py"
    (tmp_path / "requirements.txt").write_text("llama-cpp-python==1 --hash=sha256:0\n", "utf-8")
    command = [sys.executable, str(script), str(tmp_path), "before"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "The wheelhouse's lock lacks systemd-python; fill the wheelhouse again.\n"
    )


def test_without_libsystemds_headers_a_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (pin,) = (pin for pin in read_pins(LOCK) if pin.name == compiled.NAME)
    with pytest.raises(HouseError, match="sudo apt install libsystemd-dev pkgconf"):
        compiled.find(tmp_path / "store", pin)
