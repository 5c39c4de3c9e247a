"""The messages of a conversation, one below the other."""

from collections.abc import Awaitable, Callable

import flet as ft

from aistratus_desktop.components.bubble_view import BubbleView
from aistratus_desktop.components.theme import CONTENT_WIDTH, GAP
from aistratus_desktop.components.typed import use_kept
from aistratus_desktop.state import Bubble, Chat

# A position within this many logical pixels of the end counts as the end.
NEAR_END = 48
# Flet's name for scrolling up.
_UPWARDS = ft.ScrollDirection.FORWARD
_NOWHERE = ft.ScrollDirection.IDLE


class _View:
    """The scrolling column, and whether it follows its end."""

    def __init__(self) -> None:
        self.column: ft.Ref[ft.Column] = ft.Ref()
        self.is_at_end = True
        self._is_leaving = False

    def scrolled(self, event: ft.OnScrollEvent) -> None:
        """Track whether the person is at the end; our own scrolling also triggers this event.

        Only the person can leave the end and return to it: if our scrolling is under way when the
        person scrolls up, its arrival at the end does not count as a return.
        """
        if event.event_type is ft.ScrollType.USER and event.direction is not _NOWHERE:
            self._is_leaving = event.direction is _UPWARDS
            self.is_at_end &= not self._is_leaving
        elif event.pixels >= event.max_scroll_extent - NEAR_END and not self._is_leaving:
            self.is_at_end = True

    async def stay(self) -> None:
        """After growth, scroll to the end again if the view was there."""
        if self.is_at_end and self.column.current:
            await self.column.current.scroll_to(offset=-1)

    async def go(self) -> None:
        """Scroll to the end from anywhere, to show a new message."""
        self.is_at_end, self._is_leaving = True, False
        await self.stay()


@ft.component
def Messages(chat: Chat) -> ft.Control:
    """The messages; the view starts at the end and stays there unless the person scrolls up."""
    view = use_kept(_View)
    ft.use_effect(view.go, [len(chat.bubbles)])
    if not chat.bubbles:
        # The conversation has just been left, and the parent is about to remove this.
        return ft.Container()
    column = ft.Column(
        ref=view.column,
        expand=True,
        scroll=ft.ScrollMode.AUTO,
        scroll_interval=100,
        on_scroll=view.scrolled,
        spacing=0,
        horizontal_alignment=ft.CrossAxisAlignment.STRETCH,
        controls=[_line(bubble) for bubble in chat.bubbles],
    )
    return ft.Column(
        expand=True,
        spacing=0,
        horizontal_alignment=ft.CrossAxisAlignment.STRETCH,
        controls=[ft.SelectionArea(column, expand=True), EndKeeper(chat.bubbles[-1], view.stay)],
    )


def _line(bubble: Bubble) -> ft.Control:
    return ft.Container(
        key=bubble.key,
        alignment=ft.Alignment.TOP_CENTER,
        padding=ft.Padding.symmetric(horizontal=GAP, vertical=12),
        content=ft.Container(width=CONTENT_WIDTH, content=BubbleView(bubble)),
    )


@ft.component
def EndKeeper(bubble: Bubble, stay: Callable[[], Awaitable[None]]) -> ft.Control:
    """Draws nothing; calls `stay` whenever the bubble grows."""
    size = (len(bubble.text), bubble.state, len(bubble.notices), bubble.error, bubble.remark)
    ft.use_effect(stay, [size])
    return ft.Container(height=0)
