"""What `make image` checks before anything starts, and what it hands to Packer."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from aistratus_operator import ROOT
from aistratus_operator.cloud import packer
from aistratus_operator.cloud.aws import Account
from aistratus_operator.cloud.bake import check
from aistratus_operator.cloud.builder import choose_builder
from aistratus_operator.cloud.own_address import own_cidr
from aistratus_operator.errors import OperatorError
from support.cloud_account import Quotas, scripted
from support.packer import VARIANTS, var_file
from support.packer import packer as run_packer

STANDARD = "L-1216C47A"
SHOWS_ITS_CALL = """\
#!{python}
import json, os, sys
if sys.argv[1] == "version":
    print("Packer v{version}")
else:
    with open({file!r}, "a") as file:
        json.dump([sys.argv[1:], os.getcwd()], file)
        file.write("\\n")
sys.exit({code})
"""


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(OperatorError) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 500
    return text


def answering(text: str) -> AbstractContextManager[str]:
    """The address of what says at which address it is asked from."""
    return scripted(lambda _: (200, "text/plain", text))


def stand_in(folder: Path, version: str, code: int = 0) -> Path:
    """A Packer of that version, which notes its calls; the file with them."""
    calls, program = folder / "calls", folder / "packer"
    program.write_text(
        SHOWS_ITS_CALL.format(python=sys.executable, version=version, file=str(calls), code=code)
    )
    program.chmod(0o755)
    return calls


def checked(
    *arguments: str, variant: str = "tinyllama", ip: str = "203.0.113.7\n"
) -> dict[str, str]:
    with answering(ip) as url:
        return check(variant, "", arguments, io.StringIO(), url)


# --- Packer itself ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'Packer v1.6.5'", "Packer 1.6.5 is too old"),
        ("cat", "does not say that it is HashiCorp's Packer"),
    ],
)
def test_a_packer_that_is_of_no_use(
    script: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "packer").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "packer").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    text = refusal(packer.find)
    assert said in text
    assert "Install 1.6.6 or newer" in text


@pytest.mark.parametrize(
    ("version", "is_due"), [("1.6.6", False), ("1.7.0", True), ("1.14.2", True)]
)
def test_plugins_are_installed_where_packer_takes_them(
    version: str, is_due: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = stand_in(tmp_path, version)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    packer.init(packer.find())
    assert calls.exists() == is_due
    if is_due:
        assert json.loads(calls.read_text())[0] == ["init", str(ROOT / "packer" / "plugins")]


def test_plugins_that_cannot_be_installed_are_a_sentence(tmp_path: Path) -> None:
    stand_in(tmp_path, "1.14.2", code=1)
    text = refusal(lambda: packer.init(packer.Packer(str(tmp_path / "packer"), (1, 14, 2))))
    assert "check the connection to github.com" in text


# --- the template -------------------------------------------------------------------------------


def test_a_newer_packer_gets_a_safer_builder(tmp_path: Path) -> None:
    copy = packer.template_for(packer.Packer("packer", (1, 14, 2)), tmp_path / "copy")
    source = (copy / "source.pkr.hcl").read_text("utf-8")
    for line in (
        'http_tokens                 = "required"',
        'imds_support = "v2.0"',
        "deprecate_at =",
    ):
        assert line in source
    assert packer.template_for(packer.Packer("packer", (1, 6, 6))) == packer.TEMPLATE


@pytest.mark.needs("packer")
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_copy_is_whole_where_it_lies(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian's Packer, which refuses the lines of the newer, takes the copy without them."""
    nothing = ROOT / "build" / f"nothing-{os.getpid()}.hcl"
    nothing.parent.mkdir(exist_ok=True)
    copy = nothing.with_name(f"packer-{os.getpid()}")
    nothing.touch()
    monkeypatch.setattr(packer, "_NEWER", nothing)
    try:
        packer.template_for(packer.Packer("packer", (1, 14, 2)), copy)
        done = run_packer("validate", var_file(variant), str(copy.relative_to(ROOT)))
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        nothing.unlink()
        subprocess.run(["rm", "-r", str(copy)], check=True)


@pytest.mark.needs("packer")
def test_the_copy_is_formatted(tmp_path: Path) -> None:
    copy = packer.template_for(packer.Packer("packer", (1, 14, 2)), tmp_path / "copy")
    done = run_packer("fmt", "-check", "-diff", str(copy))
    assert done.returncode == 0, done.stdout


