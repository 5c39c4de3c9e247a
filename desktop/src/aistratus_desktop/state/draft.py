"""What stands in the prompt field and has not been sent."""

from dataclasses import dataclass

import flet as ft


@ft.observable
@dataclass(eq=False)
class Draft:
    """The text, and what the app last put there itself.

    A person types faster than a change travels to the app and back: a field that is drawn anew
    at every key loses letters. So it is drawn only when the app puts other text there (or none,
    after sending): `initial`, and another `generation`.
    """

    text: str = ""
    initial: str = ""
    generation: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to send."""
        return not self.text.strip()

    def typed(self, text: str) -> None:
        """The person has changed the text."""
        self.text = text

    def replace(self, text: str) -> None:
        """The app changes the text."""
        self.initial = text
        self.text = text
        self.generation += 1
