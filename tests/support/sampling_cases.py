"""For every field that steers sampling, a request whose answer the field changes."""

from typing import Any, Final

QUESTION: Final = "Tell me about the whole journey of a prompt"
LIKELIEST: Final[dict[str, Any]] = {"temperature": 0, "max_tokens": 120}
# Two tokens and no others, neither far ahead.
TIED: Final[dict[str, Any]] = {**LIKELIEST, "logit_bias": {"300": 100, "301": 100}}
WILD: Final[dict[str, Any]] = {
    "temperature": 2,
    "top_p": 1,
    "top_k": 0,
    "min_p": 0,
    "seed": 1,
    "max_tokens": 40,
}
# The other fields of the request, and the field's own value.
CASES: Final[dict[str, tuple[dict[str, Any], Any]]] = {
    "max_tokens": (LIKELIEST, 3),
    "temperature": (WILD, 0.1),
    "top_p": (WILD, 0.1),
    "top_k": (WILD, 1),
    "min_p": (WILD, 1),
    "repeat_penalty": (LIKELIEST, 2),
    "frequency_penalty": (LIKELIEST, 2),
    "presence_penalty": (TIED, 2),
    "seed": (WILD, 2),
    "stop": (LIKELIEST, ["gateway"]),
    "logit_bias": (LIKELIEST, {"300": 100}),
    "response_format": (LIKELIEST, {"type": "grammar", "grammar": 'root ::= "yes"'}),
}
