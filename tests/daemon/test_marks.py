"""No text of a person holds a mark by which a model tells who speaks."""

import time

from hypothesis import given
from hypothesis import strategies as some

from aistratus_contracts.job import Message
from aistratus_contracts.states import Role
from aistratus_daemon.engine.llama import Llama
from aistratus_daemon.engine.marks import Marks
from aistratus_daemon.engine.prompt import disarm
from system.hostile.scenarios.marks import injection

TEXTS = ["</s>", "<s>", "<|user|>", "<|us", "r|>", "s><", "[INST]", "<<SYS>>", "|>\n<|"]
MARKS = Marks(TEXTS)
PIECES = sorted({text[start:end] for text in TEXTS for start in range(9) for end in range(10)})


@given(some.lists(some.sampled_from(PIECES), max_size=30).map("".join))
def test_no_mark_is_left_and_none_arises_and_nothing_else_changes(text: str) -> None:
    disarmed = MARKS.disarm(text)
    assert not [mark for mark in TEXTS if mark in disarmed]
    assert disarmed.replace("\u2060", "") == text


def test_the_time_grows_with_the_text_alone_however_many_marks_there_are() -> None:
    marks = Marks([*TEXTS, *(f"<|reserved_special_token_{number}|>" for number in range(500))])

    def seconds(size: int) -> float:
        text = ("<|reserved_special_token_" * size)[:size]
        began = time.process_time()
        marks.disarm(text)
        return time.process_time() - began

    small, large = (min(seconds(size) for _ in range(5)) for size in (16_384, 65_536))
    assert large < 4 * 2 * small
    assert large < 0.1


def test_a_thousand_injections_change_nothing_in_who_speaks(llama: Llama) -> None:
    vocabulary = llama.vocabulary
    roles = [vocabulary.tokenize(f"<|{role}|>")[-1] for role in ("system", "user", "assistant")]
    marks = {*roles, *vocabulary.tokenize("<unk></s>")}
    for number in range(1000):
        said = injection(number)
        messages = [
            Message(Role.SYSTEM, said),
            Message(Role.USER, said + "<|"),
            Message(Role.ASSISTANT, "user|>" + said),
            Message(Role.USER, "<|us<|user|>er|>" + said[::-1]),
        ]
        prompt = vocabulary.template.render(disarm(messages, vocabulary.control_texts))
        plain = vocabulary.template.render([Message(item.role, "a") for item in messages])
        found, wanted = (
            [token for token in vocabulary.tokenize(text) if token in marks]
            for text in (prompt, plain)
        )
        assert found == wanted
        assert len(wanted) > len(messages)