# --- the builder --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vcpus", "taken"),
    [(64.0, "c7i.4xlarge"), (16.0, "c7i.4xlarge"), (8.0, "c7i.2xlarge"), (5.0, "c7i.xlarge")],
)
def test_the_builder_is_as_large_as_the_quota_allows(
    vcpus: float, taken: str, account: Account, quotas: Quotas
) -> None:
    quotas.vcpus = {STANDARD: vcpus}
    builder = choose_builder(account, "x86_64")
    assert builder.instance_type == taken
    assert bool(builder.note) == (taken != "c7i.4xlarge")
    if builder.note:
        assert f"is {int(vcpus)} vCPUs, too few for c7i.4xlarge (16)" in builder.note
        assert "takes longer. Ask for more with `aws service-quotas" in builder.note


def test_a_quota_for_none_is_refused(account: Account, quotas: Quotas) -> None:
    quotas.vcpus = {STANDARD: 1.0}
    text = refusal(lambda: choose_builder(account, "x86_64"))
    assert "may run 1 vCPUs of standard on-demand instances in eu-central-1" in text
    assert f"--quota-code {STANDARD} --desired-value 4 --region eu-central-1" in text


def test_a_quota_that_cannot_be_read_stops_nobody(account: Account, quotas: Quotas) -> None:
    quotas.vcpus = {}
    assert choose_builder(account, "arm64").instance_type == "c7g.4xlarge"


def test_a_builder_of_another_architecture_is_refused(account: Account) -> None:
    text = refusal(lambda: choose_builder(account, "x86_64", "c7g.xlarge"))
    assert "c7g.xlarge is for arm64, and the image for x86_64" in text
    assert "such as c7i.4xlarge" in text


def test_a_builder_that_there_is_not_is_refused(account: Account) -> None:
    assert "eu-central-1 has no x9.huge" in refusal(
        lambda: choose_builder(account, "x86_64", "x9.huge")
    )


# --- what Packer gets ---------------------------------------------------------------------------


def test_the_builder_is_open_to_this_machine_alone(account: Account) -> None:
    given = checked()
    assert given["ssh_cidrs"] == '["203.0.113.7/32"]'
    assert given["region"] == "eu-central-1"
    assert given["instance_type"] == "c7i.4xlarge"
    assert given["git_revision"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("-var", "private=true"),
        ("-var", 'ssh_cidrs=["198.51.100.0/24"]'),
        ('-var=ssh_cidrs=["198.51.100.0/24"]',),
    ],
)
def test_who_says_otherwise_is_not_overruled(account: Account, arguments: tuple[str, ...]) -> None:
    assert "ssh_cidrs" not in checked(*arguments, ip="not asked")


def test_a_file_of_variables_counts(account: Account, tmp_path: Path) -> None:
    file = tmp_path / "mine.pkrvars.hcl"
    file.write_text('instance_type = "c7g.xlarge"\n')
    assert "is for arm64" in refusal(lambda: checked(f"-var-file={file}"))
    assert "There is no file" in refusal(lambda: checked("-var-file", str(tmp_path / "none")))
    assert checked(f"-var-file={file}", variant="cpu-arm64")["instance_type"] == "c7g.xlarge"


def test_two_regions_are_refused(account: Account) -> None:
    text = refusal(lambda: check("cpu", "eu-west-1", ["-var", "region=eu-west-3"], io.StringIO()))
    assert text.startswith("REGION is eu-west-1, and ARGS says eu-west-3.")


@pytest.mark.parametrize("said", ["<html>", "", "::1", "203.0.113.7, 198.51.100.1"])
def test_an_address_that_is_none(said: str) -> None:
    with answering(said) as url:
        assert "ssh_cidrs=" in refusal(lambda: own_cidr(url))


def test_an_address_that_nobody_tells() -> None:
    assert "ssh_cidrs=" in refusal(lambda: own_cidr("http://127.0.0.1:9"))


@pytest.mark.parametrize(
    ("version", "template"), [("1.6.6", "packer/worker"), ("1.14.2", "build/packer")]
)
def test_it_becomes_packer(account: Account, tmp_path: Path, version: str, template: str) -> None:
    calls = stand_in(tmp_path, version, code=0)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "aistratus_operator", "image", "--variant=cpu", "--"),
            *("-var", "private=true", "-var", "wheelhouse=mine"),
        ],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        },
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Building cpu in account 123456789012, eu-central-1, on c7i.4xlarge" in done.stderr
    (call, place) = json.loads(calls.read_text().splitlines()[-1])
    assert place == str(ROOT)
    assert (call[0], call[-1]) == ("build", template)
    assert call[1] == f"-var-file={ROOT}/packer/worker/cpu.pkrvars.hcl"
    assert call[-5:-1] == ["-var", "private=true", "-var", "wheelhouse=mine"]
    assert "-var=instance_type=c7i.4xlarge" in call
