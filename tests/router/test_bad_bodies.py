"""A body that cannot be read as JSON is answered with a problem, and nothing is stored."""

import base64
import json
from typing import Any

import pytest

from aistratus_contracts.limits import MAX_BODY_BYTES
from support.refusals import refused
from support.router_api import HELLO, Api


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (None, "empty"),
        ("", "empty"),
        (" \n ", "empty"),
        ("{", "JSON"),
        ("{'messages': []}", "JSON"),
        ('{"messages": [],}', "JSON"),
        ('{"temperature": NaN}', "NaN"),
        ('{"temperature": Infinity}', "Infinity"),
        ('{"temperature": -Infinity}', "Infinity"),
        ('{"seed": 1, "seed": 2}', "twice"),
        ('{"messages": [{"role": "user", "role": "system"}]}', "twice"),
        ("[" * 100_000, "deep"),
        ('{"a":' * 20_000, "deep"),
        ("\ud800", "UTF-8"),
        ("\ufeff{}", "JSON"),
        ("{} {}", "JSON"),
    ],
)
def test_a_body_that_cannot_be_read(quick_api: Api, body: str | None, word: str) -> None:
    reply = refused(quick_api, body)

    assert (reply.status, reply.json["code"]) == (400, "invalid_json")
    assert word in reply.json["detail"]


@pytest.mark.parametrize(
    "raw", [b"\xff\xfe{}", b'{"model": "\xe9"}', '{"seed": 1}'.encode("utf-16"), b"\xed\xa0\x80"]
)
def test_a_body_that_is_not_utf_8(quick_api: Api, raw: bytes) -> None:
    reply = refused(quick_api, base64.b64encode(raw).decode(), is_base64=True)

    assert (reply.status, reply.json["code"]) == (400, "invalid_json")
    assert "UTF-8" in reply.json["detail"]


def test_a_body_in_base64_is_decoded_first(quick_api: Api) -> None:
    body = base64.b64encode(json.dumps(HELLO).encode()).decode()

    assert quick_api.call("POST", "/infer", body, is_base64=True).status == 202


def test_a_body_that_is_not_the_base64_that_it_says(quick_api: Api) -> None:
    assert refused(quick_api, "{not base64}", is_base64=True).status == 400


@pytest.mark.parametrize("is_base64", [False, True])
def test_a_body_may_have_256_kib_and_no_byte_more(quick_api: Api, is_base64: bool) -> None:
    def sent(size: int) -> str:
        frame = len(json.dumps({"messages": [{"role": "user", "content": ""}]}))
        body = json.dumps({"messages": [{"role": "user", "content": "x" * (size - frame)}]})
        assert len(body) == size
        return base64.b64encode(body.encode()).decode() if is_base64 else body

    reply = refused(quick_api, sent(MAX_BODY_BYTES + 1), is_base64=is_base64)
    assert (reply.status, reply.json["code"]) == (413, "body_too_large")
    assert quick_api.call("POST", "/infer", sent(MAX_BODY_BYTES), is_base64=is_base64).status == 202


def test_the_size_is_counted_in_bytes(quick_api: Api) -> None:
    body = '{"messages":[{"role":"user","content":"' + "é" * (MAX_BODY_BYTES // 2) + '"}]}'

    assert refused(quick_api, body).status == 413


def test_the_largest_body_fits_the_table(api: Api) -> None:
    frame = '{"messages":[{"role":"user","content":"%s"}]}'
    text = '\\u0000\U0001f600é\\"' * 30_000
    room = MAX_BODY_BYTES - len(frame) - 100
    body = frame % text.encode()[: room - room % 14].decode()

    reply = api.call("POST", "/infer", body)
    assert reply.status == 202, reply.text


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "nonsense",
    ],
)
def test_a_body_that_says_it_is_not_json(quick_api: Api, content_type: str) -> None:
    reply = refused(quick_api, HELLO, headers={"Content-Type": content_type})

    assert (reply.status, reply.json["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "application/json"},
        {"Content-Type": 'Application/JSON; charset="UTF-8"'},
    ],
)
def test_a_body_that_is_json(quick_api: Api, headers: dict[str, str]) -> None:
    assert quick_api.call("POST", "/infer", HELLO, headers=headers).status == 202


@pytest.mark.parametrize("body", [[], [HELLO], "7", '"text"', "null", "true"])
def test_a_body_that_is_no_object(quick_api: Api, body: Any) -> None:
    reply = refused(quick_api, body)

    assert (reply.status, reply.fields) == (422, [""])
