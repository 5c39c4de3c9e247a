"""An answer's text, shown as the Markdown that the model writes."""

from urllib.parse import urlsplit

import flet as ft

from aistratus_desktop.components.theme import body_style

# Fonts that systems have; the last is part of Flet's client, so a browser has it too.
_MONOSPACE = [
    "Menlo",
    "Consolas",
    "DejaVu Sans Mono",
    "monospace",
    "packages/flutter_math_fork/KaTeX_Typewriter",
]
_ZERO_WIDTH_SPACE = "\u200b"


def without_images(text: str) -> str:
    """The text with image markup made harmless.

    An image loads as soon as it is shown, from an address that the model wrote, which could leak
    the conversation to a stranger. The markup becomes a link, which loads only on a click.
    """
    return text.replace("![", f"!{_ZERO_WIDTH_SPACE}[")


def is_web_address(url: str) -> bool:
    """Whether a link leads to a web page and not to something that the system would run."""
    try:
        return urlsplit(url).scheme in {"http", "https"}
    except ValueError:
        return False


@ft.component
def AnswerText(text: str) -> ft.Control:
    """An answer as Markdown; only links to web pages open, in a new tab."""

    async def follow(event: ft.Event[ft.Markdown]) -> None:
        if is_web_address(str(event.data)):
            await ft.UrlLauncher().launch_url(str(event.data), web_only_window_name="_blank")

    body = body_style()
    block = ft.BoxDecoration(bgcolor=ft.Colors.SURFACE_CONTAINER, border_radius=10)
    return ft.Markdown(
        without_images(text),
        extension_set=ft.MarkdownExtensionSet.GITHUB_FLAVORED,
        code_theme=_CODE_THEME,
        code_style_sheet=ft.MarkdownStyleSheet(
            code_text_style=_code_style(ft.Colors.ON_SURFACE),
            codeblock_padding=14,
            codeblock_decoration=block,
        ),
        md_style_sheet=ft.MarkdownStyleSheet(
            p_text_style=body,
            list_bullet_text_style=body,
            code_text_style=_code_style(
                ft.Colors.ON_SURFACE, bgcolor=ft.Colors.SURFACE_CONTAINER_HIGH
            ),
            codeblock_padding=14,
            codeblock_decoration=block,
            block_spacing=12,
        ),
        on_tap_link=follow,
    )


def _code_style(color: ft.Colors, *, bgcolor: ft.Colors | None = None) -> ft.TextStyle:
    return ft.TextStyle(
        size=14,
        height=1.45,
        color=color,
        bgcolor=bgcolor,
        font_family=_MONOSPACE[0],
        font_family_fallback=_MONOSPACE[1:],
    )


# The theme's colours, so that code is legible in light and dark mode.
_CODE_THEME = ft.MarkdownCustomCodeTheme(
    keyword=_code_style(ft.Colors.PRIMARY),
    built_in=_code_style(ft.Colors.PRIMARY),
    title=_code_style(ft.Colors.SECONDARY),
    string=_code_style(ft.Colors.TERTIARY),
    number=_code_style(ft.Colors.TERTIARY),
    literal=_code_style(ft.Colors.TERTIARY),
    comment=_code_style(ft.Colors.OUTLINE),
)
