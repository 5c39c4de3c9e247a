"""Guessing a password takes too long to be of use, and does not lock out who knows it."""

import re
import time
from dataclasses import dataclass, field

import pytest
from flask import Flask
from werkzeug.test import Client, TestResponse

from aistratus_local.login.app import LoginSettings, create_app
from aistratus_local.login.doorman import REFUSAL_SECONDS
from aistratus_local.login.guesses import (
    FORGET_SECONDS,
    FREE_TRIES_BY_ADDRESS,
    FREE_TRIES_BY_NAME,
    MAX_COUNTS,
    MAX_PAUSE_SECONDS,
    Guesses,
    Try,
)
from aistratus_local.login.pool import UserPool
from aistratus_local.provision import Addresses, User, provision
from support.catalogue import CATALOGUE
from support.emulator_process import KEY, client

LOGIN_URL = "http://127.0.0.1:8552"
ANN = Try("ann", "127.0.0.1")
USER = User("ann", "a long password", "ann@example.org")


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Guessing:
    """Counts, and the clock that they go by."""

    clock: Clock = field(default_factory=Clock)
    guesses: Guesses = field(init=False)

    def __post_init__(self) -> None:
        self.guesses = Guesses(self.clock)

    def tries_in(self, seconds: float, who: Try = ANN) -> int:
        """How many tries somebody gets who tries whenever it is allowed."""
        end, made = self.clock.now + seconds, 0
        while self.clock.now < end:
            wait = self.guesses.begin(who)
            made += not wait
            self.clock.now = min(end, self.clock.now + (wait or 0.001))
        return made


def test_some_tries_are_free_and_then_pauses_double() -> None:
    guessing = Guessing()
    assert guessing.tries_in(0.5) == FREE_TRIES_BY_NAME
    guessing.clock.now += 1
    pauses = []
    for _ in range(7):
        assert guessing.guesses.begin(ANN) == 0
        pauses.append(guessing.guesses.begin(ANN))
        guessing.clock.now += pauses[-1]
    assert pauses == [2.0, 4.0, 8.0, 16.0, *[MAX_PAUSE_SECONDS] * 3]


def test_a_day_is_good_for_few_guesses() -> None:
    assert Guessing().tries_in(24 * 3600) < 3000


def test_a_try_in_a_pause_neither_counts_nor_prolongs_it() -> None:
    guessing = Guessing()
    guessing.tries_in(60)
    wait = guessing.guesses.begin(ANN)
    assert 0 < wait <= MAX_PAUSE_SECONDS
    for _ in range(1000):
        assert guessing.guesses.begin(ANN) == wait
    guessing.clock.now += wait
    assert guessing.guesses.begin(ANN) == 0


def test_a_name_in_capitals_is_the_same_name() -> None:
    guessing = Guessing()
    guessing.tries_in(0.5)
    assert guessing.guesses.begin(Try("ANN", "127.0.0.1")) > 0


def test_many_names_from_one_address_are_guesses_too() -> None:
    guesses = Guesses(Clock())
    waits = [guesses.begin(Try(f"name-{i}", "10.0.0.1")) for i in range(FREE_TRIES_BY_ADDRESS + 1)]
    assert waits[:-1] == [0.0] * FREE_TRIES_BY_ADDRESS
    assert waits[-1] > 0
    assert guesses.begin(Try("name-0", "10.0.0.2")) == 0


def test_who_was_right_starts_afresh() -> None:
    guessing = Guessing()
    for _ in range(3 * FREE_TRIES_BY_ADDRESS):
        assert guessing.guesses.begin(ANN) == 0
        guessing.guesses.was_right(ANN)


def test_tries_are_forgotten_after_a_while() -> None:
    guessing = Guessing()
    guessing.tries_in(300)
    guessing.clock.now += FORGET_SECONDS + 1
    assert guessing.tries_in(0.5) == FREE_TRIES_BY_NAME


