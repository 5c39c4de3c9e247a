"""What has been shown is never taken back, and a stop string is never half-shown."""

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistratus_daemon.engine.answer_text import AnswerText


def feed(text: AnswerText, pieces: list[bytes]) -> list[tuple[tuple[int, ...], str]]:
    taken = []
    for number, piece in enumerate(pieces):
        text.push(number, piece)
        taken.append(text.take())
        if text.stopped:
            break
    return taken


def test_a_token_is_shown_at_once_when_nothing_speaks_against_it() -> None:
    assert feed(AnswerText(), [b"Hel", b"lo"]) == [((0,), "Hel"), ((1,), "lo")]


def test_half_a_character_waits_for_its_other_half() -> None:
    smile = "🙂".encode()
    taken = feed(AnswerText(), [b"a", smile[:1], smile[1:3], smile[3:] + b"b"])
    assert taken == [((0,), "a"), ((), ""), ((), ""), ((1, 2, 3), "🙂b")]


def test_a_character_that_never_becomes_whole_is_not_shown() -> None:
    text = AnswerText()
    text.push(7, b"ok")
    text.push(8, "é".encode()[:1])
    assert text.take() == ((7,), "ok")
    assert text.finish() == ((8,), "")


def test_bytes_that_are_no_utf8_do_not_hold_the_answer_up() -> None:
    assert feed(AnswerText(), [b"\xff", b"a"]) == [((0,), "�"), ((1,), "a")]


def test_what_could_become_a_stop_string_waits() -> None:
    text = AnswerText(stop=("\nUser:",))
    taken = feed(text, [b"Yes", b"\n", b"Us", b"ual"])
    assert taken == [((0,), "Yes"), ((), ""), ((), ""), ((1, 2, 3), "\nUsual")]


def test_a_stop_string_ends_the_answer_and_is_not_shown() -> None:
    text = AnswerText(stop=("\nUser:",))
    taken = feed(text, [b"Yes.", b"\nUs", b"er: and more"])
    assert taken == [((0,), "Yes."), ((), ""), ((1, 2), "")]
    assert text.stopped


def test_a_stop_string_in_the_middle_of_a_token_cuts_it() -> None:
    text = AnswerText(stop=("END",))
    assert feed(text, [b"one END two"]) == [((0,), "one ")]
    assert text.stopped


def test_the_first_of_several_stop_strings_wins() -> None:
    text = AnswerText(stop=("later", "now"))
    assert feed(text, [b"stop now or later"]) == [((0,), "stop ")]


def test_what_waited_for_a_stop_string_is_shown_at_the_end() -> None:
    text = AnswerText(stop=("###",))
    assert feed(text, [b"a", b"##"]) == [((0,), "a"), ((), "")]
    assert text.finish() == ((1,), "##")


@given(
    said=st.text(max_size=40),
    stop=st.lists(st.text(min_size=1, max_size=4), max_size=3),
    cuts=st.lists(st.integers(0, 160), max_size=20),
)
def test_any_cutting_into_tokens_shows_the_same_text(
    said: str, stop: list[str], cuts: list[int]
) -> None:
    raw = said.encode()
    edges = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
    pieces = [raw[a:b] for a, b in itertools.pairwise(edges)]
    text = AnswerText(stop=tuple(stop))
    taken = [*feed(text, pieces), text.finish()]
    shown = "".join(part for _, part in taken)
    first = min((at for word in stop if (at := said.find(word)) >= 0), default=None)
    if first is None:
        assert shown == said
        assert not text.stopped
    else:
        # A token boundary may decide between two stop strings that overlap; never more is shown.
        assert text.stopped
        assert said.startswith(shown)
        assert not any(word in shown for word in stop)
    ids = [token for part, _ in taken for token in part]
    assert ids == list(range(len(ids)))


@given(said=st.text(min_size=1, max_size=30), cuts=st.lists(st.integers(1, 120), max_size=20))
def test_committed_tokens_always_spell_the_committed_text(said: str, cuts: list[int]) -> None:
    """What makes a resume possible: at every moment text and tokens say the same."""
    raw = said.encode()
    edges = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
    pieces = [raw[a:b] for a, b in itertools.pairwise(edges)]
    committed_ids: list[int] = []
    committed = ""
    for ids, part in feed(AnswerText(stop=("zz",)), pieces):
        committed_ids += ids
        committed += part
        if "zz" not in said:
            assert b"".join(pieces[i] for i in committed_ids).decode() == committed


@pytest.mark.parametrize("stop", [(), ("x" * 63 + "y", "xy" * 32)])
@pytest.mark.parametrize(("first", "rest"), [(b"x", b"x"), (b"\xf0", b""), (b"x", b"")])
def test_what_a_token_costs_does_not_grow_with_the_answer(
    stop: tuple[str, ...], first: bytes, rest: bytes
) -> None:
    """Tokens without a text, behind half a character, made it grow like a square."""

    def seconds(tokens: int) -> float:
        said = [first, *[rest] * (tokens - 1)]
        best = float("inf")
        for _ in range(3):
            text, began = AnswerText(stop=stop), time.process_time()
            for number, piece in enumerate(said):
                text.add(number, piece)
            best = min(best, time.process_time() - began)
        return best

    seconds(1000)
    assert seconds(16_000) / seconds(4000) < 10
