"""Signs in without a browser, with the same pages and the same PKCE over HTTP.

For the local system's command line and for tests; a deployment's login is for people only.
"""

import re
from html import unescape
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import httpx

from aistratus_desktop.signin import ManagedLogin, TokenSet
from aistratus_local.errors import LocalError
from aistratus_local.provision import NATIVE_CALLBACK_PORTS

CALLBACK_URL: Final = f"http://localhost:{NATIVE_CALLBACK_PORTS[0]}/callback"
_CSRF: Final = re.compile(r'name="csrf" value="([^"]+)"')


class SignInRefused(LocalError):
    """The login did not let this person in."""


async def sign_in(login_url: str, client_id: str, name: str, password: str) -> TokenSet:
    """Tokens for a person of the local pool; raises `SignInRefused`."""
    login = ManagedLogin(login_url, client_id)
    try:
        pending = login.begin(CALLBACK_URL)
        returned = await _through_the_page(pending.url, name, password)
        return await login.finish(pending, returned)
    finally:
        await login.close()


async def _through_the_page(url: str, name: str, password: str) -> dict[str, str]:
    """Fill in the form; returns the query of the login's redirect."""
    async with httpx.AsyncClient(timeout=15, trust_env=False) as browser:
        page = await browser.get(url)
        found = _CSRF.search(page.text)
        if page.status_code != 200 or found is None:
            raise SignInRefused(f"The login at {url.partition('?')[0]} shows no form to sign in.")
        form = {"csrf": unescape(found[1]), "username": name, "password": password}
        answer = await browser.post(url, data=form)
    target = answer.headers.get("location", "")
    if answer.status_code != 302 or not target.startswith(f"{CALLBACK_URL}?"):
        raise SignInRefused(f"The login does not know {name!r} by this password.")
    return dict(parse_qsl(urlsplit(target).query))
