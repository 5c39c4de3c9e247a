"""The workflows do what people do, with as few rights as that takes, and nothing that moves."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from housekeeping import ROOT, setup
from housekeeping.released import PROCESSORS

FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")

PINNED = re.compile(r"^\s*(?:- )?uses: ([\w.-]+/[\w./-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)$")
MAKE = re.compile(r"^make ([a-z][a-z.-]*)((?: [A-Z]+=(?:[a-z0-9]+|\"[^\"]*\"))*)$")

WRITES = {
    ("plan.yml", "plan"): {"id-token"},
    ("deploy.yml", "deploy"): {"id-token"},
    ("image.yml", "image"): {"id-token"},
    ("drift.yml", "drift"): {"id-token"},
    ("release.yml", "publish"): {"contents"},
}
"""Who may write what; id-token is the right to ask AWS for a role."""

NOT_MAKE = {
    'sudo env CI=true "HOME=$HOME" "PATH=$PATH" .ci/run': "what CI runs, as root",
    'ls "packer/worker/$VARIANT.pkrvars.hcl"': "refuses what is no variant",
    'gh run download "$GITHUB_RUN_ID" --name release': "the release's files",
    **{
        f'gh run download "$GITHUB_RUN_ID" --name wheel-{processor}': "its wheel of llama.cpp"
        for processor in PROCESSORS
    },
    "sha256sum router.zip llama_cpp_python-*.whl > SHA256SUMS": "what make pin-wheels reads",
    'gh release create "$GITHUB_REF_NAME" --verify-tag --title "$GITHUB_REF_NAME" '
    "--notes-file release-notes.md router.zip SHA256SUMS llama_cpp_python-*.whl": "the release",
}
"""What is run and is no make target, and what it is."""


def read(path: Path) -> dict[str, Any]:
    found: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    found["on"] = found.pop(True)  # YAML 1.1 takes the word for a truth
    return found


def jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path in WORKFLOWS:
        for name, job in read(path)["jobs"].items():
            yield path.name, name, job


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    for file, name, job in jobs():
        for step in job["steps"]:
            yield f"{file}, {name}", step


# --- what others say of them ----------------------------------------------------------------


@pytest.fixture(scope="module")
def checks() -> Path:
    """The programs of requirements/checks.txt."""
    return setup.apart("checks") / "bin"


def run(*command: str | Path) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def test_zizmor_finds_nothing_dangerous(checks: Path) -> None:
    said = run(checks / "zizmor", "--offline", "--no-progress", "--persona=pedantic", ".github")
    for path in WORKFLOWS:
        assert f"completed .github/workflows/{path.name}" in said
    assert "No findings to report" in said
    # Nothing was told to be quiet, in a file or beside a line.
    assert "ignored" not in said
    assert "suppressed" not in said


def test_github_accepts_them(checks: Path) -> None:
    program = checks / "check-jsonschema"
    run(program, "--builtin-schema", "vendor.github-workflows", *WORKFLOWS)
    run(program, "--builtin-schema", "vendor.dependabot", ROOT / ".github" / "dependabot.yml")


# --- what is used ---------------------------------------------------------------------------


def test_every_action_is_pinned_by_its_digest() -> None:
    digests: dict[str, set[tuple[str, str]]] = {}
    for path in WORKFLOWS:
        for line in path.read_text(encoding="utf-8").splitlines():
            if "uses:" not in line:
                continue
            found = PINNED.fullmatch(line)
            assert found, f"{path.name}: {line.strip()}"
            digests.setdefault(found[1], set()).add((found[2], found[3]))
    assert [name for name, pins in digests.items() if len(pins) > 1] == []
    assert {name.split("/")[0] for name in digests} == {"actions", "aws-actions", "hashicorp"}


def test_no_credentials_stay_behind() -> None:
    for where, step in steps():
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"] == {"persist-credentials": False}, where
    text = "\n".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    assert "secrets." not in text
    assert "pull_request_target" not in text
    assert "workflow_run" not in text


def test_programs_have_one_version() -> None:
    for action, setting in (("setup-terraform", "terraform_version"), ("setup-packer", "version")):
        versions = {
            step["with"][setting] for _, step in steps() if f"/{action}@" in step.get("uses", "")
        }
        assert len(versions) == 1, action


# --- what may be done -----------------------------------------------------------------------


def test_each_job_has_the_rights_that_it_needs() -> None:
    for path in WORKFLOWS:
        assert read(path)["permissions"] == {}, path.name
    found = {}
    for file, name, job in jobs():
        assert set(job["permissions"].values()) <= {"read", "write"}
        writes = {right for right, level in job["permissions"].items() if level == "write"}
        if writes:
            found[file, name] = writes
    assert found == WRITES


def test_who_may_write_code_runs_none_of_it() -> None:
    for file, name, job in jobs():
        if job["permissions"].get("contents") == "write":
            uses = [step["uses"] for step in job["steps"] if "uses" in step]
            assert uses == [], f"{file}, {name}"


def test_a_role_is_asked_for_only_where_it_should_be() -> None:
    for file, name, job in jobs():
        if job["permissions"].get("id-token") != "write":
            continue
        (role,) = [
            step["with"]["role-to-assume"]
            for step in job["steps"]
            if "role-to-assume" in step.get("with", {})
        ]
        assert "vars.AWS_REGION != ''" in job["if"]
        if file == "plan.yml":
            same = "github.event.pull_request.head.repo.full_name == github.repository"
            assert same in job["if"]
        else:
            assert "github.ref == 'refs/heads/main'" in job["if"], f"{file}, {name}"
        # A role that changes something belongs to an environment, which reviewers may guard.
        is_reader = role == "${{ vars.AWS_PLAN_ROLE_ARN }}"
        assert is_reader or role == "${{ vars.AWS_ROLE_ARN }}"
        assert is_reader == ("environment" not in job)


def test_nothing_runs_for_ever_and_no_two_get_in_each_others_way() -> None:
    for path in WORKFLOWS:
        assert read(path)["concurrency"]["group"], path.name
    for file, name, job in jobs():
        assert 0 < job["timeout-minutes"] <= 120, f"{file}, {name}"
        assert job["runs-on"] == "ubuntu-24.04"
    for changing in ("deploy.yml", "image.yml", "release.yml"):
        assert read(FOLDER / changing)["concurrency"]["cancel-in-progress"] is False


# --- what is run ----------------------------------------------------------------------------


def test_what_is_run_is_what_people_run() -> None:
    run_targets = set()
    for where, step in steps():
        command = step.get("run")
        if command is None:
            continue
        assert "${{" not in command, f"{where}: what others wrote goes through the environment"
        if command in NOT_MAKE:
            continue
        found = MAKE.fullmatch(command)
        assert found, f"{where}: {command}"
        assert re.search(rf"^{re.escape(found[1])}:", MAKEFILE, re.MULTILINE), command
        run_targets.add(found[1])
    wanted = {"lint", "plan", "deploy", "drift", "image", "publish-image", "router.zip"}
    wanted |= {"prune-images"}
    assert run_targets == wanted | {"test-long", "release-notes", "native-wheel"}


def test_a_release_has_a_wheel_for_every_processor() -> None:
    release = read(FOLDER / "release.yml")["jobs"]
    assert set(release["wheels"]["strategy"]["matrix"]["processor"]) == set(PROCESSORS)
    downloads = [step["run"] for step in release["publish"]["steps"] if "download" in step["run"]]
    assert len(downloads) == 1 + len(PROCESSORS)


def test_what_can_be_chosen_exists() -> None:
    def options(file: str, name: str) -> set[str]:
        return set(read(FOLDER / file)["on"]["workflow_dispatch"]["inputs"][name]["options"])

    envs = {path.stem for path in (ROOT / "terraform" / "envs").glob("*.tfvars")}
    assert options("deploy.yml", "env") == envs
    image = read(FOLDER / "image.yml")
    variant = image["on"]["workflow_dispatch"]["inputs"]["variant"]["default"]
    assert image["jobs"]["image"]["env"]["VARIANT"] == f"${{{{ inputs.variant || '{variant}' }}}}"
    assert (ROOT / "packer" / "worker" / f"{variant}.pkrvars.hcl").is_file()


def test_the_page_says_what_to_set() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    used = set(re.findall(r"vars\.([A-Z_]+)", text))
    assert used == set(re.findall(r"^\| `([A-Z_]+)` \|", PAGE, re.MULTILINE))
    assert {path.stem for path in WORKFLOWS} == set(
        re.findall(r"^\| `([a-z]+)` \|", PAGE, re.MULTILINE)
    )
    outputs = (ROOT / "terraform" / "bootstrap" / "outputs.tf").read_text(encoding="utf-8")
    for name in re.findall(r"`([a-z_]+_role_arns?)`", PAGE):
        assert f'output "{name}"' in outputs, name
