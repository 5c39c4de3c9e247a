"""The unsent text in the prompt field."""

from dataclasses import dataclass

import flet as ft


@ft.observable
@dataclass(eq=False)
class Draft:
    """The text, and what the app itself last put there.

    A person types faster than a change travels to the app and back: a field that is redrawn at
    every key loses letters. So it is redrawn only when the app sets its text (or empties it, after
    sending), which changes `initial` and `generation`.
    """

    text: str = ""
    initial: str = ""
    generation: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to send."""
        return not self.text.strip()

    def typed(self, text: str) -> None:
        """Record the text that the person has typed."""
        self.text = text

    def replace(self, text: str) -> None:
        """Set the text on the app's behalf."""
        self.initial = text
        self.text = text
        self.generation += 1
