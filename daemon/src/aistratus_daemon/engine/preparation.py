"""From a request to the tokens that its answer begins with."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aistratus_contracts.errors import JobErrorCode
from aistratus_contracts.job import Message
from aistratus_contracts.states import Role
from aistratus_daemon.engine import prompt as prompts
from aistratus_daemon.engine.answer_text import AnswerText
from aistratus_daemon.engine.forms import Form
from aistratus_daemon.engine.generation import Generation
from aistratus_daemon.engine.llama import Llama
from aistratus_daemon.engine.sampling import new_sampler
from aistratus_daemon.errors import RequestRefused
from aistratus_daemon.frames import Generate


@dataclass(frozen=True)
class Preparation:
    """Prepares requests for one model; `system_prompt` opens those that bring none."""

    llama: Llama
    system_prompt: str
    clock: Callable[[], float]

    def prepare(self, request: Generate, form: Form | None) -> Generation:
        """A generation ready to wait for a slot; raises `RequestRefused`."""
        vocabulary = self.llama.vocabulary
        if any(not 0 <= token < vocabulary.size for token in request.committed):
            raise RequestRefused(
                JobErrorCode.INVALID_REQUEST,
                "The committed part of this answer has token ids that this model does not know; "
                "it was begun by another model.",
            )
        fitted = prompts.fit(
            prompts.disarm(self._opened(request.messages), vocabulary.control_texts),
            context=self.llama.context,
            max_tokens=request.sampling.max_tokens,
            left_out=request.left_out,
            tokenize=self._tokenize,
            count=lambda text: len(vocabulary.tokenize(text)),
        )
        sampling, committed = request.sampling, len(request.committed)
        room = self.llama.context - len(fitted.tokens)
        seed = secrets.randbits(32) if sampling.seed is None else sampling.seed
        return Generation(
            request=request,
            prompt=[*fitted.tokens, *request.committed],
            text=AnswerText(sampling.stop),
            sampler=new_sampler(
                self.llama, sampling, seed, fitted.tokens, request.committed, form=form
            ),
            notice=fitted.notice,
            limit=min(sampling.max_tokens, room) - committed,
            asked_at=self.clock(),
        )

    def _opened(self, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        if not self.system_prompt or messages[0].role is Role.SYSTEM:
            return messages
        return (Message(Role.SYSTEM, self.system_prompt), *messages)

    def _tokenize(self, messages: Sequence[Message]) -> list[int]:
        vocabulary = self.llama.vocabulary
        return vocabulary.tokenize(vocabulary.template.render(messages))

    def static_prefix(self) -> list[int]:
        """The tokens that every prompt under the system prompt begins with."""
        one, other = (
            self._tokenize(self._opened((Message(Role.USER, text),))) for text in ("a", "0 b")
        )
        length = next(
            (i for i, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]),
            min(len(one), len(other)),
        )
        return one[:length]
