"""Conversations that grow larger than anything that is sent of them."""

import asyncio
import json
from typing import Any, Final

from system.hostile.scenario import Attack, Scenario

# One byte each in memory, six in JSON.
CONTROL: Final = "\x01"
# As many as fit a body, once they are encoded.
TURN_CHARS: Final = 43_000
# Together 18 MB encoded, where a frame between worker and engine may have 16.
TURNS: Final = 72
CONVERSATIONS: Final = 16
LARGE_TURNS: Final = 30


async def grow(attack: Attack, turns: int) -> str | None:
    """A conversation of so many large turns, each cancelled as it is stored."""
    conversation: str | None = None
    for _ in range(turns):
        more = {} if conversation is None else {"conversation_id": conversation}
        accepted = await attack.me.ask_when_it_may(CONTROL * TURN_CHARS, **more)
        if accepted is None:
            break
        conversation = accepted["conversation_id"]
        await attack.me.cancel(accepted["job_id"])
    return conversation


async def one_frame(attack: Attack) -> None:
    """One such conversation, and then a normal turn; half of a full run deletes it while it runs.

    Its length does not follow the scale: shorter, it would be no attack.
    """
    await _grow_and_ask(attack, is_deleted=False)


async def sixteen_frames(attack: Attack) -> None:
    """Sixteen at once: one for every slot."""
    count = attack.share(CONVERSATIONS)
    await asyncio.gather(*(_grow_and_ask(attack, is_deleted=n % 2 == 1) for n in range(count)))


async def _grow_and_ask(attack: Attack, *, is_deleted: bool) -> None:
    conversation = await grow(attack, TURNS)
    if conversation is None:
        return
    accepted = await attack.me.ask_when_it_may("Hello?", conversation_id=conversation)
    if accepted is None:
        return
    if is_deleted:
        await attack.me.delete(conversation)
    else:
        await attack.me.follow(accepted["job_id"])


async def large_pages(attack: Attack) -> None:
    """A user with a very large conversation reads it, and the list, again and again."""
    conversation: str | None = None
    stored = 0
    body: dict[str, Any] = {"messages": [{"role": "user", "content": CONTROL * TURN_CHARS}]}
    while stored < attack.share(LARGE_TURNS) and not attack.is_over:
        answer = await attack.me.post(json.dumps(body).encode())
        if answer is None or answer.status_code != 202:
            break  # what is stored so far is large as well
        stored += 1
        conversation = answer.json()["conversation_id"]
        body["conversation_id"] = conversation
        await attack.me.cancel(answer.json()["job_id"])
    if conversation is None:
        return

    async def once(_: int) -> None:
        turns = 0
        before: dict[str, int] = {}
        while True:
            path = f"/conversations/{conversation}"
            page = await attack.me.request("GET", path, params=before)
            if page is None or page.status_code != 200:
                return
            turns += len(page.json()["turns"])
            if (next_before := page.json().get("next_before")) is None:
                break
            before = {"before": next_before}
        if turns != stored:
            attack.evidence.found(f"A conversation of {stored} turns was read as {turns}.")
        await attack.me.request("GET", "/conversations", params={"limit": 50})

    await attack.again(4, once)


SCENARIOS: Final = (
    Scenario(
        "frame-too-long",
        "A conversation of 72 turns that are six times as long in JSON, then a normal turn.",
        one_frame,
        seconds=90,
        short_seconds=25,
        is_probed_short=True,
    ),
    Scenario(
        "frames-too-long",
        "Sixteen such conversations at once, every second one deleted while its last turn runs.",
        sixteen_frames,
        seconds=240,
        is_raised=True,
        is_short=False,
    ),
    Scenario(
        "large-pages",
        "A conversation of many megabytes is read, and listed, again and again.",
        large_pages,
        seconds=30,
    ),
)
