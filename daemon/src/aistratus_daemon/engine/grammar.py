"""An answer's form as an llguidance matcher, which bounds its own work.

A form comes from a caller, so it is a stranger's program. llguidance's Earley parser needs
exponential time for no grammar, and stops at its own limits for items, lexer states and size; what
could get past those while compiling is refused beforehand (`repetitions`, `gbnf`).
"""

import json
from collections.abc import Sequence
from typing import Any, Final

import llguidance

from aistratus_contracts.errors import JobErrorCode
from aistratus_contracts.job import ResponseFormat
from aistratus_contracts.repetitions import wrong_in_grammar, wrong_in_schema
from aistratus_contracts.states import ResponseFormatType
from aistratus_daemon.engine.gbnf import to_lark
from aistratus_daemon.errors import RequestRefused

# A schema's whitespace: what llama.cpp's own converter allows, so that no answer runs on in blanks.
_WHITESPACE: Final = r" |\n{1,2}[ \t]{0,20}"
# `x-guidance` in a caller's schema sets these too; the values here come last and win.
_SCHEMA_OPTIONS: Final[Any] = {
    "item_separator": ",",
    "key_separator": ":",
    "whitespace_flexible": True,
    "whitespace_pattern": _WHITESPACE,
    "coerce_one_of": True,
    "lenient": False,
}
# Begins the stand-in text of a control token: the matcher never takes it for text.
_MARK: Final = b"\xff"
_SHOWN_CHARS: Final = 160


def limits() -> llguidance.LLParserLimits:
    """What one form may cost. A lexer state takes some 2 kB; 20,000 items take a millisecond."""
    return llguidance.LLParserLimits(
        max_items_in_row=1_000,
        initial_lexer_fuel=200_000,
        step_lexer_fuel=50_000,
        step_max_items=40_000,
        max_lexer_states=10_000,
        max_grammar_size=100_000,
        precompute_large_lexemes=False,
        verbose_errors=False,
    )


def new_tokenizer(pieces: Sequence[bytes], ends: Sequence[int]) -> llguidance.LLTokenizer:
    """The vocabulary as the matcher knows it: each token's text, empty for a control token."""
    tokens = [piece or _MARK + str(token).encode() for token, piece in enumerate(pieces)]
    known = llguidance.TokenizerWrapper(_Vocabulary(tokens, ends[0]))
    return llguidance.LLTokenizer(known, eos_token=list(ends))


class _Vocabulary:
    """A vocabulary as `TokenizerWrapper` wants it."""

    bos_token_id = None
    special_token_ids: tuple[int, ...] = ()

    def __init__(self, tokens: list[bytes], end: int) -> None:
        self.tokens = tokens
        self.eos_token_id = end
        self._ids = {text: token for token, text in reversed(list(enumerate(tokens)))}
        self._longest = max(map(len, tokens))

    def __call__(self, text: bytes) -> list[int]:
        """Tokenize text that a form leaves no choice about, always by the longest token."""
        found: list[int] = []
        position = 0
        while position < len(text):
            longest = min(self._longest, len(text) - position)
            for length in range(longest, 0, -1):
                token = self._ids.get(text[position : position + length])
                if token is not None:
                    break
            else:
                return found
            found.append(token)
            position += length
        return found


def compiled(wanted: ResponseFormat) -> str:
    """The form as the matcher's grammar; raises `RequestRefused`."""
    if wanted.type is ResponseFormatType.GRAMMAR:
        if "\0" in wanted.grammar:
            raise refused("it holds a zero character")
        if (wrong := wrong_in_grammar(wanted.grammar)) is not None:
            raise refused(wrong)
        return llguidance.LLMatcher.grammar_from_lark(to_lark(wanted.grammar))
    if wanted.type is ResponseFormatType.JSON_SCHEMA:
        return _from_schema(wanted.schema)
    return _from_schema('{"type": "object"}')


def _from_schema(text: str) -> str:
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError):
        raise refused("the schema is no JSON") from None
    if (wrong := wrong_in_schema(schema)) is not None:
        raise refused(wrong)
    _check_references(schema)
    if not _holds(schema, "allOf"):
        _close_objects(schema)
    return llguidance.LLMatcher.grammar_from_json_schema(schema, overrides=_SCHEMA_OPTIONS)


def _check_references(node: Any) -> None:
    if isinstance(node, dict):
        target = node.get("$ref")
        if isinstance(target, str) and target != "#" and not target.startswith("#/"):
            raise refused("a $ref must point into the schema itself, as #/$defs/name")
    for item in _children(node):
        _check_references(item)


def _close_objects(node: Any) -> None:
    """Allow an object only the properties it names, unless the schema says otherwise."""
    if isinstance(node, dict) and isinstance(node.get("properties"), dict):
        node.setdefault("additionalProperties", False)
    for item in _children(node):
        _close_objects(item)


def _holds(node: Any, key: str) -> bool:
    is_here = isinstance(node, dict) and key in node
    return is_here or any(_holds(item, key) for item in _children(node))


def _children(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return list(node.values())
    return node if isinstance(node, list) else []


def new_matcher(tokenizer: llguidance.LLTokenizer, grammar: str) -> llguidance.LLMatcher:
    """A matcher at a form's beginning; raises `RequestRefused`. Other threads run meanwhile."""
    matcher = llguidance.LLMatcher(tokenizer, grammar, log_level=0, limits=limits())
    if matcher.is_error():
        raise refused(_reason(matcher.get_error()))
    return matcher


def refused(why: str) -> RequestRefused:
    """The refusal of an unusable form."""
    return RequestRefused(
        JobErrorCode.INVALID_GRAMMAR, f"The answer's format cannot be used: {why}."
    )


def too_costly() -> RequestRefused:
    """The refusal of a form that costs more than one answer may."""
    return RequestRefused(
        JobErrorCode.GRAMMAR_TOO_COSTLY,
        "The answer's format takes too long to follow; ask for fewer choices at once.",
    )


def _reason(said: str) -> str:
    """The first line of the matcher's complaint; the rest shows the caller's text."""
    line = said.strip().partition("\n")[0]
    return line.rstrip(".")[:_SHOWN_CHARS] or "it does not parse"
