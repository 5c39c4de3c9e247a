"""What an answer must look like: `response_format`, by OpenAI's names and llama-server's.

What a schema or a grammar says is the engine's to judge; here it is only kept whole. But one whose
counted repetitions go beyond all bounds is refused here: that costs nothing to see.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from aistratus_contracts import codec
from aistratus_contracts.limits import MAX_GRAMMAR_BYTES, MAX_REPETITIONS
from aistratus_contracts.repetitions import wrong_in_grammar, wrong_in_schema
from aistratus_router.wire.strict import Strict

FORMAT_TYPES: Final = ("text", "json_object", "json_schema", "grammar")
_AT_MOST: Final = f"{MAX_GRAMMAR_BYTES // 1024} KiB in UTF-8 at most"


def _bounded(text: str) -> str:
    """A text that a job may carry; raises ValueError for a larger one."""
    size = len(text.encode())
    if size > MAX_GRAMMAR_BYTES:
        raise ValueError(f"It has {size} bytes; send {MAX_GRAMMAR_BYTES} at most.")
    return text


def _grammar(text: str) -> str:
    """A grammar that a job may carry; raises ValueError."""
    return _with_right_counts(_bounded(text), wrong_in_grammar(text))


def _with_right_counts(text: str, wrong: str | None) -> str:
    if wrong is not None:
        raise ValueError(f"It cannot be used: {wrong}.")
    return text


def _schema_text(value: Any) -> str:
    """A schema as compact JSON text: nothing is lost, and its keys keep the caller's order.

    Raises ValueError for what is no object, too large, or cannot be written as JSON.
    """
    if not isinstance(value, dict):
        raise ValueError("A JSON Schema is an object here.")  # noqa: TRY004 - Pydantic's way
    try:
        text = codec.dumps(value)
    except RecursionError:
        raise ValueError("It is nested too deeply; send a flatter one.") from None
    except ValueError:
        raise ValueError("It holds a number beyond all bounds; send a smaller one.") from None
    try:
        return _with_right_counts(_bounded(text), wrong_in_schema(value))
    except UnicodeEncodeError:
        raise ValueError("It holds half a character; send whole ones.") from None


class TextFormat(Strict):
    """Any text, as without a `response_format`."""

    type: Literal["text"]


class JsonObjectFormat(Strict):
    """A JSON object; which, the prompt should say."""

    type: Literal["json_object"]


class JsonSchemaIn(Strict):
    """A JSON Schema, and what OpenAI's clients say of it."""

    schema_text: Annotated[
        str,
        BeforeValidator(_schema_text),
        WithJsonSchema({"type": "object"}),
        Field(
            alias="schema",
            description=(
                f"The JSON Schema, {_AT_MOST} when written without spaces. The answer has an "
                "object's properties in this order. A `$ref` must point into the schema itself."
            ),
        ),
    ]
    name: Annotated[str | None, Field(description="For you; it changes nothing.")] = None
    description: Annotated[str | None, Field(description="For you; it changes nothing.")] = None
    strict: Annotated[
        bool | None, Field(description="Changes nothing: an answer always follows the schema.")
    ] = None


class JsonSchemaFormat(Strict):
    """JSON that follows a schema."""

    type: Literal["json_schema"]
    json_schema: JsonSchemaIn


class GrammarFormat(Strict):
    """Text that follows a grammar."""

    type: Literal["grammar"]
    grammar: Annotated[
        str,
        Field(
            min_length=1,
            description=(
                f"In llama.cpp's GBNF; it begins at its rule `root`. {_AT_MOST}; a count in it is "
                f"{MAX_REPETITIONS} at most."
            ),
        ),
        AfterValidator(_grammar),
    ]


AnyFormat = Annotated[
    TextFormat | JsonObjectFormat | JsonSchemaFormat | GrammarFormat, Field(discriminator="type")
]
