"""Train the stand-in model, write its GGUF, ask it everything, and print the figures.

Run it as ``python -m standin_recipe`` with this package's parent folder on ``PYTHONPATH``.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

from standin_recipe.corpus import Corpus, held_out_questions, load_corpus, own_questions
from standin_recipe.dialogues import render
from standin_recipe.evaluate import Reader, report
from standin_recipe.export import write_gguf
from standin_recipe.model import Shape
from standin_recipe.options import PLAIN_SENTENCE, parser
from standin_recipe.parity import largest_logit_difference
from standin_recipe.tokenizer import train_tokenizer
from standin_recipe.training import Plan, train

MODEL_ID = "aistratus-standin"
LARGEST_BYTES = 10_000_000
OWN_BAR_PERCENT = 95.0
HELD_OUT_BAR_PERCENT = 70.0
FOREIGN_BAR_PERCENT = 90.0
# F16 weights against F32 weights: more than this is no rounding but a mistake in the layout.
LARGEST_LOGIT_DIFFERENCE = 0.25

_STANDIN = Path(__file__).resolve().parents[2]
_UNPROVEN = _STANDIN / "build"


def main(arguments: list[str]) -> int:
    """Run the recipe; the exit status is 1 when a bar is missed, and nothing is replaced."""
    options = parser().parse_args(arguments)
    corpus = load_corpus(_STANDIN / "corpus", _STANDIN / "foreign-test.txt")
    shape, plan = Shape(), Plan()
    plan = replace(
        plan, seed=options.seed, steps=options.steps or plan.steps, bfloat16=options.bfloat16
    )
    print(PLAIN_SENTENCE)
    print(
        f"{len(corpus.entries)} answers, {len(own_questions(corpus))} questions to learn, "
        f"{len(held_out_questions(corpus))} held out"
    )
    began = time.process_time()
    tokenizer = train_tokenizer(corpus, shape.vocabulary, plan.seed)
    model, loss = train(corpus, tokenizer, shape, plan)
    minutes = (time.process_time() - began) / 60
    _UNPROVEN.mkdir(parents=True, exist_ok=True)
    unproven = _UNPROVEN / f"{MODEL_ID}.gguf"
    write_gguf(model, tokenizer, unproven)
    reader = Reader(unproven, shape.context)
    difference = largest_logit_difference(model, tokenizer, reader, _all_prompts(corpus))
    figures = report(corpus, reader)
    size = unproven.stat().st_size
    print(f"largest logit difference between PyTorch and llama.cpp: {difference:.3f}")
    print(f"{size:,} bytes, trained in {minutes:.1f} minutes of processor time")
    print(f"own questions, word for word: {figures['own']} % (bar {OWN_BAR_PERCENT} %)")
    print(f"held-out rephrasings: {figures['held_out']} % (bar {HELD_OUT_BAR_PERCENT} %)")
    print(f"foreign questions: {figures['foreign']} % (bar {FOREIGN_BAR_PERCENT} %)")
    print(PLAIN_SENTENCE)
    if (
        figures["own"] < OWN_BAR_PERCENT
        or figures["held_out"] < HELD_OUT_BAR_PERCENT
        or figures["foreign"] < FOREIGN_BAR_PERCENT
        or size >= LARGEST_BYTES
        or difference > LARGEST_LOGIT_DIFFERENCE
    ):
        print(f"A bar is missed: the file stays in {_UNPROVEN.name}/ and replaces nothing.")
        return 1
    options.output.mkdir(parents=True, exist_ok=True)
    path = Path(shutil.copy(unproven, options.output))
    trained_with = {
        "seed": plan.seed,
        "steps": plan.steps,
        "bfloat16": plan.bfloat16,
        "parameters": model.parameter_count(),
        "processor_minutes": round(minutes, 1),
        "loss": round(loss, 4),
        "own_percent": figures["own"],
        "held_out_percent": figures["held_out"],
        "foreign_percent": figures["foreign"],
        "own_as_fourth_turn_percent": figures["own_as_fourth_turn"],
        "own_with_system_prompt_percent": figures["own_with_system_prompt"],
    }
    _describe(path, shape.context, trained_with)
    return 0


def _all_prompts(corpus: Corpus) -> list[str]:
    asked = [*own_questions(corpus), *held_out_questions(corpus)]
    prompts = [render(one.earlier, one.question) for one in asked]
    odd = render([("é 🙂", "日本 – €")], "  two  spaces\n\nand a new line ", "Sei kürzer.")
    return [*prompts, odd]


def _describe(path: Path, context: int, trained_with: dict[str, float | int]) -> None:
    description = {
        "id": MODEL_ID,
        "file": path.name,
        "bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "context": context,
        "trained_with": trained_with,
    }
    text = json.dumps(description, indent=2, ensure_ascii=False)
    path.with_suffix(".json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
