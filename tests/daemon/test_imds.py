"""What EC2 tells an instance of itself, as the worker asks for it."""

import socket
import time
from collections.abc import Iterator

import pytest

from aistratus_daemon.environment import Environment
from aistratus_daemon.errors import SettingsError
from aistratus_daemon.worker.imds import Imds, ImdsError
from aistratus_local.imds import ImdsServer
from support.imds_server import running_imds

ENDPOINT = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
MODE = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"
DISABLED = "AWS_EC2_METADATA_DISABLED"


def named(**variables: str) -> Imds | None:
    return Imds.from_environment(Environment(variables))


@pytest.fixture
def server() -> Iterator[ImdsServer]:
    with running_imds() as server:
        yield server


@pytest.fixture
def imds(server: ImdsServer) -> Imds:
    found = named(**{ENDPOINT: server.url + "/"})
    assert found is not None
    return found


def test_it_reads_what_is_there_and_knows_what_is_not(imds: Imds) -> None:
    assert imds.get("autoscaling/target-lifecycle-state") == "InService"
    assert imds.get("spot/instance-action") is None


def test_a_token_that_is_not_good_any_more_is_replaced(imds: Imds, server: ImdsServer) -> None:
    first = imds.get("instance-id")
    server.instance.replace()
    second = imds.get("instance-id")
    assert first
    assert second
    assert first != second


def test_a_service_that_refuses_a_token_is_an_error(
    imds: Imds, server: ImdsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.instance, "knows", lambda _: False)
    with pytest.raises(ImdsError, match="answers 401 for instance-id"):
        imds.get("instance-id")


def test_nobody_there_is_an_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        with pytest.raises(ImdsError, match="does not answer"):
            Imds("127.0.0.1", taken.getsockname()[1]).get("instance-id")


def test_a_service_that_never_answers_is_not_waited_for() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()
        with pytest.raises(ImdsError, match="does not answer"):
            Imds("127.0.0.1", silent.getsockname()[1]).get("instance-id")
        assert time.monotonic() - began < 5


def test_it_is_where_aws_s_variables_say() -> None:
    assert named() == Imds("169.254.169.254", 80)
    assert named(**{MODE: "IPv6"}) == Imds("fd00:ec2::254", 80)
    assert named(**{ENDPOINT: "http://127.0.0.1:8554/", MODE: "IPv6"}) == Imds("127.0.0.1", 8554)
    assert named(**{DISABLED: "True", ENDPOINT: "http://127.0.0.1:8554"}) is None
    assert named(**{DISABLED: "false"}) is not None


@pytest.mark.parametrize("url", ["127.0.0.1:8554", "http://", "https://x", "http://x:port"])
def test_an_address_that_is_none_is_refused_with_a_sentence(url: str) -> None:
    with pytest.raises(SettingsError, match="Set AWS_EC2_METADATA_SERVICE_ENDPOINT"):
        named(**{ENDPOINT: url})
