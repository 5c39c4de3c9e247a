"""What is installed is pinned and known by its hash, and says nothing of where it was had."""

from pathlib import Path

import pytest

from housekeeping import ROOT, lock, setup
from housekeeping.requirements import read_pins
from support.tree import pinned_name, project

LOCKS = sorted((ROOT / "requirements").glob("*.txt"), key=lambda path: path.name)
LOCKS = [path for path in LOCKS if path.name != "debian.txt"]


@pytest.fixture(params=LOCKS, ids=lambda path: path.name)
def listed(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_every_package_is_pinned_with_hashes(listed: Path) -> None:
    pins = read_pins(listed)  # a line that is no pin is an error
    assert pins
    assert [pin.name for pin in pins if not pin.hashes] == []


def test_no_address_and_no_path(listed: Path) -> None:
    text = listed.read_text(encoding="utf-8")
    for sign in ("://", "file:", " @ ", "--index", "--extra-index", "--find-links", "-e ", "\\\\"):
        assert sign not in text, f"{listed.name} holds {sign!r}"


def test_nobody_gets_pytorch(listed: Path) -> None:
    assert "torch" not in {pin.name for pin in read_pins(listed)}


def test_a_package_has_one_version_in_the_whole_house() -> None:
    versions: dict[tuple[str, str], set[str]] = {}
    for path in [path for path in LOCKS if path.stem not in lock.APART]:
        for pin in read_pins(path):
            versions.setdefault((pin.name, pin.marker), set()).add(pin.version)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


@pytest.mark.parametrize("component", ["router", "daemon", "desktop", "operator"])
def test_a_part_that_is_shipped_alone_has_its_own_lock(component: str) -> None:
    pinned = {pin.name for pin in read_pins(ROOT / "requirements" / f"{component}.txt")}
    wanted = {pinned_name(line) for line in lock.dependencies(ROOT / component / "pyproject.toml")}
    assert wanted <= pinned


def test_the_locks_hold_what_the_projects_ask_for() -> None:
    pinned = {pin.name for pin in read_pins(ROOT / "requirements" / "demo.txt")}
    for component in ("router", "daemon", "desktop", "local", "operator"):
        for line in project(component)["dependencies"]:
            name = pinned_name(line)
            assert name in pinned or name.startswith("aistratus-"), f"{line}: run make lock"


def test_each_set_holds_the_one_before_it() -> None:
    held: set[tuple[str, str]] = set()
    for name in setup.SETS:
        pinned = {(pin.name, pin.version) for pin in read_pins(ROOT / f"requirements/{name}.txt")}
        assert held <= pinned, name
        held = pinned


def test_the_operators_set_has_nothing_of_the_demo() -> None:
    pinned = {pin.name for pin in read_pins(ROOT / "requirements" / "operator.txt")}
    assert pinned.isdisjoint({"llama-cpp-python", "moto", "pytest"})
    assert {"boto3", "pydantic", "flet"} <= pinned


def test_the_demo_set_has_no_test_tools() -> None:
    demo = {pin.name for pin in read_pins(ROOT / "requirements" / "demo.txt")}
    assert demo.isdisjoint({"pytest", "mypy", "ruff", "playwright", "hypothesis"})
