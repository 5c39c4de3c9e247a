"""Which provider a deployment runs with: the one in the lock file, by its hashes."""

import re
import shutil
from pathlib import Path

import pytest

from aistratus_operator.cloud.terraform import LOCK_FILE, Terraform, TerraformFailed
from support.terraform_folders import ROOTS, copied
from terraform_pages.page import TERRAFORM

# Linux and macOS on both processors, and Windows.
PLATFORMS = 5


def lock(root: str) -> str:
    return (TERRAFORM / root / LOCK_FILE).read_text("utf-8")


@pytest.fixture
def unlocked(tmp_path: Path) -> Terraform:
    """A root in a copy of the tree, without a lock file."""
    return Terraform(copied(tmp_path / "terraform") / "bootstrap")


def test_all_roots_lock_the_same_provider() -> None:
    assert {lock(root) for root in ROOTS} == {lock(".")}


def test_the_lock_is_within_the_versions_that_the_code_takes() -> None:
    version, constraints = re.findall(r' (?:version|constraints) += "(.+)"', lock("."))
    (taken,) = re.findall(r' version = "(.+)"', (TERRAFORM / "versions.tf").read_text("utf-8"))
    assert constraints == taken.replace("5.100,", "5.100.0,").replace("< 7", "< 7.0.0")
    assert (5, 100) <= tuple(int(part) for part in version.split(".")[:2]) < (7, 0)


def test_the_lock_has_the_packages_of_every_platform() -> None:
    packages = set(re.findall(r'"zh:([0-9a-f]{64})"', lock(".")))
    assert len(packages) >= PLATFORMS
    assert re.search(r'"h1:[A-Za-z0-9+/]{43}="', lock("."))


def test_the_suite_runs_with_whichever_provider_is_here(tmp_path: Path) -> None:
    assert list(copied(tmp_path / "terraform").rglob(LOCK_FILE)) == []


@pytest.mark.needs("terraform")
def test_the_lock_is_kept_to_and_stays_as_it_is(unlocked: Terraform) -> None:
    unlocked.init("-backend=false")
    made = unlocked.folder / LOCK_FILE
    found = made.read_text("utf-8")
    (mine,) = re.findall(r'"h1:.+"', found)
    if version_of(found) == version_of(lock(".")):
        assert mine in lock("."), "the package here is the one that was locked"

    more = found.replace(mine, f'"zh:{"0" * 64}",\n    {mine}')
    made.write_text(more, "utf-8")
    unlocked.init("-backend=false")
    assert made.read_text("utf-8") == more


@pytest.mark.needs("terraform")
def test_a_provider_that_is_not_the_locked_one_is_refused(unlocked: Terraform) -> None:
    unlocked.init("-backend=false")
    made = unlocked.folder / LOCK_FILE
    other = re.sub(r'"h1:.+"', f'"h1:{"A" * 43}="', made.read_text("utf-8"))
    made.write_text(other, "utf-8")
    shutil.rmtree(unlocked.folder / ".terraform")
    with pytest.raises(TerraformFailed, match="checksums"):
        unlocked.init("-backend=false")


def version_of(text: str) -> str:
    (version,) = re.findall(r' version += "(.+)"', text)
    return str(version)
