"""The model's own chat template, rendered where it can do no harm.

A template comes with a model file, so it is a stranger's program: it runs in Jinja2's immutable
sandbox and reaches nothing but the messages.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from aistratus_contracts.errors import JobErrorCode
from aistratus_contracts.job import Message
from aistratus_contracts.states import Role
from aistratus_daemon.errors import ModelError, RequestRefused

# How long the prompt of a few words may get; templates with tools and dates write some thousands.
MAX_SAMPLE_CHARS: Final = 65_536
MAX_FAULT_CHARS: Final = 300
_SAMPLE: Final = tuple(
    Message(role, "Hello") for role in (Role.SYSTEM, Role.USER, Role.ASSISTANT, Role.USER)
)

# One prompt's loop rounds and macro calls, and the characters of one text in it.
MAX_STEPS: Final = 100_000
MAX_CHARS: Final = 32 * 1024 * 1024


class _Sandbox(ImmutableSandboxedEnvironment):
    """Counts a template's steps, so that if it runs on for some messages, only their job fails."""

    intercepted_binops = frozenset({"*", "**", "+", "%"})
    steps = 0

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" or (
            operator in "*%"
            and not (isinstance(left, int | float) and isinstance(right, int | float))
        ):
            raise jinja2.TemplateRuntimeError(f"{operator} is for plain numbers here.")
        result = super().call_binop(context, operator, left, right)
        if hasattr(result, "__len__") and len(result) > MAX_CHARS:
            raise jinja2.TemplateRuntimeError("Its text gets too long.")
        return result

    def step(self) -> str:
        """Called in each round of a loop and each call of a macro."""
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise jinja2.TemplateRuntimeError("It runs too long.")
        return ""

    def concat(self, parts: Iterable[str]) -> str:
        """Join what is written, as Jinja2 asks, within `MAX_CHARS`."""
        chars, kept = 0, []
        for part in parts:
            chars += len(part)
            if chars > MAX_CHARS:
                raise jinja2.TemplateRuntimeError("Its text gets too long.")
            kept.append(part)
        return "".join(kept)

    def _generate(self, source: nodes.Template, *args: Any, **more: Any) -> str:
        looping: list[nodes.For | nodes.Macro] = [
            *source.find_all(nodes.For),
            *source.find_all(nodes.Macro),
        ]
        for node in looping:
            call = nodes.Call(nodes.EnvironmentAttribute("step"), [], [], None, None)
            node.body.insert(0, nodes.ExprStmt(call, lineno=node.lineno))
        return super()._generate(source, *args, **more)


class ChatTemplate:
    """Messages to prompt text."""

    def __init__(self, source: str, *, bos: str, eos: str) -> None:
        environment = self._environment = _Sandbox(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.globals["raise_exception"] = _refuse
        environment.globals["strftime_now"] = lambda pattern: datetime.now(UTC).strftime(pattern)
        try:
            self._template = environment.from_string(source)
        except jinja2.TemplateError as error:
            raise ModelError(
                f"The model file's chat template does not parse ({error}); use another file."
            ) from error
        self._specials = {"bos_token": bos, "eos_token": eos}

    def render(self, messages: Sequence[Message]) -> str:
        """The prompt up to where the answer begins; raises `RequestRefused`."""
        self._environment.steps = 0
        plain = [{"role": item.role.value, "content": item.content} for item in messages]
        try:
            return self._template.render(
                messages=plain, add_generation_prompt=True, **self._specials
            )
        except (
            jinja2.TemplateError,
            TypeError,
            ValueError,
            ArithmeticError,
            LookupError,
            RecursionError,
        ) as error:
            raise RequestRefused(
                JobErrorCode.TEMPLATE_FAILED,
                f"The model's chat template refused these messages: {error}",
            ) from error

    def sample_fault(self) -> str:
        """What is wrong with a sample conversation's prompt; a model may know no system role."""
        fault = ""
        for messages in (_SAMPLE, _SAMPLE[1:]):
            try:
                prompt = self.render(messages)
            except RequestRefused as error:
                fault = str(error)[:MAX_FAULT_CHARS]
            else:
                return "" if len(prompt) <= MAX_SAMPLE_CHARS else "its prompts are too long"
        return fault


def _refuse(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)
