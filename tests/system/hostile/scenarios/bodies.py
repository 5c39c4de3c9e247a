"""Bodies that are hard to read, wrong, or at the edge of what is allowed."""

import json
import random
import time
from typing import Any, Final

from aistratus_contracts.job import sampling_numbers
from aistratus_contracts.limits import MAX_BODY_BYTES
from system.hostile.scenario import Attack, Scenario

# Seconds that one answer to one body may take beside the quiet user; the router's own bar is
# 0.2 s of processor, which its tests hold. Seen before it was mended: 8 to 17.
MAX_BODY_SECONDS: Final = 5.0
GOOD: Final = '"messages":[{"role":"user","content":"a"}]'


def _filled(head: str, unit: str, tail: str) -> bytes:
    """As many of the unit as fit a body between head and tail."""
    room = MAX_BODY_BYTES - len(head.encode()) - len(tail.encode())
    return (head + unit * (room // len(unit.encode())) + tail).encode()


def _many_keys() -> bytes:
    """Each key another, but for the last one, which was the last one before."""
    keys: list[str] = []
    size = len(GOOD) + 20
    while size < MAX_BODY_BYTES - 20:
        keys.append(f'"{len(keys):x}":1')
        size += len(keys[-1]) + 1
    return ("{" + ",".join([GOOD, *keys, keys[-1]]) + "}").encode()


HARD: Final[dict[str, bytes]] = {
    "many keys, one twice": _many_keys(),
    "one key again and again": _filled("{" + GOOD, ',"k":1', "}"),
    "messages again and again": _filled("{" + GOOD, "," + GOOD, "}"),
    "nested lists": b"[" * MAX_BODY_BYTES,
    "nested lists, closed": b"[" * (MAX_BODY_BYTES // 2) + b"]" * (MAX_BODY_BYTES // 2),
    "nested objects": _filled("", '{"a":', ""),
    "a number of 250,000 digits": _filled('{"max_tokens":1', "0", "," + GOOD + "}"),
    "a number with a large exponent": f'{{"temperature":1e{"9" * 200_000},{GOOD}}}'.encode(),
    "many numbers": _filled('{"stop":[', "1e-9999,", "1]," + GOOD + "}"),
    "messages that say nothing": _filled(
        '{"messages":[', '{"role":"user","content":""},', '{"role":"user","content":"a"}]}'
    ),
    "escapes": _filled('{"messages":[{"role":"user","content":"', "\\u0061", '"}]}'),
    "half characters": _filled('{"messages":[{"role":"user","content":"', "\\ud800", '"}]}'),
    "escaped keys": _filled("{" + GOOD, ',"\\u006b":1', "}"),
    "spaces": _filled("{", " ", GOOD + "}"),
    "quotes that never end": _filled('{"messages":"', '\\"', ""),
    "no JSON": b"\xff" * MAX_BODY_BYTES,
    "one byte too large": b" " * (MAX_BODY_BYTES + 1),
}


async def hard_to_read(attack: Attack) -> None:
    """Each of them by itself, so that an answer's time is the body's own."""
    names = list(HARD)

    async def once(number: int) -> None:
        name = names[number % len(names)]
        began = time.monotonic()
        await attack.me.post(HARD[name])
        if time.monotonic() - began > MAX_BODY_SECONDS:
            attack.evidence.found(
                f"A body of {name} took more than {MAX_BODY_SECONDS:.0f} seconds."
            )

    await attack.again(1, once, max(len(names), attack.share(10 * len(names))))


async def malformed(attack: Attack) -> None:
    """A good prompt with bytes changed, cut, doubled and put in, from a seed."""
    good = json.dumps(
        {
            "messages": [{"role": "system", "content": "b"}, {"role": "user", "content": "a"}],
            "max_tokens": 3,
            "temperature": 0.5,
            "stop": ["x"],
            "logit_bias": {"5": 1.5},
            "response_format": {"type": "json_object"},
        }
    ).encode()

    async def once(number: int) -> None:
        await attack.me.post(spoilt(good, random.Random(number)))  # noqa: S311  # no secret

    await attack.again(8, once)


def spoilt(good: bytes, dice: random.Random) -> bytes:
    """The bytes with one to four things wrong."""
    found = bytearray(good)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(found))
        match dice.randrange(4):
            case 0:
                found[at] = dice.randrange(256)
            case 1:
                del found[at : at + dice.randint(1, 9)]
            case 2:
                found[at:at] = found[at : at + dice.randint(1, 30)]
            case _:
                found[at:at] = dice.choice([b'"', b"{", b"]", b"\\", b"NaN", b"1e999", b"null"])
        found = found or bytearray(good)
    return bytes(found)


def _edges() -> list[dict[str, Any]]:
    bias = {str(token): 100.0 for token in range(300)}
    numbers = sampling_numbers().items()
    least, most = ({name: getattr(b, end) for name, (_, b) in numbers} for end in ("least", "most"))
    return [
        {"logit_bias": bias},
        {"logit_bias": {str(token): -100.0 for token in range(300)}},
        {"logit_bias": {str(token): 1.0 for token in range(32_000)}},
        {"logit_bias": {str(2**31 - 1): 1.0}},
        {"logit_bias": {"5": 1e308}},
        {"stop": ["a" * 64, "b" * 64, " ", "\U0001f600" * 64]},
        {"stop": ["a"] * 1000},
        {"stop": ["a" * 65]},
        {"max_tokens": 2047},
        {"max_tokens": 2**63},
        least,
        most,
        {**least, "temperature": most["temperature"]},
        {**most, "min_p": 0},
        {"seed": 2**64},
        {"request_id": "x" * 64},
        {"request_id": "\x00"},
        {"conversation_id": "conv-" + "a" * 24},
        {"model": "x" * 100_000},
    ]


async def limits(attack: Attack) -> None:
    """Settings at their limits and beyond, each followed to its end if it is taken."""
    edges = _edges()

    async def once(number: int) -> None:
        settings = {"max_tokens": 16, **edges[number % len(edges)]}
        accepted = await attack.me.ask("Count.", **settings)
        if accepted is not None:
            await attack.me.follow(accepted["job_id"])

    await attack.again(4, once, max(len(edges), attack.share(10 * len(edges))))


SCENARIOS: Final = (
    Scenario(
        "hard-bodies",
        "Bodies at the size limit that take long to read.",
        hard_to_read,
        seconds=60,
        short_seconds=6,
        takes_slots=False,
    ),
    Scenario("malformed", "A storm of malformed bodies.", malformed),
    Scenario(
        "limits",
        "Biases, stops, tokens and numbers at their limits and beyond.",
        limits,
        short_seconds=3,
    ),
)
