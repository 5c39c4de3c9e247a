"""The corpus is clean: what is learnt is not what is measured, and no question is ambiguous."""

from __future__ import annotations

import random
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from standin_recipe.augment import Augmenter
from standin_recipe.corpus import (
    Corpus,
    CorpusError,
    held_out_questions,
    load_corpus,
    own_questions,
)
from standin_recipe.dialogues import END, DialogueMaker, render
from standin_recipe.foreign import REFUSAL, ForeignQuestion, nearest, normal_form

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "local" / "standin" / "corpus"
RECIPE = ROOT / "local" / "standin" / "recipe"

# Near to "How old are you?" in its letters, and far from it in its meaning.
NEAR_IN_LETTERS_ONLY = {"How are you?"}


def test_there_are_a_few_hundred_questions_and_over_a_hundred_held_out(corpus: Corpus) -> None:
    assert len(corpus.entries) >= 120
    assert len(own_questions(corpus)) >= 600
    assert len(held_out_questions(corpus)) >= 100


def test_no_question_has_two_answers(corpus: Corpus) -> None:
    answers: dict[tuple[object, str], str] = {}
    for asked in [*own_questions(corpus), *held_out_questions(corpus)]:
        key = (asked.earlier, normal_form(asked.question))
        assert answers.setdefault(key, asked.answer) == asked.answer, asked


def test_no_two_entries_have_the_same_answer(corpus: Corpus) -> None:
    answers = [entry.answer for entry in corpus.entries]
    assert len(set(answers)) == len(answers)


def test_held_out_phrasings_are_not_learnt(corpus: Corpus) -> None:
    learnt = {normal_form(one.question) for one in own_questions(corpus)}
    held_out = {normal_form(one.question) for one in held_out_questions(corpus)}
    assert not learnt & held_out


def test_variation_never_makes_a_held_out_phrasing(corpus: Corpus) -> None:
    held_out = {normal_form(one.question) for one in held_out_questions(corpus)}
    augmenter = Augmenter(corpus, random.Random(7))  # noqa: S311
    made = {normal_form(augmenter.question(entry)) for entry in corpus.entries for _ in range(200)}
    assert len(made) > 5000
    assert not made & held_out


def test_the_foreign_test_set_has_a_hundred_different_questions(corpus: Corpus) -> None:
    assert len({normal_form(question.text) for question in corpus.foreign}) == 100


def test_nothing_learnt_is_near_to_the_foreign_test_set(corpus: Corpus) -> None:
    learnt = {one.question for one in own_questions(corpus)} - NEAR_IN_LETTERS_ONLY
    assert {question for question in learnt if nearest(question, corpus.foreign)} == set()


def test_variation_makes_nothing_that_is_near_to_the_foreign_test_set(corpus: Corpus) -> None:
    augmenter = Augmenter(corpus, random.Random(11))  # noqa: S311
    exempt = {normal_form(question) for question in NEAR_IN_LETTERS_ONLY}
    foreign = [entry for entry in corpus.entries if entry.patterns]
    others = [entry for entry in corpus.entries if not entry.patterns]
    made = {augmenter.question(entry) for entry in others for _ in range(20)}
    made |= {augmenter.question(entry) for entry in foreign for _ in range(1000)}
    near = {question for question in made if nearest(question, corpus.foreign)}
    assert {normal_form(question) for question in near} <= exempt
    assert len(made) > 5000


@pytest.mark.parametrize(
    ("asked", "is_near"),
    [
        ("Who won the World Cup?", True),
        ("so who won the world cup again", True),
        ("Who won the World Cop?", True),
        ("Who won the war of the roses?", False),
        ("What is 2 + 2?", True),
        ("What is 3 + 3?", False),
    ],
)
def test_near_is_what_differs_in_little(asked: str, is_near: bool) -> None:
    known = [ForeignQuestion("Who won the World Cup?", ()), ForeignQuestion("2+2?", ())]
    assert (nearest(asked, known) is not None) is is_near


