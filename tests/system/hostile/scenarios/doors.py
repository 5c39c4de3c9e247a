"""Who comes without being let in: forged tokens, guessed passwords, the engine's own socket."""

import asyncio
import base64
import json
import re
import socket
import time
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import rsa
from jwt import encode
from jwt.algorithms import RSAAlgorithm

from support.system import CALLBACK
from system.hostile.processes import parts
from system.hostile.rig import QUIET_NAME
from system.hostile.scenario import Attack, Scenario

GUESSES: Final = 60
STRANGERS: Final = 8
SOCKET_VARIABLE: Final = b"AISTRATUS_ENGINE_SOCKET="
SOCKET_SECONDS: Final = 1.0
# More than a frame may have, and no end of line in it.
GARBAGE: Final = b"\x00" * (1024 * 1024)


def forged(token: str, id_token: str) -> dict[str, str]:
    """Tokens made out of a good one, none of which is good; by what is wrong with them."""
    head, body, signature = token.split(".")
    claims, header = _decoded(body), _decoded(head)
    ours = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    own_key = json.loads(RSAAlgorithm.to_jwk(ours.public_key()))
    changed = _encoded({**claims, "sub": "somebody else"})
    now = int(time.time())

    def signed(more: dict[str, Any], **headers: Any) -> str:
        return encode({**claims, **more}, ours, "RS256", {"kid": header.get("kid"), **headers})

    return {
        "no signature, alg none": f"{_encoded({**header, 'alg': 'none'})}.{body}.",
        "no signature": f"{head}.{body}.",
        "another subject": f"{head}.{changed}.{signature}",
        "another key under the same kid": signed({}),
        "its own key in the header": signed({}, jwk=own_key),
        "its own key by address": signed({}, jku="http://127.0.0.1:9/keys"),
        "a kid that is a path": signed({}, kid="../../../../dev/null"),
        "a shared secret": encode(claims, "secret" * 8, "HS256", {"kid": header.get("kid")}),
        "no end": signed({"exp": now + 10**12}),
        "the token of who one is, not of what one may": id_token,
        "a signature of another length": f"{head}.{body}.{signature[:-8]}",
        "padding": f"{head}==.{body}==.{signature}==",
        "a fourth part": f"{token}.{signature}",
        "an empty one": "..",
        "a hundred thousand characters": "a" * 60_000,
        "claims that are no object": f"{head}.{_encoded([1])}.{signature}",
    }


async def tokens(attack: Attack) -> None:
    """Each forged token asks for what only a user may see."""
    hostile = attack.hostile
    made = {what: token for what, token in forged(hostile.token, hostile.id_token).items() if token}
    names = list(made)

    async def once(number: int) -> None:
        what = names[number % len(names)]
        headers = {"authorization": f"Bearer {made[what]}"}
        url = attack.state["api_url"] + "/models"
        answer = await attack.stranger.request("GET", url, "forged", headers=headers)
        if answer is not None and answer.status_code not in (400, 401, 403, 431):
            attack.evidence.found(f"A token with {what} is answered {answer.status_code}.")

    await attack.again(4, once, max(len(names), attack.share(20 * len(names))))


def _decoded(part: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def _encoded(document: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


async def passwords(attack: Attack) -> None:
    """Somebody guesses the quiet user's password at the login, again and again."""
    url = f"{attack.state['login_url']}/oauth2/authorize"
    query = {
        "response_type": "code",
        "client_id": attack.state["client_id"],
        "redirect_uri": CALLBACK,
        "scope": "openid",
        "code_challenge": "a" * 43,
        "code_challenge_method": "S256",
    }
    page = await attack.stranger.request("GET", url, "login", params=query)
    found = re.search(r'name="csrf" value="([^"]+)"', page.text if page is not None else "")
    if found is None:
        attack.evidence.found("The login shows no page.")
        return
    heard: list[int] = []

    async def once(number: int) -> None:
        form = {"csrf": found[1], "username": QUIET_NAME, "password": f"guess number {number}"}
        answer = await attack.stranger.request("POST", url, "login", params=query, data=form)
        if answer is not None:
            heard.append(answer.status_code)

    await attack.again(4, once, GUESSES)
    if 302 in heard:
        attack.evidence.found("A guess was let in.")
    if len(heard) >= GUESSES and 429 not in heard:
        attack.evidence.found(f"{GUESSES} guesses were all heard, and none was told to wait.")


async def engine_socket(attack: Attack) -> None:
    """Somebody else on the machine opens the engine's socket, talks nonsense, and stays."""
    path = engine_socket_path(parts(attack.demo)["engine"])
    frame = {
        "frame": "generate",
        "job_id": "job-of-nobody",
        "cache_key": "nobody",
        "messages": [{"role": "user", "content": "a"}],
        "sampling": {},
    }
    words = [GARBAGE, json.dumps(frame).encode() + b"\n", b'{"frame":"cancel"}\n', b"\n" * 1000]

    async def once(number: int) -> None:
        await asyncio.to_thread(intrude, path, words[number % len(words)])

    await attack.again(STRANGERS, once, attack.share(200))


def engine_socket_path(engine: int) -> Path:
    """Where the engine listens, as its environment says."""
    variables = Path(f"/proc/{engine}/environ").read_bytes().split(b"\0")
    found = [it for it in variables if it.startswith(SOCKET_VARIABLE)]
    return Path(found[0].removeprefix(SOCKET_VARIABLE).decode())


def intrude(path: Path, words: bytes) -> None:
    """Connect, say it, and wait for an answer for a while; being shown out is all right."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as intruder:
        intruder.settimeout(SOCKET_SECONDS)
        try:
            intruder.connect(str(path))
            intruder.sendall(words)
            intruder.recv(1)
        except OSError:
            return


SCENARIOS: Final = (
    Scenario("forged-tokens", "Tokens that nobody signed here.", tokens, takes_slots=False),
    Scenario(
        "engine-socket",
        "A stranger on the machine opens the engine's socket.",
        engine_socket,
        is_probed_short=True,
    ),
)

# Whoever signs in from the same address has to wait afterwards: it comes last.
GUESSING: Final = Scenario(
    "password-guessing",
    "Somebody guesses the quiet user's password.",
    passwords,
    short_seconds=4,
    takes_slots=False,
)
