"""make's targets for users and operators are the commands of `aistratus`, and nothing else."""

import operator
import re
import subprocess
import sys
import sysconfig

import pytest

from aistratus_operator.arguments import COMMANDS
from aistratus_operator.program import main
from housekeeping import ROOT
from preflight.targets import TARGETS

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
GROUPS = dict(re.findall(r"^##@ (.+)\n((?:(?!##@).*\n)*)", MAKEFILE, flags=re.MULTILINE))
RECIPES = {
    name: recipe
    for group in ("Use", "On AWS")
    for name, recipe in re.findall(
        r"^([a-z][a-z.-]*): ##.*\n((?:\t.*\n)+)", GROUPS[group], flags=re.MULTILINE
    )
}


def test_each_command_is_a_target_and_each_target_a_command() -> None:
    assert RECIPES.keys() == COMMANDS.keys()


@pytest.mark.parametrize("name", RECIPES)
def test_a_target_calls_its_command_and_does_nothing_else(name: str) -> None:
    assert re.fullmatch(r"\t\$\(call aistratus(,(.|\\\n)*)?\)\n", RECIPES[name])
    given = set(re.findall(r"--[a-z-]+(?=[= )])", RECIPES[name]))
    assert given <= {f"--{option}" for option in COMMANDS[name].takes.split()}
    assert ("$(ARGS)" in RECIPES[name]) == ("ARGS" in TARGETS[name].takes)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_what_it_takes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert shown.out.startswith(f"usage: aistratus {name} ")
    said = " ".join(shown.out.split())
    assert f"{COMMANDS[name].summary[1:]}." in said
    for option in COMMANDS[name].takes.split():
        assert f"--{option}" in said


def test_the_program_lists_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for name, command in COMMANDS.items():
        assert f"{name} {command.summary}" in said


def test_the_folder_hides_no_module_of_python() -> None:
    script = "import operator; print(operator.__file__, operator.itemgetter.__name__)"
    said = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert said.split() == [f"{sysconfig.get_path('stdlib')}/operator.py", "itemgetter"]
    assert operator.__file__ == said.split()[0]
