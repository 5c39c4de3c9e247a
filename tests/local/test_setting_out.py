"""What is asked for before anything starts: model, ports, a folder; and the sentences if not."""

import argparse
import asyncio
import hashlib
import io
import json
import os
import re
import socket
import stat
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest

from aistratus_contracts.known_models import known_models
from aistratus_contracts.registry import OF_FUNCTIONS, Parameter
from aistratus_local import models, state
from aistratus_local.access_key import AccessKey
from aistratus_local.choices import UnknownModel
from aistratus_local.console import Console, TransferProgress
from aistratus_local.demo import ask_line
from aistratus_local.download import RemoteFile
from aistratus_local.environment import clean_environment
from aistratus_local.errors import LocalError
from aistratus_local.models import LocalModel, local_model
from aistratus_local.options import Options, add_options, options_of
from aistratus_local.ports import PortNumbers, PortTaken, claim, port_of
from aistratus_local.processes import Part
from aistratus_local.provision import (
    REGISTRY_PREFIX,
    Addresses,
    Provisioned,
    User,
    provision,
)
from aistratus_local.stack import Stack, StackSettings
from aistratus_local.state import (
    PUBLIC_FILE,
    RunsAlready,
    StackState,
    find_running,
    held,
    state_folder,
    write,
)
from support.catalogue import CATALOGUE
from support.emulator_process import KEY, client

STATE = StackState(
    pid=1,
    model="m",
    app_url="http://127.0.0.1:8550",
    api_url="http://127.0.0.1:8551",
    login_url="http://127.0.0.1:8552",
    emulator_url="http://127.0.0.1:8553",
    imds_url="http://127.0.0.1:8554",
    client_id="c",
    pool_id="p",
    region="r",
    user="demo",
    password="a password",
    access_key_id="an id",
    secret_access_key="a secret",
)


# --- model ----------------------------------------------------------------------------------


def test_the_stand_in_is_shipped_and_is_what_its_description_says() -> None:
    model = local_model("standin", Console(StringIO()))
    content = model.path.read_bytes()
    assert content.startswith(b"GGUF")
    assert hashlib.sha256(content).hexdigest() == model.sha256
    assert model.card.default_temperature == 0.0
    assert model.card.default_max_tokens < model.card.context


def test_real_weights_come_from_one_pinned_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[RemoteFile] = []

    def fake_fetch(remote: RemoteFile, target: Path, _: Console) -> Path:
        fetched.append(remote)
        return target

    monkeypatch.setattr(models, "fetch", fake_fetch)
    found: LocalModel = local_model(
        "tinyllama", Console(StringIO()), {"XDG_CACHE_HOME": "/cache", "HOME": "/home/x"}
    )
    (remote,) = fetched
    weights = known_models()["tinyllama"].weights
    assert re.search(r"^https://huggingface\.co/.*/resolve/[0-9a-f]{40}/", remote.url)
    assert (remote.url, remote.size, remote.sha256) == (weights.url, weights.bytes, weights.sha256)
    assert found.path == Path("/cache/aistratus/models") / weights.file
    assert found.card == known_models()["tinyllama"].card
    local_model(
        "tinyllama",
        Console(StringIO()),
        {"HOME": "/home/x", "AISTRATUS_MODELS_URL": "http://127.0.0.1:1/mirror/"},
    )
    assert fetched[1].url.startswith("http://127.0.0.1:1/mirror/TheBloke/")


def test_another_model_is_a_sentence() -> None:
    with pytest.raises(UnknownModel, match=r"no model 'gpt' here.*standin, tinyllama"):
        local_model("gpt", Console(StringIO()))


# --- options --------------------------------------------------------------------------------


def test_make_tells_by_the_environment_and_a_person_on_the_command_line() -> None:
    environment = {"MODEL": "tinyllama", "APP_PORT": "9000"}
    found = read_options([], environment)
    assert (found.model, found.ports.app) == ("tinyllama", 9000)
    found = read_options(["--model", "standin", "--app-port", "9001"], environment)
    assert (found.model, found.ports.app) == ("standin", 9001)
    assert read_options([], {}) == Options()
    assert read_options(["--no-app", "--no-browser"], {}).with_app is False


def read_options(arguments: list[str], environment: dict[str, str]) -> Options:
    parser = argparse.ArgumentParser()
    add_options(parser, environment)
    return options_of(parser.parse_args(arguments))


@pytest.mark.parametrize("text", ["", "web", "-1", "65536", "8550.0", "٨"])
def test_what_is_no_port_is_a_sentence(text: str) -> None:
    with pytest.raises(LocalError, match=r"APP_PORT is .* which is no port"):
        port_of(text, "APP_PORT")


