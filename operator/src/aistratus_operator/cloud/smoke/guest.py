"""A user for the time of the test, who signs in as people do: through the login's own page.

The deployment stays as it is: no other way to a token is opened for this. Only the managed login
gives tokens with the API's scopes, so its form is filled in, with a password that nobody sees.
"""

import asyncio
import re
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from http.client import HTTPMessage
from http.cookiejar import CookieJar
from typing import IO, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from aistratus_desktop.signin import ManagedLogin, TokenSet
from aistratus_operator.cloud.aws import Account
from aistratus_operator.errors import OperatorError

CALLBACK_URL: Final = "http://localhost:8571/callback"
"""One of the addresses that the login leads back to; nothing has to listen there."""

_TIMEOUT_SECONDS: Final = 30
# The address of a new login has to get around first.
_KNOWN_WITHIN_SECONDS: Final = 120.0
_PAUSE_SECONDS: Final = 3.0
_MAX_PAGE_BYTES: Final = 1024 * 1024
# Cognito's page calls the field _csrf or csrf.
_FORM: Final = re.compile(r'name="(_?csrf)"\s+value="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Guest:
    """The temporary user."""

    name: str
    password: str = field(repr=False)


@contextmanager
def temporary_user(account: Account, pool_id: str) -> Iterator[Guest]:
    """A user who gets no mail and is deleted at the end of the block."""
    pools = account.client("cognito-idp")
    # The end has each kind of character, for a pool that asks for one of each.
    password = f"{secrets.token_urlsafe(32)}-Aa1"
    guest = Guest(f"smoke-{secrets.token_hex(6)}@example.org", password)
    pools.admin_create_user(
        UserPoolId=pool_id,
        Username=guest.name,
        MessageAction="SUPPRESS",
        UserAttributes=[
            {"Name": "email", "Value": guest.name},
            {"Name": "email_verified", "Value": "true"},
        ],
    )
    try:
        pools.admin_set_user_password(
            UserPoolId=pool_id, Username=guest.name, Password=guest.password, Permanent=True
        )
        yield guest
    finally:
        pools.admin_delete_user(UserPoolId=pool_id, Username=guest.name)


async def sign_in(login: ManagedLogin, guest: Guest) -> TokenSet:
    """The guest's tokens; raises an `OperatorError` if the login's page is not as expected."""
    began = time.monotonic()
    while True:
        pending = login.begin(CALLBACK_URL)
        try:
            returned = await asyncio.to_thread(_through_the_page, pending.url, guest)
            return await login.finish(pending, returned)
        except _NotThere:
            if time.monotonic() - began > _KNOWN_WITHIN_SECONDS:
                raise
            await asyncio.sleep(_PAUSE_SECONDS)


class _NotThere(OperatorError):
    """The login does not answer; it may be new."""


class _CameBack(Exception):
    """The login has led back to the app."""


class _UntilBack(urllib.request.HTTPRedirectHandler):
    """Follows redirects within the login, and stops at the one that leads back."""

    def redirect_request(  # noqa: PLR0917  as the base class has it
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Raise `_CameBack` with the address, if it is the app's."""
        if newurl.startswith(f"{CALLBACK_URL}?"):
            raise _CameBack(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _through_the_page(url: str, guest: Guest) -> dict[str, str]:
    """Fill in the form; returns the query of the redirect that leads back."""
    browser = urllib.request.build_opener(
        urllib.request.HTTPCookieProcessor(CookieJar()), _UntilBack()
    )
    where = url.partition("?")[0]
    try:
        with browser.open(url, timeout=_TIMEOUT_SECONDS) as page:
            address, text = page.url, page.read(_MAX_PAGE_BYTES).decode("utf-8", "replace")
        found = _FORM.search(text)
        if found is None:
            raise OperatorError(
                f"The login at {where} shows no form for a name and a password, so the test cannot "
                "sign in. Look at it in a browser, and report what it shows."
            )
        form = {found[1]: unescape(found[2]), "username": guest.name, "password": guest.password}
        browser.open(address, urlencode(form).encode(), timeout=_TIMEOUT_SECONDS).close()
    except _CameBack as back:
        return dict(parse_qsl(urlsplit(str(back)).query))
    except (urllib.error.URLError, OSError) as error:
        gist = " ".join(str(error).split()).rstrip(".")
        raise _NotThere(
            f"The login at {where} does not answer ({gist}). Run the same command again; a new "
            "login's address may take minutes to be known."
        ) from error
    raise OperatorError(
        f"The login at {where} did not let the temporary user in. Look at it in a browser, and "
        "report what it shows."
    )
