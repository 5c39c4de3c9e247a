"""llama.cpp's grammar language means here what it means to llama.cpp."""

import ctypes
import random

import llama_cpp
import llguidance
import numpy as np
import pytest

from aistratus_daemon.engine import grammar
from aistratus_daemon.engine.candidates import Candidates
from aistratus_daemon.engine.gbnf import MAX_SYMBOLS, to_lark
from aistratus_daemon.engine.llama import Llama
from aistratus_daemon.errors import RequestRefused

JSON = r"""
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws
object ::=
  "{" ws (
            string ":" ws value
    ("," ws string ":" ws value)*
  )? "}" ws
array  ::=
  "[" ws (
            value
    ("," ws value)*
  )? "]" ws
string ::=
  "\"" (
    [^"\\\x7F\x00-\x1F] |
    "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) # escapes
  )* "\"" ws
number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws
ws ::= | " " | "\n" [ \t]{0,20}
"""
# Name, grammar, and texts that try it.
CASES = {
    "a repetition before its own end": (
        'root ::= w "ing"\nw ::= [a-z]+',
        ["singing", "ing", "sing", "sin"],
    ),
    "words that begin alike": (
        'root ::= ("in" | "int" | "inter") "er"?',
        ["inter", "inner", "inte"],
    ),
    "numbers of times": ('root ::= "ab"{2,3} "c"{2} "d"{1,}', ["ababccd", "abccd", "abababccddd"]),
    "an optional group": ('root ::= ("a" ("b" "c"?)?)? "d"', ["d", "ad", "abd", "abcd", "acd"]),
    "classes": (r'root ::= [^a-z\n\]]+ [\x41-\x43é-ü-] "."', ["XYA.", "1é.", "a.", "?-."]),
    "escapes": (r'root ::= "\"\\\t\n\x41\u00e9\U0001F600" .', ['"\\\t\nAé😀\n', "no"]),
    "names": ('root ::= a-b\na-b ::= A-b\nA-b ::= "x" | a-B\na-B ::= "y"', ["x", "y", "z"]),
    "many groups in groups": (
        "root ::= " + "(" * 60 + '"a"' + ' "b")?' * 60,
        ["a", "ab", "abb", "b", "abbbbbbbb"],
    ),
    "an empty choice": ('root ::= "a" | ', ["a", "", "b"]),
    "recursion": ('root ::= "(" root ")" | "x"', ["x", "((x))", "((x)", "()"]),
    "JSON": (JSON, ['{"a": [1, 2.5e+3, "\\u00e9"]}', "{}", "{,}", '{"a":\n  null }', "[1]"]),
}


def of_llama_cpp(llama: Llama, source: str, tokens: list[int]) -> tuple[int, bool]:
    """How many of the tokens llama.cpp's own matcher takes, and whether it could end there."""
    vocabulary = llama.vocabulary
    sampler = llama_cpp.llama_sampler_init_grammar(vocabulary.vocab, source.encode(), b"root")
    assert sampler
    one = Candidates(1)

    def is_allowed(token: int) -> bool:
        one.fill_one(token)
        llama_cpp.llama_sampler_apply(sampler, one.pointer)
        return bool(one._items["logit"][0] > -np.inf)

    taken = 0
    for token in tokens:
        if not is_allowed(token):
            break
        llama_cpp.llama_sampler_accept(sampler, token)
        taken += 1
    can_end = is_allowed(min(vocabulary.end_tokens))
    llama_cpp.llama_sampler_free(sampler)
    return taken, can_end


def of_ours(tokenizer: llguidance.LLTokenizer, source: str, tokens: list[int]) -> tuple[int, bool]:
    text = llguidance.LLMatcher.grammar_from_lark(to_lark(source))
    matcher = grammar.new_matcher(tokenizer, text)
    taken = matcher.try_consume_tokens(tokens)
    return taken, matcher.is_accepting()


@pytest.fixture(scope="module")
def tokenizer(llama: Llama) -> llguidance.LLTokenizer:
    vocabulary = llama.vocabulary
    pieces = [vocabulary.piece(token) for token in range(vocabulary.size)]
    return grammar.new_tokenizer(pieces, sorted(vocabulary.end_tokens))