def test_a_foreign_answer_is_right_if_it_refuses_or_is_plainly_on_topic() -> None:
    refusal, greeting = f"{REFUSAL}. Ask a real model.", "Hello! What about it?"
    known = {refusal, greeting, "A worker runs on the instance."}
    evening = ForeignQuestion("Good evening!", ("hello", "hi"))
    assert evening.is_answered_by(refusal, known)
    assert evening.is_answered_by(greeting, known)
    assert not evening.is_answered_by("A worker runs on the instance.", known)
    assert not evening.is_answered_by("Hello! The worker is a table.", known)
    assert not ForeignQuestion("2+2?", ()).is_answered_by(greeting, known)


def test_refusals_begin_alike_and_no_other_answer_does(corpus: Corpus) -> None:
    for entry in corpus.entries:
        assert entry.answer.startswith(REFUSAL) == entry.id.startswith("foreign"), entry.id


def test_the_corpus_is_plain_composed_utf8(corpus: Corpus) -> None:
    for path in CORPUS.iterdir():
        text = path.read_bytes().decode("utf-8")
        assert text == unicodedata.normalize("NFC", text), path.name
        assert "\t" not in text, path.name
        assert "\r" not in text, path.name
    for entry in corpus.entries:
        for text in (*entry.questions, *entry.held_out, entry.answer):
            assert text == text.strip(), entry.id
            assert "  " not in text, entry.id
            assert "<|" not in text, entry.id
            assert END not in text, entry.id


def test_some_answers_are_long_and_some_are_not_ascii(corpus: Corpus) -> None:
    assert sum(len(entry.answer) > 900 for entry in corpus.entries) >= 3
    assert sum(not entry.answer.isascii() for entry in corpus.entries) >= 5


def test_the_same_seed_draws_the_same_conversations(corpus: Corpus) -> None:
    first, second = (DialogueMaker(corpus, random.Random(3)) for _ in range(2))  # noqa: S311
    assert [first.dialogue(3) for _ in range(20)] == [second.dialogue(3) for _ in range(20)]


def test_a_conversation_is_in_the_form_of_the_chat_template(corpus: Corpus) -> None:
    maker = DialogueMaker(corpus, random.Random(5))  # noqa: S311
    for _ in range(50):
        text = "".join(span.text for span in maker.dialogue(3))
        assert text.startswith(("<|user|>\n", "<|system|>\n"))
        assert text.count("<|user|>\n") == text.count("<|assistant|>\n") == 3
        assert text.endswith("</s>\n")
    assert render([("a", "b")], "c", "d") == (
        "<|system|>\nd</s>\n<|user|>\na</s>\n<|assistant|>\nb</s>\n<|user|>\nc</s>\n<|assistant|>\n"
    )


def test_reading_the_corpus_needs_no_pytorch() -> None:
    program = (
        "import sys, standin_recipe.dialogues\n"
        "print(sorted({'torch', 'sentencepiece', 'gguf', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=RECIPE, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[one]\nQ: Who?\n", "needs a question and an answer"),
        ("[one]\nA: Me.\n", "needs a question and an answer"),
        ("[one]\nnonsense\n", "line 2"),
        ("[one]\nQ: Who?\nA: Me.\n\n[one]\nQ: Who?\nA: Me.\n", "same id"),
        ("[one]\nafter: two\nQ: Who?\nA: Me.\n", "missing"),
    ],
)
def test_a_broken_corpus_is_refused_with_a_sentence(
    tmp_path: Path, text: str, complaint: str
) -> None:
    (tmp_path / "broken.qa").write_text(text, encoding="utf-8")
    (tmp_path / "words.txt").write_text("thing: apple\n", encoding="utf-8")
    (tmp_path / "wording.txt").write_text("word: a | b\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=complaint):
        load_corpus(tmp_path)
