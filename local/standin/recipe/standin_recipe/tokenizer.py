"""A SentencePiece BPE tokenizer whose ids are those that llama.cpp computes.

No normalisation and no added space at the front: llama.cpp then has nothing to guess. Every
byte has a token of its own, so any UTF-8 text can be read.
"""

from __future__ import annotations

import io
import random
from collections.abc import Iterable
from dataclasses import dataclass

import sentencepiece

from standin_recipe.corpus import Corpus
from standin_recipe.dialogues import (
    ASSISTANT,
    END,
    SYSTEM,
    SYSTEM_PROMPTS,
    USER,
    DialogueMaker,
    Span,
)

UNKNOWN_ID, BOS_ID, EOS_ID = 0, 1, 2


@dataclass(frozen=True)
class Encoded:
    """One conversation as ids, and for each id whether the model is to write it."""

    ids: list[int]
    targets: list[bool]


class Tokenizer:
    """Turns text into ids; ``</s>`` in a prompt is the end token."""

    def __init__(self, model: bytes) -> None:
        self.model = model
        self.pieces = sentencepiece.SentencePieceProcessor()
        self.pieces.LoadFromSerializedProto(model)

    @property
    def size(self) -> int:
        """The number of tokens in the vocabulary."""
        return int(self.pieces.GetPieceSize())

    def encode(self, text: str) -> list[int]:
        """Return the ids of a rendered prompt, without the leading BOS."""
        ids: list[int] = []
        for number, part in enumerate(text.split(END)):
            if number:
                ids.append(EOS_ID)
            ids.extend(self.pieces.EncodeAsIds(part))
        return ids

    def encode_dialogue(self, spans: Iterable[Span], rng: random.Random, dropout: float) -> Encoded:
        """Encode a conversation; some questions are cut into smaller tokens than need be.

        ``dropout`` is the share of questions that are treated so (BPE dropout): the model then
        also meets the smaller pieces that a misspelt word falls into.
        """
        ids, targets = [BOS_ID], [False]
        for span in spans:
            if span.question and rng.random() < dropout:
                part = list(self.pieces.encode(span.text, enable_sampling=True, alpha=0.15))
            else:
                part = self.encode(span.text)
            ids.extend(part)
            targets.extend([span.target] * len(part))
        return Encoded(ids, targets)


def train_tokenizer(corpus: Corpus, size: int, seed: int) -> Tokenizer:
    """Train a vocabulary of ``size`` tokens on the corpus and on varied questions."""
    lines = list(SYSTEM_PROMPTS)
    for entry in corpus.entries:
        lines.extend(entry.questions)
        lines.extend(entry.answer.split("\n") * 2)
    for words in corpus.words.values():
        lines.extend(words)
    maker = DialogueMaker(corpus, random.Random(seed))
    for _ in range(2000):
        lines.extend(s.text for s in maker.dialogue(1) if s.question and s.text.isascii())
    written = io.BytesIO()
    sentencepiece.set_random_generator_seed(seed)
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(lines),
        model_writer=written,
        model_type="bpe",
        vocab_size=size,
        character_coverage=0.9995,
        byte_fallback=True,
        split_digits=True,
        normalization_rule_name="identity",
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        user_defined_symbols=[SYSTEM, USER, ASSISTANT],
        unk_id=UNKNOWN_ID,
        bos_id=BOS_ID,
        eos_id=EOS_ID,
        pad_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    return Tokenizer(written.getvalue())