def tokens_of(llama: Llama, text: str) -> list[int]:
    """Text as tokens, with nothing put before it."""
    raw = text.encode()
    found = (ctypes.c_int32 * (len(raw) * 2 + 8))()
    count = llama_cpp.llama_tokenize(
        llama.vocabulary.vocab, raw, len(raw), found, len(found), False, False
    )
    pieces = [llama.vocabulary.piece(token) for token in found[:count]]
    assert b"".join(pieces).lstrip() == raw.lstrip()
    return list(found[:count])


@pytest.mark.parametrize("name", CASES)
def test_both_matchers_take_the_same_tokens(
    llama: Llama, tokenizer: llguidance.LLTokenizer, name: str
) -> None:
    source, texts = CASES[name]
    # A vocabulary may write a blank before a text's first word: the grammar must know of it.
    opened = source.replace("root ::=", 'root ::= " "? (', 1)
    line_end = opened.find("\n", opened.find("root ::="))
    opened = f"{opened} )" if line_end < 0 else f"{opened[:line_end]} ){opened[line_end:]}"
    if name == "JSON":
        opened = source
    for text in texts:
        tokens = tokens_of(llama, text)
        if name == "JSON" and llama.vocabulary.piece(tokens[0]) == b" ":
            tokens = tokens[1:]
        for length in range(len(tokens) + 1):
            said = of_ours(tokenizer, opened, tokens[:length])
            assert said == of_llama_cpp(llama, opened, tokens[:length]), (text, length)


def test_both_matchers_take_the_same_random_tokens(
    llama: Llama, tokenizer: llguidance.LLTokenizer
) -> None:
    draw = random.Random(5)  # noqa: S311
    source = 'root ::= ("a" | "b" root? | [c-e]{1,3} | "\\n" | " ")+ "." | "a" root "b"'
    letters = [
        token for token in range(llama.vocabulary.size) if len(llama.vocabulary.piece(token)) < 4
    ]
    letters = [
        token for token in letters if set(llama.vocabulary.piece(token)) <= set(b"abcde. \n")
    ]
    letters = [token for token in letters if llama.vocabulary.piece(token)]
    for _ in range(200):
        tokens = draw.choices(letters, k=draw.randint(1, 12))
        assert of_ours(tokenizer, source, tokens) == of_llama_cpp(llama, source, tokens)


WRONG = {
    "nothing here": "::= is missing in line 1",
    'start ::= "a"': "it has no rule named root",
    "root ::= other": "it names the rule other",
    'root ::= root "a"': "no text can ever follow it",
    'root ::= "a': "has no end in line 1",
    'root ::= "a"\nroot ::= "b"': "the rule root stands twice",
    'root ::= ("a"': "a closing parenthesis is missing",
    'root ::= "a")': "a rule's end is expected",
    "root ::= [z-a]": "ends before it begins",
    "root ::= []": "is empty",
    r'root ::= "\q"': "an escape is not one of the language",
    r'root ::= "\uD800"': "an escape names no character",
    'root ::= "a"{1': "a count is no good",
    'root ::= "a"{3,1}': "at least 3 and at most 1",
    "root ::= <[5]>": "tokens cannot be named",
    "root ::= " + "(" * 65 + '"a"' + ")" * 65: "deeper than 64",
    'root ::= ("a"{200}){200}': "its repetitions are too many",
}


@pytest.mark.parametrize("source", WRONG)
def test_what_is_wrong_is_said(source: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        to_lark(source)
    assert WRONG[source] in str(refused.value)


def test_what_comes_out_is_bounded() -> None:
    with pytest.raises(RequestRefused, match="grows too large"):
        to_lark(
            "root ::= "
            + " ".join(f"r{n}" for n in range(100))
            + "\n"
            + "\n".join(f'r{n} ::= "a"{{256}}' for n in range(100))
        )
    assert MAX_SYMBOLS < 100 * 256
