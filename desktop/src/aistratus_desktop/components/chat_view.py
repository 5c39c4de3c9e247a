"""The conversation and the prompt field below it."""

from collections.abc import Awaitable, Callable

import flet as ft

from aistratus_desktop.components.banner import Banner
from aistratus_desktop.components.composer import Composer
from aistratus_desktop.components.messages import Messages
from aistratus_desktop.components.theme import CONTENT_WIDTH, GAP
from aistratus_desktop.components.typed import keyed
from aistratus_desktop.components.welcome import Welcome
from aistratus_desktop.state import Chat, NextStep, Phase


@ft.component
def ChatView(chat: Chat, take_step: Callable[[NextStep], Awaitable[None]]) -> ft.Control:
    """Messages in a column of readable width, the error if any, and the composer.

    The siblings have keys, so that one that comes or goes does not reset the others or the focus.
    """

    async def suggest(prompt: str) -> None:
        chat.draft.replace(prompt)
        await chat.send()

    foot: list[ft.Control] = []
    if chat.trouble:
        foot.append(keyed("trouble", Banner)(chat.trouble, take_step, chat.dismiss))
    foot.append(keyed("composer", Composer)(chat, chat.draft))
    foot.append(
        ft.Text(
            key="small-print",
            value="A language model can be wrong. Check what matters.",
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
            ft.Container(_middle(chat, suggest), expand=True, key="middle"),
            _centred(
                ft.Column(
                    foot,
                    spacing=8,
                    tight=True,
                    horizontal_alignment=ft.CrossAxisAlignment.STRETCH,
                ),
                key="foot",
                padding=ft.Padding.only(left=GAP, right=GAP, top=8, bottom=10),
            ),
        ],
    )


def _middle(chat: Chat, suggest: Callable[[str], Awaitable[None]]) -> ft.Control:
    if chat.bubbles:
        return keyed(f"visit-{chat.visit}", Messages)(chat)
    if chat.phase is Phase.LOADING:
        return ft.Container(
            alignment=ft.Alignment.CENTER,
            content=ft.ProgressRing(semantics_label="Loading the conversation"),
        )
    return _centred(Welcome(suggest), padding=GAP)


def _centred(
    content: ft.Control, *, padding: ft.PaddingValue, key: str | None = None
) -> ft.Control:
    return ft.Container(
        key=key,
        alignment=ft.Alignment.CENTER,
        padding=padding,
        content=ft.Container(width=CONTENT_WIDTH, content=content),
    )
