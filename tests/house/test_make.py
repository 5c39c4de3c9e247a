"""The Makefile explains itself, and hands on what a person typed, as it was typed."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from housekeeping import ROOT
from support.tree import tracked

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z][a-z.-]*):", MAKEFILE, flags=re.MULTILINE))

PROMPTS = [
    "What is Aistratus?",
    'it\'s "quoted" and `ticked`',
    "costs $5, or $HOME, or $(shell touch stolen), or ${PATH} or $$",
    "first line\nsecond line",
    "-n --help -rf",
    "#hash; semi & amp | pipe > out < in * ? [a] ~ ! \\ back",
    "Größe, 日本語, 🙂",
    "a = b := c",
]


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    """The Makefile, with a set-up that has nothing to do and a Python that shows its last word."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name, text in (
        ("tools/setup", "#!/bin/sh\n"),
        (".venv/bin/python", "#!/bin/sh\nfor last; do :; done\nprintf '%s' \"$last\"\n"),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)
    return tmp_path


def run(stage: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    env.pop("MFLAGS", None)
    return subprocess.run(
        ["make", *arguments],
        cwd=stage,
        env={**env, **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_help_lists_every_target() -> None:
    shown = run(ROOT, "help").stdout
    assert run(ROOT).stdout == shown
    for target in TARGETS:
        assert re.search(rf"^  make {re.escape(target)} +\S", shown, flags=re.MULTILINE), target


def test_every_target_is_phony() -> None:
    assert set(re.findall(r"^\.PHONY: (.+)$", MAKEFILE, flags=re.MULTILINE)) == TARGETS


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_prompt_arrives_as_it_was_typed(stage: Path, prompt: str) -> None:
    assert run(stage, "ask", f"PROMPT={prompt}").stdout == prompt
    assert run(stage, "ask", PROMPT=prompt).stdout == prompt
    assert not (stage / "stolen").exists()


def test_commands_in_the_pages_exist() -> None:
    unknown = {
        f"{path.relative_to(ROOT)}: make {target}"
        for path in tracked()
        if path.suffix == ".md"
        for target in re.findall(
            r"(?:^|`|\$ )make ([a-z][a-z.-]*)", path.read_text(encoding="utf-8"), flags=re.MULTILINE
        )
        if target not in TARGETS
    }
    assert unknown == set()


def test_ctrl_c_stops_the_demo_without_a_trace(stage: Path) -> None:
    (stage / ".venv" / "bin" / "python").write_text(
        "#!/bin/sh\ntrap 'echo stopped; exit 0' INT\necho up\nwhile :; do sleep 0.05; done\n",
        encoding="utf-8",
    )
    with subprocess.Popen(
        ["make", "demo"],
        cwd=stage,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert out == "stopped\n"
    assert "Traceback" not in err
    assert "Error" not in err
    time.sleep(0.1)
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
