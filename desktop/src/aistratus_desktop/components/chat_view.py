"""The conversation and the prompt field below it."""

from collections.abc import Awaitable, Callable

import flet as ft

from aistratus_desktop.components.banner import Banner
from aistratus_desktop.components.bubble_view import BubbleView
from aistratus_desktop.components.composer import Composer
from aistratus_desktop.components.theme import CONTENT_WIDTH, GAP
from aistratus_desktop.components.welcome import Welcome
from aistratus_desktop.state import Chat, NextStep, Phase

# So close to the end counts as being there (logical pixels).
NEAR_END = 48


@ft.component
def ChatView(chat: Chat, take_step: Callable[[NextStep], Awaitable[None]]) -> ft.Control:
    """Messages in a column of readable width, what went wrong, and the composer."""

    async def suggest(prompt: str) -> None:
        chat.draft.replace(prompt)
        await chat.send()

    foot: list[ft.Control] = []
    if chat.trouble:
        foot.append(Banner(chat.trouble, take_step, chat.dismiss))
    foot.append(Composer(chat, chat.draft))
    foot.append(
        ft.Text(
            "A language model can be wrong. Check what matters.",
            size=12,
            color=ft.Colors.ON_SURFACE_VARIANT,
            text_align=ft.TextAlign.CENTER,
        )
    )
    return ft.Column(
        expand=True,
        spacing=0,
        horizontal_alignment=ft.CrossAxisAlignment.STRETCH,
        controls=[
            _middle(chat, suggest),
            _centred(
                ft.Column(
                    foot,
                    spacing=8,
                    tight=True,
                    horizontal_alignment=ft.CrossAxisAlignment.STRETCH,
                ),
                padding=ft.Padding.only(left=GAP, right=GAP, top=8, bottom=10),
            ),
        ],
    )


def _middle(chat: Chat, suggest: Callable[[str], Awaitable[None]]) -> ft.Control:
    if chat.bubbles:
        return Messages(chat)
    if chat.phase is Phase.LOADING:
        return ft.Container(
            expand=True,
            alignment=ft.Alignment.CENTER,
            content=ft.ProgressRing(semantics_label="Loading the conversation"),
        )
    return _centred(Welcome(suggest), padding=GAP, expand=True)


@ft.component
def Messages(chat: Chat) -> ft.Control:
    """The messages. The view stays at their end while they grow, unless one has scrolled up."""
    at_end, set_at_end = ft.use_state(True)

    def scrolled(event: ft.OnScrollEvent) -> None:
        if event.event_type in (ft.ScrollType.USER, ft.ScrollType.UPDATE):
            set_at_end(event.pixels >= event.max_scroll_extent - NEAR_END)

    messages = ft.ListView(
        expand=True,
        auto_scroll=at_end,
        scroll_interval=100,
        on_scroll=scrolled,
        build_controls_on_demand=False,
        padding=ft.Padding.symmetric(vertical=24),
        spacing=24,
        controls=[
            ft.Container(
                key=bubble.key,
                alignment=ft.Alignment.TOP_CENTER,
                padding=ft.Padding.symmetric(horizontal=GAP),
                content=ft.Container(
                    width=CONTENT_WIDTH,
                    content=BubbleView(bubble),
                ),
            )
            for bubble in chat.bubbles
        ],
    )
    return ft.SelectionArea(messages, expand=True)


def _centred(
    content: ft.Control, *, padding: ft.PaddingValue, expand: bool | None = None
) -> ft.Control:
    return ft.Container(
        expand=expand,
        alignment=ft.Alignment.CENTER,
        padding=padding,
        content=ft.Container(width=CONTENT_WIDTH, content=content),
    )
