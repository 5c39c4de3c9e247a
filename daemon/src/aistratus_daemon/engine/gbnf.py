"""Translates llama.cpp's grammar language, GBNF, into the matcher's.

The matcher works on lexemes: a lexeme takes as much text as it can, which is not what a grammar of
characters means (`[a-z]+ "ing"` has to find the end of "singing"). So each character becomes a
lexeme of its own, and rules stay rules; then both mean the same.

The result is bounded: nesting, rules, and symbols with counted repetitions written out.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from aistratus_contracts.errors import JobErrorCode
from aistratus_daemon.errors import RequestRefused

MAX_NESTING: Final = 64
# Each symbol costs the matcher some 100 bytes and a microsecond, at each step.
MAX_SYMBOLS: Final = 20_000

_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
_COUNT: Final = re.compile(r"\{[ \t]*+([0-9]{1,9})[ \t]*+(?:(,)[ \t]*+([0-9]{0,9}))?[ \t]*+\}")
_BLANK: Final = re.compile(r"(?:[ \t]|#[^\r\n]*+)*+")
_BLANK_LINES: Final = re.compile(r"(?:[ \t\r\n]|#[^\r\n]*+)*+")
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "[": "[", "]": "]"}
_HEX_DIGITS: Final = {"x": 2, "u": 4, "U": 8}
_LAST_CODE_POINT: Final = 0x10FFFF
_SURROGATES: Final = range(0xD800, 0xE000)
_ROOT: Final = "root"
_ANY: Final = "/(?s:.)/"


class _Wrong(Exception):
    """What is wrong with the grammar, in words that end a sentence."""


@dataclass(slots=True)
class _Term:
    """A piece of a rule: its text in the matcher's language, and what it is made of.

    `symbols` counts repetitions as written out. `ends` says whether some finite text matches it,
    given the rules that are known to match one.
    """

    text: str
    symbols: int
    ends: Callable[[set[str]], bool]


def _always(_known: set[str]) -> bool:
    return True


@dataclass
class _Parser:
    """Reads a grammar from left to right; the nesting of groups is bounded."""

    source: str
    position: int = 0
    depth: int = 0
    rules: dict[str, _Term] = field(default_factory=dict)
    named: dict[str, set[str]] = field(default_factory=dict)
    lifted: dict[str, list[str]] = field(default_factory=dict)
    current: str = ""

    def grammar(self) -> None:
        self._skip(lines=True)
        while self.position < len(self.source):
            self._rule()
            self._skip(lines=True)

    def _rule(self) -> None:
        name = self._name()
        self._skip()
        if not self.source.startswith("::=", self.position):
            raise self._wrong("::= is missing")
        self.position += 3
        self._skip(lines=True)
        if name in self.rules:
            raise _Wrong(f"the rule {name} stands twice")
        self.current = name
        self.named[name] = set()
        self.lifted[name] = []
        self.rules[name] = self._alternatives()
        if self._here() not in ("", "\r", "\n"):
            raise self._wrong("a rule's end is expected")

    def _alternatives(self) -> _Term:
        choices = [self._sequence()]
        while self._here() == "|":
            self.position += 1
            self._skip(lines=True)
            choices.append(self._sequence())
        return _Term(
            " | ".join(choice.text for choice in choices),
            sum(choice.symbols for choice in choices),
            lambda known: any(choice.ends(known) for choice in choices),
        )

    def _sequence(self) -> _Term:
        parts: list[_Term] = []
        while (part := self._atom()) is not None:
            self._skip(lines=self.depth > 0)
            parts.append(self._repeated(part))
            self._skip(lines=self.depth > 0)
        return _Term(
            " ".join(part.text for part in parts) or '""',
            1 + sum(part.symbols for part in parts),
            lambda known: all(part.ends(known) for part in parts),
        )

    def _atom(self) -> _Term | None:
        match self._here():
            case '"':
                return self._literal()
            case "[":
                return self._character_class()
            case "(":
                return self._group()
            case ".":
                self.position += 1
                return _Term(_ANY, 1, _always)
            case "<" | "!":
                raise self._wrong("tokens cannot be named in a grammar here")
            case sign if _NAME.match(sign):
                name = self._name()
                self.named[self.current].add(name)
                return _Term(_rule_name(name), 1, lambda known: name in known)
            case _:
                return None

    def _repeated(self, part: _Term) -> _Term:
        while (bounds := self._bounds()) is not None:
            low, high = bounds
            times = max(low, 1) if high is None else max(high, 1)
            symbols = part.symbols * times + 1
            if symbols > MAX_SYMBOLS:
                raise _Wrong("its repetitions are too many; ask for less at once")
            most = "" if high is None else str(high)
            text = '""' if high == 0 else f"({part.text}){{{low},{most}}}"
            part = _Term(text, symbols, part.ends if low else _always)
            self._skip(lines=self.depth > 0)
        return part

    def _bounds(self) -> tuple[int, int | None] | None:
        simple: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        sign = self._here()
        if sign in simple:
            self.position += 1
            return simple[sign]
        if sign != "{":
            return None
        found = _COUNT.match(self.source, self.position)
        if found is None:
            raise self._wrong("a count is no good")
        self.position = found.end()
        least, comma, most = found.groups()
        low = int(least)
        if not comma:
            return low, low
        high = int(most) if most else None
        if high is not None and high < low:
            raise _Wrong(f"it repeats something at least {low} and at most {high} times")
        return low, high

    def _group(self) -> _Term:
        if self.depth == MAX_NESTING:
            raise _Wrong(f"it nests deeper than {MAX_NESTING} levels")
        self.position += 1
        self.depth += 1
        self._skip(lines=True)
        inner = self._alternatives()
        if self._here() != ")":
            raise self._wrong("a closing parenthesis is missing")
        self.position += 1
        self.depth -= 1
        # A rule of its own, because the matcher's language limits nesting.
        lifted = self.lifted[self.current]
        name = f"{_rule_name(self.current)}_g{len(lifted)}"
        lifted.append(f"{name}: {inner.text}")
        return _Term(name, inner.symbols, inner.ends)

    def _literal(self) -> _Term:
        self.position += 1
        signs: list[str] = []
        while self._here() != '"':
            signs.append(json.dumps(self._character(), ensure_ascii=False))
        self.position += 1
        # In parentheses, so that a count after it applies to the whole.
        text = f"({' '.join(signs)})" if len(signs) > 1 else "".join(signs) or '""'
        return _Term(text, max(len(signs), 1), _always)

    def _character_class(self) -> _Term:
        self.position += 1
        is_negated = self._here() == "^"
        self.position += is_negated
        ranges: list[str] = []
        while self._here() != "]":
            low = high = ord(self._character())
            if self._here() == "-" and self.source[self.position + 1 : self.position + 2] != "]":
                self.position += 1
                high = ord(self._character())
            if high < low:
                raise self._wrong("a range of characters ends before it begins")
            ranges.append(f"\\x{{{low:x}}}-\\x{{{high:x}}}")
        self.position += 1
        if not ranges:
            if is_negated:
                return _Term(_ANY, 1, _always)
            raise self._wrong("a class of characters is empty")
        sign = "^" if is_negated else ""
        return _Term(f"/[{sign}{''.join(ranges)}]/", 1, _always)

    def _character(self) -> str:
        sign = self._here()
        if not sign:
            raise self._wrong("a string or a class of characters has no end")
        self.position += 1
        if sign != "\\":
            return sign
        escape = self._here()
        self.position += 1
        if escape in _ESCAPES:
            return _ESCAPES[escape]
        length = _HEX_DIGITS.get(escape, 0)
        digits = self.source[self.position : self.position + length]
        self.position += length
        if not length or not re.fullmatch(r"[0-9A-Fa-f]+", digits) or len(digits) != length:
            raise self._wrong("an escape is not one of the language")
        code = int(digits, 16)
        if code > _LAST_CODE_POINT or code in _SURROGATES:
            raise self._wrong("an escape names no character")
        return chr(code)

    def _name(self) -> str:
        found = _NAME.match(self.source, self.position)
        if found is None:
            raise self._wrong("a rule's name is expected")
        self.position = found.end()
        return found.group()

    def _skip(self, *, lines: bool = False) -> None:
        blank = _BLANK_LINES if lines else _BLANK
        found = blank.match(self.source, self.position)
        assert found is not None  # noqa: S101 - it matches nothing, too
        self.position = found.end()

    def _here(self) -> str:
        return self.source[self.position : self.position + 1]

    def _wrong(self, what: str) -> _Wrong:
        line = self.source.count("\n", 0, self.position) + 1
        return _Wrong(f"{what} in line {line}")


def to_lark(source: str) -> str:
    """The grammar in the matcher's language; raises `RequestRefused`."""
    parser = _Parser(source)
    try:
        parser.grammar()
        return _text(parser)
    except _Wrong as wrong:
        raise RequestRefused(
            JobErrorCode.INVALID_GRAMMAR, f"The answer's format cannot be used: {wrong}."
        ) from None


