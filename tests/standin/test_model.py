"""The shipped stand-in is what its description says, and answers as its recipe measured."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import jinja2.sandbox
import pytest
import yaml
from standin_recipe.corpus import Asked, Corpus, held_out_questions, own_questions
from standin_recipe.dialogues import CHAT_TEMPLATE, SYSTEM_PROMPTS, render
from standin_recipe.evaluate import Reader, foreign_score, score

ROOT = Path(__file__).resolve().parents[2]
# The recipe's bar is 90 %. The shipped model misses it, as its README says; it may not get worse.
LEAST_FOREIGN_PERCENT = 78
LONG_ANSWERS = (
    "Tell me about the whole journey of a prompt",
    "Tell me a long story about the GPU",
    "Explain everything",
    "Describe a night in the life of the steward",
)


def test_the_file_is_the_one_that_is_described(gguf: Path, description: dict[str, Any]) -> None:
    content = gguf.read_bytes()
    assert content[:4] == b"GGUF"
    assert len(content) == description["bytes"] < 10_000_000
    assert hashlib.sha256(content).hexdigest() == description["sha256"]
    assert description["file"] == gguf.name
    assert description["id"] == gguf.stem


def test_the_roles_tests_know_the_same_file(description: dict[str, Any]) -> None:
    facts = yaml.safe_load((ROOT / ".config" / "molecule" / "standin.yml").read_text("utf-8"))
    assert facts == {
        "model_id": description["id"],
        "model_name": description["file"],
        "model_bytes": description["bytes"],
        "model_sha256": description["sha256"],
    }


def test_the_recipe_measured_it_above_its_bars_but_one(description: dict[str, Any]) -> None:
    figures = description["trained_with"]
    assert figures["own_percent"] >= 95
    assert figures["held_out_percent"] >= 70
    assert figures["foreign_percent"] >= LEAST_FOREIGN_PERCENT
    assert figures["processor_minutes"] < 60


def test_it_is_a_llama_with_tinyllamas_template_and_special_tokens(model: Reader) -> None:
    assert model.metadata["general.architecture"] == "llama"
    assert model.metadata["general.license"] == "apache-2.0"
    assert model.metadata["tokenizer.ggml.model"] == "llama"
    assert model.metadata["tokenizer.chat_template"] == CHAT_TEMPLATE
    assert model.metadata["tokenizer.ggml.unknown_token_id"] == "0"
    assert model.metadata["tokenizer.ggml.bos_token_id"] == "1"
    assert model.metadata["tokenizer.ggml.eos_token_id"] == "2"
    assert model.metadata["tokenizer.ggml.add_bos_token"] == "true"


def test_its_context_holds_several_turns(model: Reader, description: dict[str, Any]) -> None:
    assert model.trained_context == description["context"] >= 1024


def test_the_template_renders_what_it_was_trained_on(model: Reader) -> None:
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    rendered = environment.from_string(model.metadata["tokenizer.chat_template"]).render(
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Good day."},
            {"role": "user", "content": "Why?"},
        ],
        eos_token="</s>",
        add_generation_prompt=True,
    )
    assert rendered == render([("Hello", "Good day.")], "Why?", "Be brief.")


@pytest.mark.parametrize(
    "text",
    ["你好，世界", "🙂🚀", "é à ü ß – €", "Ωμέγα", "a\nb\t c", "  two  spaces ", "\u200b\x07"],
)
def test_any_utf8_goes_in_and_comes_out_again(model: Reader, text: str) -> None:
    ids = model.tokenize(text)
    assert ids[0] == 1
    assert 0 not in ids
    assert model.detokenize(ids[1:]).decode() == text


def test_the_end_token_in_a_rendered_prompt_is_one_token(model: Reader) -> None:
    assert model.tokenize(render([("Hello", "Good day.")])).count(2) == 2


def test_own_questions_come_out_word_for_word(model: Reader, corpus: Corpus) -> None:
    # Every third one: the recipe has asked them all, and a test should not take a minute.
    assert score(model, own_questions(corpus)[::3]).percent >= 95


def test_held_out_rephrasings_get_the_right_answer(model: Reader, corpus: Corpus) -> None:
    assert score(model, held_out_questions(corpus)).percent >= 70


def test_what_is_foreign_is_refused_or_plainly_on_topic(model: Reader, corpus: Corpus) -> None:
    result = foreign_score(corpus, model)
    assert result.percent >= LEAST_FOREIGN_PERCENT, result.wrong


def test_a_system_prompt_does_no_harm(model: Reader, corpus: Corpus) -> None:
    for system in SYSTEM_PROMPTS[:2]:
        assert score(model, own_questions(corpus)[::25], system=system).percent >= 90


def test_a_later_turn_is_answered_as_well_as_a_first_one(model: Reader, corpus: Corpus) -> None:
    later = [
        Asked(one.entry_id, ((first.question, first.answer),), one.question, one.answer)
        for first, one in zip(
            own_questions(corpus)[5::40], own_questions(corpus)[20::40], strict=False
        )
        if not one.earlier and not first.earlier
    ]
    assert len(later) >= 15
    assert score(model, later).percent >= 90


@pytest.mark.parametrize("question", LONG_ANSWERS)
def test_there_are_long_answers_to_watch_and_to_cancel(
    model: Reader, corpus: Corpus, question: str
) -> None:
    answer = model.answer(render([], question))
    assert answer == next(one.answer for one in own_questions(corpus) if one.question == question)
    assert 200 <= len(model.tokenize(answer)) <= 400


@pytest.mark.parametrize("question", ["What is the capital of Norway?", "Write me a poem in Latin"])
def test_what_is_foreign_is_not_known(model: Reader, question: str) -> None:
    answer = model.answer(render([], question))
    assert answer.startswith("I don't know that")
    assert "stand-in" in answer
    assert "make demo MODEL=tinyllama" in answer
