"""Tokens are renewed in time, once, and forgotten on request."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from aistratus_desktop.gateway import SignInNeeded, Unreachable
from aistratus_desktop.native import KEYRING_SERVICE, KeyringStore
from aistratus_desktop.signin import ManagedLogin, TokenSet
from aistratus_desktop.tokens import MemoryStore, Tokens
from support.desktop_stand import Stand
from support.desktop_until import until

pytestmark = pytest.mark.anyio


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def login(stand: Stand, clock: Clock) -> AsyncIterator[ManagedLogin]:
    transport = httpx.ASGITransport(stand.app())
    login = ManagedLogin("http://login", "app", transport=transport, clock=clock)
    yield login
    await login.close()


def signed_in(login: ManagedLogin, clock: Clock, seconds: float = 3600) -> Tokens:
    tokens = Tokens(login, clock=clock)
    tokens.sign_in(TokenSet("access-first", "refresh-1", clock.now + seconds))
    return tokens


async def test_nobody_has_no_token(login: ManagedLogin) -> None:
    tokens = Tokens(login)
    assert not tokens.signed_in
    with pytest.raises(SignInNeeded, match="Sign in"):
        await tokens.access_token()
    with pytest.raises(SignInNeeded):
        await tokens.refresh()


async def test_a_good_token_is_used(stand: Stand, login: ManagedLogin, clock: Clock) -> None:
    tokens = signed_in(login, clock)
    assert await tokens.access_token() == "access-first"
    assert stand.login_forms == []


async def test_a_token_is_renewed_a_minute_before_its_end(
    stand: Stand, login: ManagedLogin, clock: Clock
) -> None:
    tokens = signed_in(login, clock)
    clock.now += 3600 - 61
    assert await tokens.access_token() == "access-first"
    clock.now += 2
    assert await tokens.access_token() != "access-first"
    assert len(stand.login_forms) == 1


async def test_many_at_once_make_one_renewal(
    stand: Stand, login: ManagedLogin, clock: Clock
) -> None:
    tokens = signed_in(login, clock, seconds=0)
    stand.token_gate = asyncio.Event()
    asking = [asyncio.create_task(tokens.access_token()) for _ in range(20)]
    refreshing = asyncio.create_task(tokens.refresh())
    await until(lambda: bool(stand.login_forms))
    stand.token_gate.set()
    assert len(set(await asyncio.gather(*asking))) == 1
    await refreshing
    assert len(stand.login_forms) == 1


async def test_a_renewal_that_cannot_be_made_now_can_be_made_later(clock: Clock) -> None:
    login = ManagedLogin("http://127.0.0.1:9", "app", clock=clock)
    tokens = signed_in(login, clock, seconds=0)
    with pytest.raises(Unreachable):
        await tokens.access_token()
    assert tokens.signed_in
    await login.close()


async def test_a_sign_in_that_has_ended_is_forgotten(
    stand: Stand, login: ManagedLogin, clock: Clock
) -> None:
    stand.refresh_is_good = False
    tokens = signed_in(login, clock, seconds=0)
    with pytest.raises(SignInNeeded):
        await tokens.access_token()
    assert not tokens.signed_in


async def test_signing_out_forgets_and_revokes(
    stand: Stand, login: ManagedLogin, clock: Clock
) -> None:
    tokens = signed_in(login, clock)
    await tokens.sign_out()
    assert not tokens.signed_in
    assert stand.login_forms[0]["token"] == "refresh-1"
    await tokens.sign_out()
    assert len(stand.login_forms) == 1


async def test_signing_out_works_while_the_login_is_down(clock: Clock) -> None:
    login = ManagedLogin("http://127.0.0.1:9", "app", clock=clock)
    tokens = signed_in(login, clock)
    await tokens.sign_out()
    assert not tokens.signed_in
    await login.close()


async def test_who_signs_out_during_a_renewal_stays_out(
    stand: Stand, login: ManagedLogin, clock: Clock
) -> None:
    tokens = signed_in(login, clock, seconds=0)
    stand.token_gate = asyncio.Event()
    renewing = asyncio.create_task(tokens.access_token())
    await until(lambda: bool(stand.login_forms))
    await tokens.sign_out()
    stand.token_gate.set()
    with pytest.raises(SignInNeeded):
        await renewing
    assert not tokens.signed_in


async def test_a_kept_refresh_token_signs_in_at_the_next_start(
    stand: Stand, login: ManagedLogin, clock: Clock
) -> None:
    store = MemoryStore()
    Tokens(login, store, clock).sign_in(TokenSet("access-first", "refresh-1", clock.now + 3600))
    later = Tokens(login, store, clock)
    assert later.signed_in
    assert (await later.access_token()).startswith("access-")
    assert stand.login_forms[0]["refresh_token"] == "refresh-1"
    await later.sign_out()
    assert not Tokens(login, store, clock).signed_in


class Ring:
    """A keyring."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, name: str) -> str | None:
        return self.kept.get((service, name))

    def set_password(self, service: str, name: str, secret: str) -> None:
        self.kept[service, name] = secret

    def delete_password(self, service: str, name: str) -> None:
        del self.kept[service, name]


class LockedRing:
    """A keyring that refuses."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError("locked")


def test_the_keyring_keeps_the_refresh_token_per_deployment() -> None:
    ring = Ring()
    store = KeyringStore("https://login.example", ring)
    store.save("refresh-1")
    assert ring.kept == {(KEYRING_SERVICE, "https://login.example"): "refresh-1"}
    assert KeyringStore("https://login.example", ring).load() == "refresh-1"
    assert KeyringStore("https://other.example", ring).load() is None
    store.clear()
    store.clear()
    assert KeyringStore("https://login.example", ring).load() is None


def test_without_a_keyring_memory_serves() -> None:
    store = KeyringStore("https://login.example", LockedRing())
    assert store.load() is None
    store.save("refresh-1")
    assert store.load() == "refresh-1"
    store.clear()
    assert store.load() is None
