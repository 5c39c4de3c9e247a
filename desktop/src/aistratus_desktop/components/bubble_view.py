"""One message on the screen."""

import flet as ft

from aistratus_contracts.states import Role
from aistratus_desktop.components.answer_text import AnswerText
from aistratus_desktop.components.brand import Brand
from aistratus_desktop.components.theme import GAP, RADIUS, body_style
from aistratus_desktop.state import Bubble

# A question never fills the row, so that it looks unlike an answer.
QUESTION_INDENT = 64


@ft.component
def BubbleView(bubble: Bubble) -> ft.Control:
    """The person's message, on the right, or an answer, on the left, as it grows."""
    return _question(bubble.text) if bubble.role is Role.USER else _answer(bubble)


def _question(text: str) -> ft.Control:
    return ft.Row(
        alignment=ft.MainAxisAlignment.END,
        controls=[
            ft.Semantics(
                container=True,
                label="You said",
                expand=True,
                expand_loose=True,
                content=ft.Container(
                    bgcolor=ft.Colors.PRIMARY_CONTAINER,
                    border_radius=ft.BorderRadius.only(
                        top_left=RADIUS, top_right=RADIUS, bottom_left=RADIUS, bottom_right=4
                    ),
                    padding=ft.Padding.symmetric(horizontal=16, vertical=10),
                    margin=ft.Margin.only(left=QUESTION_INDENT),
                    content=ft.Text(
                        text,
                        style=body_style(color=ft.Colors.ON_PRIMARY_CONTAINER),
                    ),
                ),
            )
        ],
    )


def _answer(bubble: Bubble) -> ft.Control:
    parts: list[ft.Control] = [_note(ft.Icons.INFO_OUTLINE, notice) for notice in bubble.notices]
    if bubble.text:
        parts.append(AnswerText(bubble.text))
    if bubble.is_open:
        parts.append(_progress(bubble.status, has_text=bool(bubble.text)))
    if bubble.error:
        parts.append(_note(ft.Icons.ERROR_OUTLINE, bubble.error, color=ft.Colors.ERROR))
    if bubble.remark:
        parts.append(_note(ft.Icons.STOP_CIRCLE_OUTLINED, bubble.remark))
    return ft.Row(
        vertical_alignment=ft.CrossAxisAlignment.START,
        spacing=GAP,
        controls=[
            Brand(28),
            ft.Semantics(
                container=True,
                label="Aistratus says" if not bubble.is_open else "Aistratus is answering",
                expand=True,
                content=ft.Column(parts, spacing=10, tight=True),
            ),
        ],
    )


def _progress(status: str, *, has_text: bool) -> ft.Control:
    """A progress ring, with words where the growing text does not show the progress."""
    ring = ft.ProgressRing(width=14, height=14, stroke_width=2)
    words = "" if has_text and status.startswith("Thinking") else status
    return ft.Row(
        spacing=10,
        controls=[
            ring,
            ft.Semantics(
                live_region=True,
                container=True,
                expand=True,
                content=ft.Text(words, size=14, color=ft.Colors.ON_SURFACE_VARIANT),
            ),
        ],
    )


def _note(
    icon: ft.IconData, text: str, *, color: ft.Colors = ft.Colors.ON_SURFACE_VARIANT
) -> ft.Control:
    return ft.Row(
        spacing=8,
        vertical_alignment=ft.CrossAxisAlignment.CENTER,
        controls=[
            ft.Icon(icon, size=16, color=color),
            ft.Text(text, size=13.5, color=color, expand=True),
        ],
    )
