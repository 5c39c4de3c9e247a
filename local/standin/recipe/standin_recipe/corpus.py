"""Read the corpus: questions, held-out rephrasings and answers written for this project.

The format is meant for people. An entry is a block that begins with its id in brackets::

    [router]
    after: queue            (optional: the question follows that entry's answer)
    Q: What is the router?  (a phrasing to learn)
    H: Describe the router  (a phrasing that is held out, to measure with)
    T: What is {thing}?     (a pattern; its slots are filled from words.txt in training)
    weight: 8               (optional: how often it is drawn; 1, or less for a long answer)
    A: The answer, which may
       go on in indented lines. A second A: begins a new line of the answer.

Lines that begin with ``#`` are comments.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from standin_recipe.foreign import ForeignQuestion, load_foreign

_ENTRY = re.compile(r"\[([a-z0-9-]+)\]")
_FIELD = re.compile(r"(after|weight|Q|H|T|A): (.*)")
_LONG_ANSWER_CHARS = 900
_LONG_WEIGHT = 0.6

Groups = tuple[tuple[str, ...], ...]


class CorpusError(Exception):
    """The corpus cannot be read; the text names the file and the line."""


@dataclass(frozen=True)
class Entry:
    """One answer with all the ways to ask for it.

    ``after`` holds the ids of the entries whose answer must stand just before the question;
    it is empty when the question stands alone. ``weight`` is how often the entry is drawn in
    training, beside others: more for one that stands for many questions, less for a long answer,
    which has many tokens to learn from.
    """

    id: str
    questions: tuple[str, ...]
    held_out: tuple[str, ...]
    patterns: tuple[str, ...]
    answer: str
    after: tuple[str, ...]
    weight: float


@dataclass(frozen=True)
class Wording:
    """Other ways to say the same: groups of phrases and words, and what stands around them."""

    openings: Groups
    synonyms: Groups
    small_words: frozenset[str]
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True)
class Corpus:
    """All entries in file order, the words that fill a pattern's slots, and the wording.

    Nothing near to a question of ``foreign`` may be learnt.
    """

    entries: tuple[Entry, ...]
    words: dict[str, tuple[str, ...]]
    wording: Wording
    foreign: tuple[ForeignQuestion, ...] = ()

    def by_id(self, entry_id: str) -> Entry:
        """Return the entry of that id; ``CorpusError`` if there is none."""
        for entry in self.entries:
            if entry.id == entry_id:
                return entry
        raise CorpusError(f"The corpus has no entry “{entry_id}”.")


@dataclass(frozen=True)
class Asked:
    """One question to measure with: the earlier turns, the question and the right answer."""

    entry_id: str
    earlier: tuple[tuple[str, str], ...]
    question: str
    answer: str


def load_corpus(folder: Path, foreign: Path | None = None) -> Corpus:
    """Read every ``*.qa`` file of the folder in name order, ``words.txt``, ``wording.txt``.

    ``foreign`` is the file of the foreign test set.
    """
    entries: list[Entry] = []
    for path in sorted(folder.glob("*.qa")):
        entries.extend(_read_entries(path))
    known = {entry.id for entry in entries}
    if len(known) != len(entries):
        raise CorpusError("Two entries of the corpus have the same id.")
    for entry in entries:
        for before in entry.after:
            if before not in known:
                raise CorpusError(f"Entry “{entry.id}” comes after “{before}”, which is missing.")
    words, wording = _read_words(folder / "words.txt"), _read_wording(folder / "wording.txt")
    return Corpus(tuple(entries), words, wording, load_foreign(foreign) if foreign else ())


def own_questions(corpus: Corpus) -> list[Asked]:
    """Every learnt phrasing, once; a follow-up once for each entry that it may follow."""
    return [asked for entry in corpus.entries for asked in _asked(corpus, entry, entry.questions)]


def held_out_questions(corpus: Corpus) -> list[Asked]:
    """Every held-out phrasing, once; a follow-up once for each entry that it may follow."""
    return [asked for entry in corpus.entries for asked in _asked(corpus, entry, entry.held_out)]


def _asked(corpus: Corpus, entry: Entry, questions: tuple[str, ...]) -> list[Asked]:
    if not entry.after:
        return [Asked(entry.id, (), question, entry.answer) for question in questions]
    found: list[Asked] = []
    for before in (corpus.by_id(name) for name in entry.after):
        earlier = ((before.questions[0], before.answer),)
        found.extend(Asked(entry.id, earlier, question, entry.answer) for question in questions)
    return found


def _read_entries(path: Path) -> list[Entry]:
    entries: list[Entry] = []
    entry_id = ""
    fields: dict[str, list[str]] = {}

    def finish() -> None:
        if entry_id:
            entries.append(_entry(path, entry_id, fields))

    last: list[str] | None = None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.startswith("#") or not line.strip():
            last = None
        elif match := _ENTRY.fullmatch(line):
            finish()
            entry_id, fields, last = match[1], {}, None
        elif (match := _FIELD.fullmatch(line)) and entry_id:
            last = fields.setdefault(match[1], [])
            last.append(match[2].strip())
        elif line.startswith(" ") and last:
            last[-1] += " " + line.strip()
        else:
            raise CorpusError(f"{path.name}, line {number}: this is no part of an entry.")
    finish()
    return entries


def _entry(path: Path, entry_id: str, fields: dict[str, list[str]]) -> Entry:
    if "A" not in fields or "Q" not in fields:
        raise CorpusError(f"{path.name}: entry “{entry_id}” needs a question and an answer.")
    answer = "\n".join(fields["A"])
    usual = _LONG_WEIGHT if len(answer) > _LONG_ANSWER_CHARS else 1.0
    return Entry(
        id=entry_id,
        questions=tuple(fields["Q"]),
        held_out=tuple(fields.get("H", ())),
        patterns=tuple(fields.get("T", ())),
        answer=answer,
        after=tuple(" ".join(fields.get("after", ())).split()),
        weight=float(fields["weight"][0]) if "weight" in fields else usual,
    )


def _read_words(path: Path) -> dict[str, tuple[str, ...]]:
    return {
        slot: tuple(word.strip() for word in listed.split(",")) for slot, listed in _pairs(path)
    }


def _read_wording(path: Path) -> Wording:
    pairs = _pairs(path)

    def groups(kind: str) -> Groups:
        return tuple(
            tuple(phrase.strip() for phrase in listed.split("|"))
            for found, listed in pairs
            if found == kind
        )

    def quoted(kind: str) -> tuple[str, ...]:
        return tuple(listed.strip().strip('"') for found, listed in pairs if found == kind)

    small_words = frozenset(word for group in groups("small") for word in group)
    return Wording(
        groups("opening"), groups("word"), small_words, quoted("before"), quoted("after")
    )


def _pairs(path: Path) -> list[tuple[str, str]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    split = (line.partition(":") for line in lines if line and not line.startswith("#"))
    return [(name, rest) for name, _, rest in split]
