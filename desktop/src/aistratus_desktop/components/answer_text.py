"""An answer's text: the model writes Markdown."""

from urllib.parse import urlsplit

import flet as ft

from aistratus_desktop.components.theme import body_style

_ZERO_WIDTH_SPACE = "\u200b"


def without_images(text: str) -> str:
    """The text with image markup made harmless.

    An image is loaded as soon as it is shown, from an address that the model wrote: a way for
    a conversation to leak to a stranger. Its markup becomes a link, which nobody follows
    unasked.
    """
    return text.replace("![", f"!{_ZERO_WIDTH_SPACE}[")


def is_web_address(url: str) -> bool:
    """Whether a link leads to a web page, and not to something that the system would run."""
    try:
        return urlsplit(url).scheme in {"http", "https"}
    except ValueError:
        return False


@ft.component
def AnswerText(text: str) -> ft.Control:
    """Markdown; links open in a new tab, and only those that lead to web pages."""

    async def follow(event: ft.Event[ft.Markdown]) -> None:
        if is_web_address(str(event.data)):
            await ft.UrlLauncher().launch_url(str(event.data), web_only_window_name="_blank")

    body = body_style()
    return ft.Markdown(
        without_images(text),
        extension_set=ft.MarkdownExtensionSet.GITHUB_FLAVORED,
        code_theme=ft.MarkdownCodeTheme.ATOM_ONE_DARK,
        md_style_sheet=ft.MarkdownStyleSheet(
            p_text_style=body,
            list_bullet_text_style=body,
            code_text_style=ft.TextStyle(
                size=13.5, font_family="monospace", bgcolor=ft.Colors.SURFACE_CONTAINER_HIGHEST
            ),
            codeblock_padding=12,
            codeblock_decoration=ft.BoxDecoration(
                bgcolor=ft.Colors.SURFACE_CONTAINER_HIGHEST, border_radius=10
            ),
            block_spacing=12,
        ),
        on_tap_link=follow,
    )
