"""The messages of a conversation, one below the other."""

from collections.abc import Awaitable, Callable

import flet as ft

from aistratus_desktop.components.bubble_view import BubbleView
from aistratus_desktop.components.theme import CONTENT_WIDTH, GAP
from aistratus_desktop.components.typed import use_kept
from aistratus_desktop.state import Bubble, Chat

# So close to the end counts as being there (logical pixels).
NEAR_END = 48
# What is above comes forward.
_UPWARDS = ft.ScrollDirection.FORWARD
_NOWHERE = ft.ScrollDirection.IDLE


class _View:
    """The scrolled column, and whether its end is what the person looks at."""

    def __init__(self) -> None:
        self.column: ft.Ref[ft.Column] = ft.Ref()
        self.is_at_end = True
        self._is_leaving = False

    def scrolled(self, event: ft.OnScrollEvent) -> None:
        """Only a person leads away from the end, and back: our own moves come by here too.

        One of ours may just be on its way when a person scrolls up: it does not count as a
        return.
        """
        if event.event_type is ft.ScrollType.USER and event.direction is not _NOWHERE:
            self._is_leaving = event.direction is _UPWARDS
            self.is_at_end &= not self._is_leaving
        elif event.pixels >= event.max_scroll_extent - NEAR_END and not self._is_leaving:
            self.is_at_end = True

    async def stay(self) -> None:
        """Something has grown: to the end again, if that is where one was."""
        if self.is_at_end and self.column.current:
            await self.column.current.scroll_to(offset=-1)

    async def go(self) -> None:
        """To the end, wherever one was: who asks something wants to see it."""
        self.is_at_end, self._is_leaving = True, False
        await self.stay()


@ft.component
def Messages(chat: Chat) -> ft.Control:
    """The view begins at the end, and stays there while it grows, unless one scrolls up."""
    view = use_kept(_View)
    ft.use_effect(view.go, [len(chat.bubbles)])
    if not chat.bubbles:
        # The conversation has just been left; whoever has put this here is about to take it away.
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
    """Draws nothing; calls `stay` whenever the bubble has grown."""
    size = (len(bubble.text), bubble.state, len(bubble.notices), bubble.error, bubble.remark)
    ft.use_effect(stay, [size])
    return ft.Container(height=0)
