"""The stand-in for EC2's metadata is as strict as EC2: no answer without a token that lives."""

import http.client
import json
import re
from collections.abc import Iterator

import pytest

from aistratus_local.endings import Ending, end_instance, next_instance
from aistratus_local.errors import LocalError
from aistratus_local.imds import ImdsServer, Instance
from support.imds_server import running_imds

TTL = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN = "X-aws-ec2-metadata-token"
STATE_PATH = "autoscaling/target-lifecycle-state"


@pytest.fixture
def imds() -> Iterator[ImdsServer]:
    with running_imds() as server:
        yield server


def ask(imds: ImdsServer, method: str, path: str, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", imds.server_port, timeout=5)
    try:
        connection.request(method, f"/latest/{path}", headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def token(imds: ImdsServer) -> dict[str, str]:
    status, text = ask(imds, "PUT", "api/token", **{TTL: "21600"})
    assert status == 200
    return {TOKEN: text}


def test_without_a_token_nothing_is_told(imds: ImdsServer) -> None:
    assert ask(imds, "GET", "meta-data/instance-id") == (401, "")
    assert ask(imds, "GET", "meta-data/instance-id", **{TOKEN: "guessed"}) == (401, "")


@pytest.mark.parametrize("wish", ["", "0", "21601", "-1", "1h"])
def test_a_token_needs_a_life_of_up_to_six_hours(imds: ImdsServer, wish: str) -> None:
    assert ask(imds, "PUT", "api/token", **{TTL: wish})[0] == 400


def test_a_token_is_put_for_and_not_through_a_proxy(imds: ImdsServer) -> None:
    assert ask(imds, "PUT", "api/token")[0] == 400
    assert ask(imds, "GET", "api/token", **{TTL: "60"})[0] == 401
    forwarded = {TTL: "60", "X-Forwarded-For": "10.0.0.1"}
    assert ask(imds, "PUT", "api/token", **forwarded)[0] == 403


def test_a_token_dies_when_its_time_is_up() -> None:
    now = [100.0]
    instance = Instance(clock=lambda: now[0])
    token = instance.new_token(60)
    now[0] = 159.9
    assert instance.knows(token)
    now[0] = 160.0
    assert not instance.knows(token)


def test_an_instance_knows_who_it_is_and_of_no_end(imds: ImdsServer) -> None:
    mine = token(imds)
    status, name = ask(imds, "GET", "meta-data/instance-id", **mine)
    assert status == 200
    assert re.fullmatch(r"i-[0-9a-f]{17}", name)
    assert ask(imds, "GET", f"meta-data/{STATE_PATH}", **mine) == (200, "InService")
    for path in ("spot/instance-action", "events/recommendations/rebalance", "no/such/thing"):
        assert ask(imds, "GET", f"meta-data/{path}", **mine)[0] == 404


def test_it_tells_of_its_end_in_aws_s_words(imds: ImdsServer) -> None:
    mine = token(imds)
    for ending in Ending:
        end_instance(imds.url, ending)
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    status, text = ask(imds, "GET", "meta-data/spot/instance-action", **mine)
    notice = json.loads(text)
    assert (status, notice["action"]) == (200, "terminate")
    assert re.fullmatch(time, notice["time"])
    _, text = ask(imds, "GET", "meta-data/events/recommendations/rebalance", **mine)
    assert re.fullmatch(time, json.loads(text)["noticeTime"])
    assert ask(imds, "GET", f"meta-data/{STATE_PATH}", **mine) == (200, "Terminated")


def test_the_next_instance_is_another_one(imds: ImdsServer) -> None:
    mine = token(imds)
    _, name = ask(imds, "GET", "meta-data/instance-id", **mine)
    end_instance(imds.url, Ending.SPOT)
    next_instance(imds.url)
    assert ask(imds, "GET", "meta-data/instance-id", **mine)[0] == 401, "tokens are its own"
    mine = token(imds)
    assert ask(imds, "GET", "meta-data/instance-id", **mine)[1] != name
    assert ask(imds, "GET", "meta-data/spot/instance-action", **mine)[0] == 404


def test_who_is_not_there_is_a_sentence(imds: ImdsServer) -> None:
    imds.server_close()
    with pytest.raises(LocalError, match=r"does not answer .* Its log, imds.log,"):
        next_instance("http://127.0.0.1:1")