# --- ports ----------------------------------------------------------------------------------


def test_free_ports_are_found_and_differ() -> None:
    found = claim(PortNumbers(0, 0, 0, 0))
    assert len({found.app, found.gateway, found.login, found.emulator}) == 4
    assert claim(found) == found


def test_a_taken_port_names_who_has_it_and_the_way_out() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken) as caught:
            claim(PortNumbers(0, port, 0, 0))
    text = str(caught.value)
    assert text.startswith(f"Port {port} is taken by another program (")
    assert f"process {os.getpid()}" in text
    assert "GATEWAY_PORT=" in text


def test_a_port_taken_on_every_address_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        with pytest.raises(PortTaken):
            claim(PortNumbers(taken.getsockname()[1], 0, 0, 0))


def test_the_apps_port_taken_on_ipv6_is_taken() -> None:
    with socket.socket(socket.AF_INET6) as taken:
        try:
            taken.bind(("::1", 0))
        except OSError:  # a machine without IPv6: then there is nobody to be in the way
            assert claim(PortNumbers(0, 0, 0, 0)).app
            return
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken):
            claim(PortNumbers(port, 0, 0, 0))
        assert claim(PortNumbers(0, port, 0, 0)).gateway == port


def test_a_port_given_twice_is_a_sentence() -> None:
    free = claim(PortNumbers(0, 0, 0, 0))
    with pytest.raises(LocalError, match="given twice"):
        claim(replace(free, login=free.app))


# --- state ----------------------------------------------------------------------------------


def test_a_running_system_is_found_and_only_that(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    assert find_running(folder) is None
    with held(folder):
        state.write(folder, STATE)
        assert find_running(folder) == STATE
        assert stat.S_IMODE((folder / "stack.json").stat().st_mode) == 0o600
        with pytest.raises(RunsAlready, match="A demo runs here already, at http://127"):
            held(folder).__enter__()
    assert find_running(folder) is None
    # What a killed one has left behind misleads nobody.
    state.write(folder, STATE)
    assert find_running(folder) is None


def test_the_clients_file_has_addresses_and_no_secret(tmp_path: Path) -> None:
    state.write(tmp_path, STATE)
    assert (tmp_path / ".env_public").read_text() == (
        "AISTRATUS_API_URL=http://127.0.0.1:8551\n"
        "AISTRATUS_LOGIN_URL=http://127.0.0.1:8552\n"
        "AISTRATUS_CLIENT_ID=c\n"
        "AISTRATUS_REGION=r\n"
    )
    assert "a password" not in repr(STATE)


def test_each_gateway_port_has_its_folder() -> None:
    environment = {"HOME": "/home/x"}
    assert state_folder(8551, environment) == Path("/home/x/.local/state/aistratus/local-8551")
    environment = {"XDG_STATE_HOME": "/state", "HOME": "/home/x"}
    assert state_folder(9, environment) == Path("/state/aistratus/local-9")
    assert state_folder(9, {"AISTRATUS_STATE_DIR": "/here"}) == Path("/here")


def test_a_folder_that_cannot_be_used_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalError, match="AISTRATUS_STATE_DIR"), held(tmp_path / "file" / "x"):
        pass


# --- environment ----------------------------------------------------------------------------


