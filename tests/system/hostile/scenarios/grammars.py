"""Grammars and schemas that are short to write and long to compile, or never end."""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from aistratus_contracts.limits import MAX_GRAMMAR_BYTES
from system.hostile.scenario import Attack, Scenario

Format = dict[str, Any]


def grammar(text: str) -> Format:
    return {"type": "grammar", "grammar": text}


def schema(document: Mapping[str, Any]) -> Format:
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": document}}


def pattern(text: str) -> Format:
    return schema({"type": "string", "pattern": text})


def _rules(lines: list[str]) -> Format:
    return grammar("\n".join(lines) + "\n")


def nullable_rules(count: int) -> Format:
    """Each rule may be nothing: as many ways to be nothing as there are sets of rules."""
    names = [f"r{n}" for n in range(count)]
    rules = [f'{name} ::= "{chr(97 + n % 26)}"?' for n, name in enumerate(names)]
    return _rules([f"root ::= ({' '.join(names)})*", *rules])


def doubling_stacks(depth: int) -> Format:
    """Each rule begins in two ways, which both begin with the next: 2 ** depth stacks."""
    rules = [f'r{n} ::= r{n + 1} "a" | r{n + 1} "b"' for n in range(depth)]
    return _rules(["root ::= r0", *rules, f'r{depth} ::= "c"'])


def reference_bomb(depth: int) -> Format:
    """Each definition names the next one twice."""
    twice: list[dict[str, Any]] = [
        {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(depth)
    ]
    definitions: dict[str, Any] = {f"d{n}": document for n, document in enumerate(twice)}
    definitions[f"d{depth}"] = {"type": "object"}
    return schema({"$ref": "#/$defs/d0", "$defs": definitions})


def all_of_bomb(depth: int) -> Format:
    """Each choice of one level with each of the next."""
    choice = {"anyOf": [{"type": "string", "maxLength": n} for n in range(1, 9)]}
    return schema({"allOf": [choice] * depth})


def own_16_kb(salt: str) -> Format:
    """A sound grammar as large as it may be, which nobody has sent before."""
    ways: list[str] = []
    size = len("root ::= ")
    while size < MAX_GRAMMAR_BYTES - 100:
        ways.append(f'"{salt}{len(ways)}" [a-z]* ("," [0-9]+)?')
        size += len(ways[-1]) + len(" | ")
    return grammar(f"root ::= {' | '.join(ways)}")


GRAMMARS: Final[Mapping[str, tuple[str, Format]]] = {
    "nested-repeats": (
        "64 bytes that expand to a million rules",
        _rules(
            [
                "root ::= r1{0,100}",
                "r1 ::= r2{0,100}",
                "r2 ::= r3{0,100}",
                'r3 ::= "a"?',
            ]
        ),
    ),
    "repeated-repeats": (
        "(a{0,500}){0,500} as rules",
        _rules(["root ::= r1{0,500}", 'r1 ::= "a"{0,500}']),
    ),
    "nullable-rules": ("a dozen rules that may each be nothing", nullable_rules(12)),
    "stacks-20": ("stacks that double twenty times", doubling_stacks(20)),
    "stacks-24": ("stacks that double twenty-four times", doubling_stacks(24)),
    "growing-root": (
        "a rule that goes on with one, two or three of itself",
        grammar('root ::= "a" | "a" root | "a" root root | "a" root root root'),
    ),
    "backward-quantifier": ("17 bytes: at least 5, at most 2", grammar('root ::= "a"{5,2}')),
    "abort": (
        "left recursion past something that may be nothing, which aborted the engine",
        grammar('root ::= ("a"?) root "b" | "c"'),
    ),
    "pattern-exact": ("a pattern with a thousand million repeats", pattern("^a{1000000000}$")),
    "pattern-upto": ("a pattern of up to a hundred million", pattern("^[a]{0,100000000}$")),
    "array-long": (
        "an array of a hundred million items at least",
        schema({"type": "array", "items": {"type": "integer"}, "minItems": 100_000_000}),
    ),
    "string-long": (
        "a string of a thousand million characters at least",
        schema({"type": "string", "minLength": 1_000_000_000}),
    ),
    "ref-bomb": ("definitions that each name the next twice", reference_bomb(24)),
    "ref-cycle": ("a schema that is itself", schema({"$ref": "#"})),
    "all-of-bomb": ("every choice with every other", all_of_bomb(12)),
}


def again_and_again(wanted: Format) -> Callable[[Attack], Awaitable[None]]:
    """Several at once, each followed to its end and sent again."""

    async def attack(given: Attack) -> None:
        async def once(_: int) -> None:
            accepted = await given.me.ask("a", response_format=wanted, max_tokens=32)
            if accepted is not None:
                await given.me.follow(accepted["job_id"])

        await given.again(4, once, given.share(40))

    return attack


async def all_together(attack: Attack) -> None:
    """All of them from everybody, each in a conversation of its own."""
    formats = [wanted for _, wanted in GRAMMARS.values()]
    callers = [attack.me, *attack.crowd]

    async def once(number: int) -> None:
        caller = callers[number % len(callers)]
        accepted = await caller.ask("a", response_format=formats[number % len(formats)])
        if accepted is not None:
            await caller.follow(accepted["job_id"])

    await attack.again(8, once)


async def many_of_16_kb(attack: Attack) -> None:
    """Conversations with a large grammar each; the answers are read, so that they all run."""

    async def once(_: int) -> None:
        wanted = own_16_kb(secrets.token_hex(4))
        accepted = await attack.me.ask("a", response_format=wanted, max_tokens=64)
        if accepted is not None:
            await attack.me.follow(accepted["job_id"])

    await attack.again(8, once)


SCENARIOS: Final = (
    *(
        Scenario(
            f"grammar-{name}",
            f"A form is asked for: {what}.",
            again_and_again(wanted),
        )
        for name, (what, wanted) in GRAMMARS.items()
    ),
    Scenario(
        "grammars-together",
        "All hostile forms, from everybody, again and again.",
        all_together,
        is_probed_short=True,
    ),
    Scenario(
        "grammars-of-16-kb", "Many conversations, each with a large form of its own.", many_of_16_kb
    ),
)