def test_a_known_browser_does_not_wait_for_a_stranger() -> None:
    guessing = Guessing()
    guessing.tries_in(60)
    mine = Try("ann", "127.0.0.1", browser="a browser")
    assert guessing.guesses.begin(mine) == 0
    guessing.tries_in(0.5, mine)
    assert guessing.guesses.begin(mine) > 0, "but has no more guesses than another"


def test_made_up_names_do_not_fill_the_memory() -> None:
    guesses = Guesses(Clock())
    for number in range(MAX_COUNTS + 500):
        guesses.begin(Try(f"n{number}", f"10.0.{number // 250}.{number % 250}"))
    assert len(guesses._counts) == MAX_COUNTS


# --- at the login ---------------------------------------------------------------------------


@dataclass
class Door:
    """The login, its clock, what it slept, and a browser at it."""

    app: Flask
    client_id: str
    clock: Clock
    naps: list[float]
    browser: Client = field(init=False)

    def __post_init__(self) -> None:
        self.new_browser()

    def new_browser(self) -> None:
        self.browser = Client(self.app, TestResponse)

    def sign_in(self, password: str, name: str = USER.name) -> TestResponse:
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": "http://localhost:8550/callback",
            "code_challenge": "x" * 43,
            "code_challenge_method": "S256",
            "prompt": "login",
        }
        path = "/oauth2/authorize"
        page = self.browser.get(path, query_string=query, base_url=LOGIN_URL).text
        found = re.search(r'name="csrf" value="([^"]+)"', page)
        assert found, page
        form = {"csrf": found[1], "username": name, "password": password}
        return self.browser.post(path, query_string=query, data=form, base_url=LOGIN_URL)


@pytest.fixture
def door(emulator_url: str, monkeypatch: pytest.MonkeyPatch) -> Door:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    addresses = Addresses(emulator_url, "http://127.0.0.1:8551", LOGIN_URL, "http://127.0.0.1:8550")
    made = provision(addresses, KEY, CATALOGUE, [USER])
    pool = UserPool(client("cognito-idp", emulator_url), made.pool_id)
    clock, naps = Clock(), list[float]()
    app = create_app(LoginSettings(LOGIN_URL, made.pool_id), pool, Guesses(clock), naps.append)
    return Door(app, made.client_id, clock, naps)


def test_a_guesser_is_told_to_wait_and_the_person_gets_in(door: Door) -> None:
    answers = [door.sign_in("wrong") for _ in range(FREE_TRIES_BY_NAME + 3)]
    assert [answer.status_code for answer in answers] == [401] * FREE_TRIES_BY_NAME + [429] * 3
    refused = answers[-1]
    assert refused.headers["retry-after"] == "1"
    assert "Wait 1 seconds" in refused.text
    # The right password is not looked at either, or guessing would go on in the pause.
    assert door.sign_in(USER.password).status_code == 429
    door.clock.now += int(refused.headers["retry-after"])
    assert door.sign_in(USER.password).status_code == 302


def test_a_browser_that_was_signed_in_is_not_kept_out_by_a_stranger(door: Door) -> None:
    assert door.sign_in(USER.password).status_code == 302
    mine = door.browser
    door.new_browser()
    for _ in range(FREE_TRIES_BY_NAME + 1):
        answer = door.sign_in("wrong")
    assert answer.status_code == 429
    door.browser = mine
    assert door.sign_in(USER.password).status_code == 302


def test_a_name_that_there_is_not_reads_and_takes_the_same(door: Door) -> None:
    texts = []
    for name in (USER.name, "nobody"):
        began = time.monotonic()
        answer = door.sign_in("wrong", name)
        took = time.monotonic() - began
        assert answer.status_code == 401
        texts.append(answer.text.replace(name, "").partition("<form")[0].partition("<body")[2])
        assert door.naps[-1] <= REFUSAL_SECONDS <= door.naps[-1] + took
    assert texts[0] == texts[1]
