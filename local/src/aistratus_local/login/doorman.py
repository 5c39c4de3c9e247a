"""Checks passwords: not too often, and in a time that reveals nothing."""

import math
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final

from flask import request, session

from aistratus_local.login.guesses import Guesses, Try
from aistratus_local.login.pool import Person, UserPool

# A refusal takes equally long for names that exist and for names that do not.
REFUSAL_SECONDS: Final = 0.25


class TooManyTries(Exception):
    """The password was not checked: there were too many tries."""

    def __init__(self, wait_seconds: int) -> None:
        super().__init__(f"Too many tries. Wait {wait_seconds} seconds, then sign in again.")
        self.wait_seconds = wait_seconds


@dataclass(frozen=True, slots=True)
class Doorman:
    """Signs people in, within a request; the browser's session remembers the name."""

    pool: UserPool
    guesses: Guesses
    sleep: Callable[[float], None]

    def sign_in(self, client_id: str, name: str, password: str) -> Person | None:
        """The person, if the password is right; raises `TooManyTries`."""
        known = session.get("known")
        browser = known[1] if known and known[0] == name else ""
        who = Try(name, request.remote_addr or "", browser)
        wait = self.guesses.begin(who)
        if wait > 0:
            raise TooManyTries(math.ceil(wait))
        began = time.monotonic()
        person = self.pool.sign_in(client_id, name, password)
        if person is None:
            self.sleep(max(0.0, began + REFUSAL_SECONDS - time.monotonic()))
            return None
        self.guesses.was_right(who)
        session.clear()
        session["known"] = (name, browser or secrets.token_urlsafe(12))
        session["person"], session["at"] = asdict(person), int(time.time())
        return person
