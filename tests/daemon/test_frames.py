"""The protocol between worker and engine."""

import json

import pytest

from aistratus_contracts.errors import JobErrorCode, NoticeCode
from aistratus_contracts.event import Notice, Usage
from aistratus_contracts.job import Message, Sampling
from aistratus_contracts.states import FinishReason, Role
from aistratus_daemon.errors import FrameError
from aistratus_daemon.frames import (
    Cancel,
    Done,
    Failed,
    Frame,
    Generate,
    JobNotice,
    NewTokens,
    Ready,
    Stats,
    Tokens,
    decode_frame,
    encode_frame,
)

FRAMES: list[Frame] = [
    Generate(
        "job-1",
        "user/conv",
        (Message(Role.USER, 'a "quoted"\nline – é 🙂'),),
        Sampling(max_tokens=5, temperature=0.0, stop=("x",)),
        committed=(1, 2),
        left_out=1,
    ),
    Cancel("job-1"),
    Ready(slots=8, context=1024),
    Tokens((NewTokens("job-1", (5,), " hi"), NewTokens("job-2", (), ""))),
    JobNotice("job-1", Notice(NoticeCode.TURNS_LEFT_OUT, "One turn.")),
    Done("job-1", FinishReason.LENGTH, Usage(3, 1, 5)),
    Failed("job-1", JobErrorCode.PROMPT_TOO_LONG, "Too long."),
    Stats(1, 2, 3, 4, 0.5, 6, 0.7, 8, 1.5, 10, 0.25, 0.1, 12),
]


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: type(frame).__name__)
def test_a_frame_is_one_line_and_comes_back_as_it_was(frame: Frame) -> None:
    line = encode_frame(frame)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert decode_frame(line) == frame


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"not json",
        b"[]",
        b"7",
        b"{}",
        b'{"frame":"unheard"}',
        b'{"frame":["generate"]}',
        b'{"frame":"cancel"}',
        b'{"frame":"cancel","job_id":5}',
        b"\xff\xfe",
    ],
)
def test_anything_else_is_refused_by_name(line: bytes) -> None:
    with pytest.raises(FrameError, match="socket"):
        decode_frame(line)


def test_the_kind_is_in_the_frame() -> None:
    assert json.loads(encode_frame(Cancel("a")))["frame"] == "cancel"
