"""Vary a question as people would, so that the model learns the meaning, not the wording.

A varied question is never a held-out one, never another entry's question, and never near to one of
the foreign test set: this is looked up before and after case, politeness and slips are added.
"""

from __future__ import annotations

import random
import re
import string

from standin_recipe.corpus import Corpus, Entry, Groups
from standin_recipe.foreign import nearest, normal_form


class Augmenter:
    """Makes training questions of one corpus; the random generator is the caller's."""

    def __init__(self, corpus: Corpus, rng: random.Random) -> None:
        self._words = corpus.words
        self._wording = corpus.wording
        self._foreign = corpus.foreign
        self._rng = rng
        self._held_out = {normal_form(q) for entry in corpus.entries for q in entry.held_out}
        self._owners: dict[str, set[str]] = {}
        for entry in corpus.entries:
            for question in entry.questions:
                self._owners.setdefault(normal_form(question), set()).add(entry.id)

    def question(self, entry: Entry) -> str:
        """Return one question for the entry, as written or varied."""
        rng = self._rng
        if entry.patterns and rng.random() < 0.75:
            while True:
                filled = self._fill(rng.choice(entry.patterns))
                if self._allowed(filled, entry):
                    return self._dressed(filled, entry) if rng.random() < 0.5 else filled
        written = rng.choice(entry.questions)
        if rng.random() < 0.3:
            return written
        varied = self._reword(written)
        if not self._allowed(varied, entry):
            varied = written
        return self._dressed(varied, entry)

    def _dressed(self, question: str, entry: Entry) -> str:
        dressed = self._dress(question)
        return dressed if self._allowed(dressed, entry) else question

    def _allowed(self, question: str, entry: Entry) -> bool:
        form = normal_form(question)
        owners = self._owners.get(form, {entry.id})
        if form in self._held_out or entry.id not in owners:
            return False
        return nearest(question, self._foreign) is None

    def _fill(self, pattern: str) -> str:
        def one(match: re.Match[str]) -> str:
            slot = match[1]
            if slot == "number":
                return str(self._rng.choice((self._rng.randrange(10), self._rng.randrange(1000))))
            if slot == "noise":
                return self._noise()
            return self._rng.choice(self._words[slot])

        return re.sub(r"{(\w+)}", one, pattern)

    def _noise(self) -> str:
        rng = self._rng
        kind = rng.random()
        if kind < 0.6:
            return "".join(rng.choices(string.ascii_lowercase, k=rng.randint(2, 9)))
        if kind < 0.8:
            return "".join(
                rng.choice("bdfgklmnprstvz") + rng.choice("aeiou") for _ in range(rng.randint(1, 4))
            )
        # Any other script: the stand-in must meet bytes that it has no word for.
        start, end = rng.choice(((0x4E00, 0x9FA5), (0x430, 0x44F), (0x3B1, 0x3C9),
                                 (0x1F600, 0x1F640), (0x5D0, 0x5EA), (0xE0, 0xFF)))  # fmt: skip
        return "".join(chr(rng.randint(start, end)) for _ in range(rng.randint(1, 6)))

    def _reword(self, question: str) -> str:
        rng = self._rng
        text = question
        if rng.random() < 0.5:
            text = _swap_opening(text, self._wording.openings, rng)
        if rng.random() < 0.4:
            text = _swap_synonym(text, self._wording.synonyms, rng)
        words = text.split()
        if len(words) > 3 and rng.random() < 0.3:
            small = [
                i for i, word in enumerate(words) if word.casefold() in self._wording.small_words
            ]
            if small:
                del words[rng.choice(small)]
        if len(words) > 5 and rng.random() < 0.08:
            del words[rng.randrange(len(words))]
        return " ".join(words)

    def _dress(self, question: str) -> str:
        rng = self._rng
        text = question
        several = len(text.split()) > 2
        if several and rng.random() < 0.15:
            text = rng.choice(self._wording.before) + text[:1].lower() + text[1:]
        if several and rng.random() < 0.08:
            text = text.rstrip("?.!") + rng.choice(self._wording.after)
        if rng.random() < 0.1:
            text = _slip(text, rng)
        if rng.random() < 0.3:
            text = text.rstrip("?.! ") + rng.choice(("", "", "?", "?", "!", ".", " ?", "??", "..."))
        case = rng.random()
        if case < 0.2:
            text = text.lower()
        elif case < 0.23:
            text = text.upper()
        elif case < 0.8:
            text = text[:1].upper() + text[1:]
        return text or question


def _swap_opening(text: str, openings: Groups, rng: random.Random) -> str:
    lowered = text.casefold()
    groups = [
        (phrase, group)
        for group in openings
        for phrase in group
        if lowered.startswith(phrase + " ")
    ]
    if not groups:
        return text
    phrase, group = rng.choice(groups)
    new = rng.choice(group)
    return new[:1].upper() + new[1:] + text[len(phrase) :]


def _swap_synonym(text: str, synonyms: Groups, rng: random.Random) -> str:
    words = text.split()
    places = [
        (i, group)
        for i, word in enumerate(words)
        for group in synonyms
        if word.strip("?.!,").casefold() in group
    ]
    if not places:
        return text
    i, group = rng.choice(places)
    bare = words[i].strip("?.!,")
    words[i] = words[i].replace(bare, rng.choice(group))
    return " ".join(words)


def _slip(text: str, rng: random.Random) -> str:
    """Make one typing slip in one longer word."""
    words = text.split(" ")
    long = [i for i, word in enumerate(words) if len(word) > 3 and word.isalpha()]
    if not long:
        return text
    i = rng.choice(long)
    word = words[i]
    at = rng.randrange(1, len(word) - 1)
    words[i] = rng.choice(
        (
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
            word[:at] + rng.choice(string.ascii_lowercase) + word[at + 1 :],
        )
    )
    return " ".join(words)
