"""Another page in the person's browser: it knows the ports, and has no token."""

from typing import Final
from urllib.parse import urlsplit

import httpx

from system.hostile.scenario import Attack, Scenario

EVIL: Final = "evil.example"
# What each port answers to anybody who calls it by its own name. All refuse what they are asked
# for by another name, which a page can give them by DNS rebinding.
DOORS: Final = {
    "app_url": "/",
    "api_url": "/health",
    "login_url": "/health",
    "emulator_url": "/moto-api/data.json",
    "imds_url": "/latest/meta-data/instance-id",
}
SCAN: Final = {
    "content-type": "application/x-amz-json-1.0",
    "x-amz-target": "DynamoDB_20120810.ListTables",
}
# What a page can send without asking the server first (a "simple" request of the Fetch standard).
SIMPLE: Final = {"content-type": "text/plain", "origin": f"http://{EVIL}"}


async def rebinding(attack: Attack) -> None:
    """Every local port is asked by a name that is not its own."""

    async def once(_: int) -> None:
        for name, path in DOORS.items():
            url = attack.state[name]
            if url:
                await _by_another_name(attack, name, url + path)
        url = attack.state["emulator_url"]
        host = f"{EVIL}:{urlsplit(url).port}"
        answer = await attack.stranger.request(
            "POST", url, "emulator", headers={**SCAN, "host": host}, content=b"{}"
        )
        if answer is not None and answer.status_code < 400:
            attack.evidence.found("The emulator lists tables for a page by another name.")

    await attack.again(2, once, attack.share(50))


async def cross_site(attack: Attack) -> None:
    """A page asks by the right names, as far as a browser lets it."""

    async def once(_: int) -> None:
        emulator = attack.state["emulator_url"]
        for path in ("/moto-api/reset", "/moto-api/data.json"):
            answer = await attack.stranger.request(
                "POST", emulator + path, "emulator", headers=SIMPLE
            )
            if answer is not None and answer.status_code < 400:
                attack.evidence.found(f"The emulator does POST {path} for a page elsewhere.")
        without = await attack.stranger.request(
            "POST", emulator, "emulator", headers=SCAN, content=b"{}"
        )
        if without is not None and without.status_code < 400:
            attack.evidence.found("The emulator lists tables without credentials.")
        for name, path in DOORS.items():
            if attack.state[name]:
                await _from_another_site(attack, name, attack.state[name] + path)

    await attack.again(2, once, attack.share(50))
    # A reset would have taken the hostile user's own things away, too.
    answer = await attack.me.request("GET", "/models")
    if answer is None or answer.status_code != 200:
        attack.evidence.found("After a page's requests the API does not answer any more.")


async def _by_another_name(attack: Attack, name: str, url: str) -> None:
    host = f"{EVIL}:{urlsplit(url).port}"
    door = name.removesuffix("_url")
    answer = await attack.stranger.request("GET", url, door, headers={"host": host})
    if answer is not None and answer.status_code < 400:
        attack.evidence.found(f"The {door} answers to the name {EVIL}.")


async def _from_another_site(attack: Attack, name: str, url: str) -> None:
    door = name.removesuffix("_url")
    answer = await attack.stranger.request("GET", url, door, headers=SIMPLE)
    if answer is not None and _may_be_read(answer):
        attack.evidence.found(f"The {door} lets a page of {EVIL} read its answers.")


def _may_be_read(answer: httpx.Response) -> bool:
    return answer.headers.get("access-control-allow-origin", "") in ("*", f"http://{EVIL}")


SCENARIOS: Final = (
    Scenario(
        "rebinding",
        "A page gives itself our address by DNS and asks every port.",
        rebinding,
        takes_slots=False,
    ),
    Scenario(
        "cross-site",
        "A page elsewhere sends what a browser lets it: also the emulator's reset.",
        cross_site,
    ),
)