def test_nothing_of_a_persons_own_cloud_reaches_in() -> None:
    kept = clean_environment(
        {
            "PATH": "/bin",
            "AWS_PROFILE": "work",
            "AWS_ACCESS_KEY_ID": "real",
            "AISTRATUS_REGISTRY": "/aistratus/prod",
            "HTTPS_PROXY": "http://proxy",
            "PROMPT": "private words",
        }
    )
    assert kept == {
        "PATH": "/bin",
        "HTTPS_PROXY": "http://proxy",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


def test_the_emulator_s_key_is_for_those_who_call_it(tmp_path: Path) -> None:
    async def parts() -> tuple[AccessKey, dict[str, Part]]:
        model = local_model("standin", Console(StringIO()))
        stack = Stack(StackSettings(PortNumbers(), model, tmp_path), lambda *_: None, tmp_path)
        made = Provisioned("q", "t", "p", "c", "http://issuer")
        user = User("demo", "a password", "demo@example.org")
        found = [
            *(stack._emulator(), stack._imds(), stack._engine(), stack._app()),
            *(stack._login(made, user), stack._gateway(made), stack._worker()),
        ]
        return stack._key, {part.name: part for part in found}

    key, found = asyncio.run(parts())
    told = {name for name, part in found.items() if key.access_key_id in str(part.environment)}
    assert told == {"emulator", "login", "gateway", "worker"}
    assert key.secret_access_key not in str(found["emulator"].environment)
    for part in found.values():
        # Arguments are there for everybody on this machine to read.
        assert key.access_key_id not in str(part.arguments)
        assert key.secret_access_key not in str(part.arguments)


def test_what_a_running_system_tells_of_itself_is_for_its_user_alone(tmp_path: Path) -> None:
    with held(tmp_path):
        write(tmp_path, STATE)
        found = [path for path in tmp_path.iterdir() if STATE.password in path.read_text()]
        assert [path.name for path in found] == ["stack.json"]
        assert stat.S_IMODE(found[0].stat().st_mode) == 0o600
        for secret in (STATE.access_key_id, STATE.secret_access_key):
            assert secret in found[0].read_text()
            assert secret not in (tmp_path / PUBLIC_FILE).read_text()
    assert STATE.secret_access_key not in repr(STATE)


# --- provisioning ---------------------------------------------------------------------------


def test_provisioning_twice_changes_nothing(emulator_url: str) -> None:
    addresses = Addresses(
        emulator_url, "http://127.0.0.1:8551", "http://127.0.0.1:8552", "http://127.0.0.1:8550"
    )
    user = User("demo", "a long password", "demo@example.org")
    first = provision(addresses, KEY, CATALOGUE, [user])
    assert provision(addresses, KEY, CATALOGUE, [user]) == first
    ssm = client("ssm", emulator_url)
    # There is neither a fleet here nor a function.
    wanted = {each for each in Parameter if not each.startswith("fleet/")} - OF_FUNCTIONS
    found = ssm.get_parameters(Names=[name.under(REGISTRY_PREFIX) for name in wanted])
    assert found["InvalidParameters"] == []
    assert {item["Type"] for item in found["Parameters"]} == {"String"}
    sqs = client("sqs", emulator_url)
    attributes = sqs.get_queue_attributes(QueueUrl=first.queue_url, AttributeNames=["All"])
    queue = attributes["Attributes"]
    assert queue["FifoThroughputLimit"] == "perMessageGroupId"
    assert queue["DeduplicationScope"] == "messageGroup"
    assert queue["VisibilityTimeout"] == "30"
    redrive = json.loads(queue["RedrivePolicy"])
    assert redrive["maxReceiveCount"] == 1000
    assert redrive["deadLetterTargetArn"].endswith("jobs-dlq.fifo")
    ttl = client("dynamodb", emulator_url).describe_time_to_live(TableName=first.table_name)
    assert ttl["TimeToLiveDescription"]["AttributeName"] == "expires_at"


# --- what is shown --------------------------------------------------------------------------


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_progress_on_a_terminal_shows_size_speed_and_what_is_left() -> None:
    now = [0.0]
    out = Terminal()
    console = Console(out, lambda: now[0])
    progress = TransferProgress(console, "Fetching x", 200_000_000, begin=50_000_000)
    now[0] = 10.0
    progress.at(100_000_000)
    assert out.getvalue().endswith("Fetching x   50%  100 of 200 MB  5.0 MB/s  20 s left")
    progress.at(100_100_000)  # too soon to be shown
    assert "100.1" not in out.getvalue()
    console.say("done")
    assert out.getvalue().endswith("\r\x1b[2Kdone\n")


def test_progress_elsewhere_is_whole_lines_now_and_then() -> None:
    now = [0.0]
    out = StringIO()
    progress = TransferProgress(Console(out, lambda: now[0]), "Fetching x", 1000)
    for step in range(101):
        now[0] = step * 0.2
        progress.at(step * 10)
    lines = out.getvalue().splitlines()
    assert 4 <= len(lines) <= 7
    assert "100%" in lines[-1]


def test_a_terminal_that_knows_no_check_mark_gets_a_star() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    Console(out).done("x", 1.0)
    assert raw.getvalue().startswith(b"  * x")


def test_each_demo_says_how_to_ask_that_demo() -> None:
    assert ask_line(8551, {}) == 'make ask PROMPT="What is Aistratus?"'
    assert ask_line(8651, {}) == 'make ask GATEWAY_PORT=8651 PROMPT="What is Aistratus?"'
    elsewhere = ask_line(8651, {"AISTRATUS_STATE_DIR": "/my demo"})
    assert elsewhere == "make ask AISTRATUS_STATE_DIR='/my demo' PROMPT=\"What is Aistratus?\""
    assert read_options([], {"GATEWAY_PORT": "8651"}).ports.gateway == 8651
