"""`aistratus` ends with a sentence and an exit code, whatever happens to it."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

from aistratus_operator import program
from aistratus_operator.arguments import CLOUD, DEMO, needed_set, read
from aistratus_operator.errors import OperatorError, Usage
from aistratus_operator.program import main
from housekeeping import ROOT

# As make starts it.
START: Final = [
    *(sys.executable, "-SP"),
    str(ROOT / "operator" / "src" / "aistratus_operator" / "__main__.py"),
]
DEPLOYED = {
    "AISTRATUS_API_URL": "https://api.example.org",
    "AISTRATUS_LOGIN_URL": "https://login.example.org",
    "AISTRATUS_CLIENT_ID": "app",
    "AISTRATUS_REGION": "eu-central-1",
}
# Nothing answers there: what asks AWS fails, at once.
NO_AWS = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_MAX_ATTEMPTS": "1",
}


def environment(**changes: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "AISTRATUS_")) and name not in ("ENV", "MODEL")
    }
    return {**kept, **changes}


# --- a call -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["deplyo"], "There is no command 'deplyo'. Did you mean deploy?"),
        (["deploy", "ENV=dev"], "aistratus deploy: unknown: ENV=dev. aistratus deploy --help"),
        (["deploy"], "Say which environment: ENV=dev or ENV=prod (aistratus: --env dev)."),
        (["fleet", "--env"], "aistratus fleet: argument --env: expected one argument."),
        (["fleet", "--hurry", "--env", "dev"], "aistratus fleet: unknown: --hurry."),
        (["interrupt", "softly"], "aistratus interrupt: argument ending: invalid choice: 'softly'"),
        (["demo", "--app-port", "web"], "APP_PORT is 'web', which is no port."),
        (["ask", " "], "Say what to ask"),
    ],
)
def test_a_wrong_call_is_one_sentence(
    arguments: list[str],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("ENV", raising=False)
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith(sentence)
    assert len(shown.err.splitlines()) == 1
    assert shown.out == ""


def test_without_a_command_it_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "deploy" in capsys.readouterr().err


def test_an_environment_is_named_by_an_option_or_by_env() -> None:
    assert read(["fleet", "--env", "prod"], {"ENV": "dev"}).env == "prod"
    assert read(["fleet"], {"ENV": "dev"}).env == "dev"
    with pytest.raises(Usage, match="Say which environment"):
        read(["fleet"], {"ENV": "/etc/shrc"})


@pytest.mark.parametrize(
    ("arguments", "environ", "place"),
    [
        (["redrive"], {}, DEMO),
        (["redrive"], {"ENV": "/etc/shrc"}, DEMO),
        (["redrive"], {"ENV": "dev"}, CLOUD),
        (["redrive", "--env", "dev"], {}, CLOUD),
        (["ask", "Who?"], {}, DEMO),
        (["ask", "Who?", "--where", "local"], {}, DEMO),
        (["ask", "Who?", "--where", "cloud"], DEPLOYED, CLOUD),
        (["app"], DEPLOYED, CLOUD),
        (["demo"], {"ENV": "dev"}, DEMO),
    ],
)
def test_an_environment_says_that_the_cloud_is_meant(
    arguments: list[str], environ: dict[str, str], place: str
) -> None:
    chosen = read(arguments, environ)
    assert chosen.place == place
    assert needed_set(chosen) == {CLOUD: "operator", DEMO: "demo"}[place]


def test_the_demo_has_no_environment() -> None:
    with pytest.raises(Usage, match="leave one out"):
        read(["ask", "Who?", "--where", "local"], {"ENV": "dev"})


def test_what_is_deployed_from_nowhere_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("aistratus_operator.arguments.PUBLIC_FILE", tmp_path / ".env_public")
    monkeypatch.setattr("aistratus_operator.arguments.ROOT", tmp_path)
    with pytest.raises(OperatorError, match="Nothing is deployed from this checkout yet"):
        read(["app"], {})


# --- its end ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"AWS_EC2_METADATA_DISABLED": "true"}, "There are no usable AWS credentials"),
        (
            {"AWS_PROFILE": "nobody"},
            "AWS_PROFILE names nobody, which your AWS configuration does not",
        ),
    ],
)
def test_without_credentials_one_sentence_says_what_is_missing(
    tmp_path: Path, changes: dict[str, str], sentence: str
) -> None:
    done = subprocess.run(
        [*START, "fleet", "--env", "dev"],
        env=environment(HOME=str(tmp_path), **changes),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(sentence)
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("arguments", [["--help"], ["deploy", "--help"]])
def test_a_reader_that_leaves_is_no_failure(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*START, *arguments],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_fault_of_our_own_is_a_sentence_with_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fail(_chosen: object) -> int:
        raise ZeroDivisionError("one by\nnought")

    monkeypatch.setattr(program, "_serve", fail)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert main(["publish-image"]) == 1
    said = capsys.readouterr().err
    assert "by a fault of its own (ZeroDivisionError: one by nought)" in said
    assert len(said.splitlines()) == 1
    (file,) = tmp_path.iterdir()
    assert str(file) in said
    assert "Traceback" in file.read_text(encoding="utf-8")


def test_a_package_that_is_not_installed_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "aistratus_local.demo", None)
    assert main(["demo"]) == 1
    said = capsys.readouterr().err
    assert re.fullmatch(r"This command needs .*, which .*tools/setup setup demo\n", said)


def interrupted(delay: float, *arguments: str) -> tuple[int, str]:
    """Press Ctrl-C after that many seconds; the exit code and what was said."""
    with subprocess.Popen(
        [*START, *arguments],
        env=environment(**NO_AWS, **DEPLOYED),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    return process.returncode, said


@pytest.mark.parametrize("command", [["app"], ["fleet", "--env", "dev"]])
def test_ctrl_c_leaves_no_trace_in_the_first_second(command: list[str]) -> None:
    for step in range(1, 11):
        code, said = interrupted(step / 10, *command)
        assert "Traceback" not in said, said
        assert code in (-signal.SIGINT, 130, 0, 1), said
        assert len(said.strip().splitlines()) <= 1, said