def _text(parser: _Parser) -> str:
    rules, named = parser.rules, parser.named
    if _ROOT not in rules:
        raise _Wrong("it has no rule named root")
    reached = _reached(named)
    missing = next((name for name in sorted(reached) if name not in rules), None)
    if missing is not None:
        raise _Wrong(f"it names the rule {missing[:40]}, and has none of that name")
    if sum(rules[name].symbols for name in reached) > MAX_SYMBOLS:
        raise _Wrong("it grows too large; ask for less at once")
    if _ROOT not in _ending({name: rules[name] for name in reached}, named):
        raise _Wrong("no text can ever follow it to an end")
    lines = ["%llguidance {}"]
    for name in rules:
        if name in reached:
            lines += [f"{_rule_name(name)}: {rules[name].text}", *parser.lifted[name]]
    return "\n".join([*lines, ""])


def _reached(named: dict[str, set[str]]) -> set[str]:
    reached, unseen = {_ROOT}, [_ROOT]
    while unseen:
        fresh = named.get(unseen.pop(), set()) - reached
        reached |= fresh
        unseen.extend(fresh)
    return reached


def _ending(rules: dict[str, _Term], named: dict[str, set[str]]) -> set[str]:
    """The rules that some finite text matches."""
    namers: dict[str, list[str]] = {name: [] for name in rules}
    for name in rules:
        for other in named[name]:
            namers[other].append(name)
    known: set[str] = set()
    unseen = list(rules)
    while unseen:
        name = unseen.pop()
        if name not in known and rules[name].ends(known):
            known.add(name)
            unseen.extend(namers[name])
    return known


def _rule_name(name: str) -> str:
    """A name that the matcher takes for a rule's, unique for each rule of the grammar."""
    if name == _ROOT:
        return "start"
    # The matcher takes lower-case names for rules, and upper-case ones for lexemes.
    return "r_" + "".join(sign if sign.islower() else f"_{ord(sign):x}_" for sign in name)
