"""What fits with nothing else has an environment of its own, made from its own lock."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from housekeeping import ROOT, lock, setup
from housekeeping.requirements import Pin, canonical, read_pins

LIST = (
    "import importlib.metadata as m, json;"
    "print(json.dumps({d.name: d.version for d in m.distributions()}))"
)


def installed(place: Path) -> dict[str, str]:
    """The packages in an environment."""
    said = subprocess.run(
        [place / "bin" / "python", "-c", LIST], capture_output=True, check=True, text=True
    ).stdout
    return {canonical(name): version for name, version in json.loads(said).items()}


def write(root: Path, pins: list[Pin]) -> None:
    (root / "requirements" / "checks.txt").write_text("".join(pin.render() for pin in pins))


@pytest.mark.parametrize("name", lock.APART)
def test_it_holds_what_its_lock_says(name: str) -> None:
    pinned = {(pin.name, pin.version) for pin in read_pins(ROOT / "requirements" / f"{name}.txt")}
    assert set(installed(setup.apart(name)).items()) <= pinned


def test_it_is_made_again_only_for_another_lock(tmp_path: Path) -> None:
    (tmp_path / "requirements").mkdir()
    installer = shutil.copy(ROOT / "requirements" / "setup.txt", tmp_path / "requirements")
    one, two, *_ = (pin for pin in read_pins(Path(installer)) if pin.name != "uv")
    job = setup.Setup(tmp_path)

    write(tmp_path, [one])
    place = job.apart("checks")
    assert installed(place) == {one.name: one.version}
    made = place.stat().st_ctime_ns
    job.apart("checks")
    assert place.stat().st_ctime_ns == made

    write(tmp_path, [one, two])
    job.apart("checks")
    assert set(installed(place)) == {one.name, two.name}
