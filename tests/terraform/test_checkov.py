"""Checkov finds nothing in terraform/, and what it is told to let pass has its reason beside it."""

import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from housekeeping import setup
from support.terraform_code import TERRAFORM, code
from support.tree import tracked

# As its authors write it, and as ours do: an id, and a sentence.
SKIP = re.compile(r"#\s*checkov:skip=(?P<id>[A-Z0-9_]+)(?::(?P<reason>.*))?$")

# Nothing listens there: whoever asks for rules, versions or telemetry gets no answer.
NOWHERE = "http://127.0.0.1:9"

# What is not there unless it is asked for.
EVERYTHING = """
alarm_email          = "me@example.com"
cors_origins         = ["https://example.com"]
customer_managed_key = true
deletion_protection  = true
monthly_budget_usd   = 20
private_network      = true
snapstart            = true
github_repository    = "someone/aistratus"
"""


@dataclass(frozen=True)
class Skip:
    """A check that is let pass, and where."""

    file: str
    check: str
    reason: str


def skips() -> list[Skip]:
    """Every skip in the code."""
    return [
        Skip(path, match["id"], (match["reason"] or "").strip())
        for path, text in code().items()
        for line in text.splitlines()
        if (match := SKIP.search(line))
    ]


def scan(variables: Path) -> Any:
    """What Checkov says of terraform/ and everything below, with the composition's variables."""
    checkov = setup.apart("checks") / "bin" / "checkov"
    done = subprocess.run(
        [
            *(checkov, "--directory", TERRAFORM, "--framework", "terraform"),
            *("--output", "json", "--skip-download", "--var-file", variables),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), NOWHERE),
        },
    )
    assert done.returncode in {0, 1}, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What Checkov finds in a deployment as it is by default, and in one with everything."""
    folder = tmp_path_factory.mktemp("checkov")
    files = [folder / "defaults.tfvars", folder / "everything.tfvars"]
    for path, text in zip(files, ("", EVERYTHING), strict=True):
        path.write_text(text, encoding="utf-8")
    with ThreadPoolExecutor() as pool:
        scans = list(pool.map(scan, files))
    return {
        kind: [each for one in scans for each in one["results"][kind]]
        for kind in ("failed_checks", "passed_checks", "skipped_checks", "parsing_errors")
    }


def test_nothing_fails(found: dict[str, list[dict[str, Any]]]) -> None:
    failed = {
        f"{each['file_path']}: {each['resource']}: {each['check_id']} {each['check_name']}"
        for each in found["failed_checks"]
    }
    assert failed == set()
    assert found["parsing_errors"] == []


def test_all_of_it_is_looked_at(found: dict[str, list[dict[str, Any]]]) -> None:
    seen = {
        Path(each["file_path"]).parent.as_posix().strip("/") or "."
        for each in found["passed_checks"] + found["skipped_checks"]
    }
    folders = {Path(path).parent.as_posix() for path in code()}
    # Checkov has no rules for a budget, nor for a pool of users.
    assert folders - seen == {"modules/budget", "modules/identity"}


def test_each_skip_has_a_reason() -> None:
    assert [skip for skip in skips() if len(skip.reason.split()) < 5] == []


def test_each_skip_is_needed(found: dict[str, list[dict[str, Any]]]) -> None:
    used = {(each["file_path"].strip("/"), each["check_id"]) for each in found["skipped_checks"]}
    assert {(skip.file, skip.check) for skip in skips()} - used == set()


def test_nothing_is_let_pass_in_another_way() -> None:
    """A configuration file could skip checks for everything at once."""
    names = {".checkov.yml", ".checkov.yaml", ".checkov.baseline"}
    assert [path for path in tracked() if path.name in names] == []
