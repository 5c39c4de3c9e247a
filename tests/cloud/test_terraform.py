"""Terraform is found, told where its providers are, and its errors are told in a sentence."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from aistratus_operator.cloud.terraform import (
    Terraform,
    TerraformFailed,
    find_mirror,
    first_error,
    provider_settings,
)

FRAMED = """
╷
│ Error: No such bucket
│
│   on main.tf line 3, in resource "aws_s3_bucket" "x":
│    3: resource "aws_s3_bucket" "x" {
│
│ The bucket is
│ not there.
╵
"""


def mirror(folder: Path) -> Path:
    (folder / "registry.terraform.io" / "hashicorp" / "aws").mkdir(parents=True)
    return folder


def test_a_mirror_is_found_where_software_is_added(tmp_path: Path) -> None:
    home, added = tmp_path / "home", tmp_path / "added"
    there = mirror(added / "anything")
    assert find_mirror(home, (str(added),)) == there


def test_terraforms_own_folder_comes_first(tmp_path: Path) -> None:
    mirror(tmp_path / "added" / "anything")
    there = mirror(tmp_path / "home" / ".terraform.d" / "plugins")
    assert find_mirror(tmp_path / "home", (str(tmp_path / "added"),)) == there


def test_a_folder_without_providers_is_no_mirror(tmp_path: Path) -> None:
    (tmp_path / "added" / "anything" / "registry.terraform.io").mkdir(parents=True)
    assert find_mirror(tmp_path, (str(tmp_path / "added"),)) != tmp_path / "added" / "anything"


def test_a_persons_own_configuration_holds(tmp_path: Path) -> None:
    own = tmp_path / "mine"
    own.write_text("")
    assert provider_settings({"HOME": str(tmp_path), "TF_CLI_CONFIG_FILE": str(own)}) == {}
    (tmp_path / ".terraformrc").write_text("")
    assert provider_settings({"HOME": str(tmp_path)}) == {}


def test_a_configuration_that_is_not_there_does_not(tmp_path: Path) -> None:
    mirror(tmp_path / ".terraform.d" / "plugins")
    settings = provider_settings({"HOME": str(tmp_path), "TF_CLI_CONFIG_FILE": "/nowhere"})
    text = Path(settings["TF_CLI_CONFIG_FILE"]).read_text()
    assert f'path    = "{tmp_path}/.terraform.d/plugins"' in text
    assert text.count('"registry.terraform.io/hashicorp/aws"') == 2


def test_an_error_is_told_in_terraforms_words() -> None:
    assert first_error(FRAMED) == "No such bucket: The bucket is not there."
    assert first_error("Plan: 1\nsomething odd\n") == "something odd"
    assert first_error("") == "it said nothing"


@pytest.mark.needs("terraform")
def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text('variable "name" {\n  type = string\n}\n')
    seen: list[str] = []
    with pytest.raises(TerraformFailed, match="No value for required variable") as caught:
        Terraform(tmp_path, tmp_path / "data").run("plan", watch=seen.append)
    assert "\n".join(seen) == caught.value.output.rstrip("\n")
    assert not (tmp_path / ".terraform").exists()


SLOW = """
resource "terraform_data" "slow" {
  provisioner "local-exec" {
    command = "echo under way; exec sleep 100"
  }
}
"""
# Says what Terraform says, and at the end that Ctrl-C was noticed.
APPLY = """
import sys
from pathlib import Path
from aistratus_operator.cloud.terraform import Terraform

terraform = Terraform(Path(sys.argv[1]), Path(sys.argv[1], "data"))
terraform.run("init")
try:
    terraform.run("apply", "-auto-approve", watch=lambda line: print(line, flush=True))
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.needs("terraform")
@pytest.mark.parametrize(
    "signals", [(signal.SIGINT, signal.SIGINT), (signal.SIGTERM,), (signal.SIGINT, signal.SIGTERM)]
)
def test_who_is_stopped_at_once_leaves_no_lock(
    tmp_path: Path, signals: tuple[signal.Signals, ...]
) -> None:
    (tmp_path / "main.tf").write_text(SLOW)
    with subprocess.Popen(
        [sys.executable, "-c", APPLY, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            if "under way" in line and "Executing" not in line:
                break
        lock = tmp_path / ".terraform.tfstate.lock.info"
        assert lock.is_file()
        *first, last = signals
        for number in first:
            process.send_signal(number)
            assert "Ctrl-C again" in (process.stderr.readline() + process.stderr.readline())
        process.send_signal(last)
        said = process.stdout.read()
        assert process.wait() == 0
    assert "Interrupt received" in said
    assert said.endswith("interrupted\n")
    assert not lock.exists()
