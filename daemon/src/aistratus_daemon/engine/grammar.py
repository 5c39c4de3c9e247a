"""What an answer must look like, as llama.cpp's grammar sampler.

A grammar comes from a caller, so it is a stranger's program: its size and its nesting are bounded
before llama.cpp, which parses by recursion, gets to see it.
"""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import llama_cpp
from llama_cpp.llama_grammar import json_schema_to_gbnf

from aistratus_contracts.errors import JobErrorCode
from aistratus_contracts.job import ResponseFormat
from aistratus_contracts.states import ResponseFormatType
from aistratus_daemon.engine.vocabulary import Vocabulary
from aistratus_daemon.errors import RequestRefused

# A schema's rules are longer than the schema; past this a grammar is too slow to follow.
MAX_COMPILED_CHARS: Final = 256 * 1024
MAX_NESTING: Final = 64
# Repetitions are written out, each a copy of its rule.
MAX_REPETITIONS: Final = 256
_COUNTS: Final = ("minItems", "maxItems", "minLength", "maxLength")
_ANY_OBJECT: Final = '{"type": "object"}'
_STDERR: Final = 2
_SHOWN_CHARS: Final = 120


def new_sampler(vocabulary: Vocabulary, wanted: ResponseFormat) -> Any:
    """llama.cpp's sampler for that format; raises `RequestRefused`."""
    source = to_gbnf(wanted)
    with _captured_stderr() as said:
        sampler = llama_cpp.llama_sampler_init_grammar(vocabulary.vocab, source.encode(), b"root")
    if not sampler:
        raise _refused(f"it does not parse{_reason(said)}")
    return sampler


def to_gbnf(wanted: ResponseFormat) -> str:
    """The format as a GBNF grammar with the rule `root`; raises `RequestRefused`."""
    if wanted.type is ResponseFormatType.GRAMMAR:
        source = wanted.grammar
    elif wanted.type is ResponseFormatType.JSON_SCHEMA:
        source = _from_schema(wanted.schema)
    else:
        source = _from_schema(_ANY_OBJECT)
    if "\0" in source:
        raise _refused("it holds a zero character")
    if len(source) > MAX_COMPILED_CHARS:
        raise _refused("it grows too large; ask for less at once")
    if _nesting(source) > MAX_NESTING:
        raise _refused(f"it nests deeper than {MAX_NESTING} levels")
    return source


def _from_schema(text: str) -> str:
    try:
        schema = json.loads(text)
        _check_schema(schema, MAX_NESTING)
        return str(json_schema_to_gbnf(json.dumps(schema)))
    except RequestRefused:
        raise
    except RecursionError:
        raise _refused("the schema refers to itself without an end") from None
    except Exception as error:
        # The converter raises what it likes; a stranger's schema is none of the engine's troubles.
        raise _refused(f"the schema is not one that can be followed ({error!r:.80})") from error


def _check_schema(node: Any, levels: int) -> None:
    if levels == 0:
        raise _refused(f"the schema nests deeper than {MAX_NESTING} levels")
    if isinstance(node, dict):
        for key, item in node.items():
            if key in _COUNTS and isinstance(item, int) and item > MAX_REPETITIONS:
                raise _refused(f"{key} is at most {MAX_REPETITIONS}")
            if key == "$ref" and isinstance(item, str) and not item.startswith("#/"):
                raise _refused("a $ref must point into the schema itself, as #/$defs/name")
            _check_schema(item, levels - 1)
    elif isinstance(node, list):
        for item in node:
            _check_schema(item, levels - 1)


def _nesting(source: str) -> int:
    """How deep the parentheses go, strings and character classes left out."""
    plain = re.sub(r'"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]|#[^\n]*', "", source)
    deepest = depth = 0
    for sign in plain:
        depth += (sign == "(") - (sign == ")")
        deepest = max(deepest, depth)
    return deepest


@contextmanager
def _captured_stderr() -> Iterator[list[str]]:
    """What llama.cpp's parser writes there: it would put the caller's text into the log.

    Our own log goes to a copy of standard error, so nothing of it is caught.
    """
    said: list[str] = []
    kept = os.dup(_STDERR)
    caught = os.memfd_create("grammar")
    try:
        os.dup2(caught, _STDERR)
        yield said
    finally:
        os.dup2(kept, _STDERR)
        os.close(kept)
        text = os.pread(caught, 4096, 0).decode(errors="replace")
        os.close(caught)
        said.extend(text.splitlines())


def _reason(said: list[str]) -> str:
    found = next((line for line in said if "error parsing grammar: " in line), "")
    reason = found.partition("error parsing grammar: ")[2][:_SHOWN_CHARS]
    return f" ({reason})" if reason else ""


def _refused(why: str) -> RequestRefused:
    return RequestRefused(
        JobErrorCode.INVALID_GRAMMAR, f"The answer's format cannot be used: {why}."
    )
