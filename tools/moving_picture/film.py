"""Frames of a page and of a terminal below it, as they came, into one animated picture."""

import base64
import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Page

SHORTEST_FRAME_SECONDS: Final = 0.08
TERMINAL_LINES: Final = 4
_FONT: Final = Path(mpl.get_data_path(), "fonts", "ttf", "DejaVuSansMono.ttf")
_FONT_PIXELS, _LINE_PIXELS, _MARGIN_PIXELS = 14, 21, 12
_BACKGROUND, _TEXT, _TYPED = "#1d1f27", "#aeb4c0", "#ffffff"
_PROMPT: Final = "$ "


@dataclass(frozen=True)
class Shot:
    """What is to be seen from `at` on (seconds since the epoch)."""

    at: float
    image: Image.Image


class Film:
    """Records a page while it is used."""

    def __init__(self, page: Page) -> None:
        self._frames: list[tuple[float, bytes]] = []
        self._terminal: list[tuple[float, str]] = []
        self._session = page.context.new_cdp_session(page)
        self._session.on("Page.screencastFrame", self._keep)

    def start(self) -> None:
        """Record from now on: Chromium sends a frame whenever it has painted one."""
        self._session.send("Page.startScreencast", {"format": "png", "everyNthFrame": 1})

    def stop(self) -> None:
        """Record no more."""
        self._session.remove_listener("Page.screencastFrame", self._keep)
        self._session.send("Page.stopScreencast")
        self._session.detach()
        self._terminal.append((time.time(), ""))

    def print(self, line: str) -> None:
        """Print a line in the terminal below the page, now."""
        self._terminal.append((time.time(), line))

    def save(self, target: Path, width: int) -> float:
        """Write the animated picture; returns its duration in seconds."""
        shots = list(self._shots(width))
        starts = [shot.at for shot in shots]
        ends = [*starts[1:], self._terminal[-1][0]]
        durations = [round(1000 * (end - at)) for at, end in zip(starts, ends, strict=True)]
        first, *others = [shot.image for shot in shots]
        target.parent.mkdir(parents=True, exist_ok=True)
        first.save(
            target,
            save_all=True,
            append_images=others,
            duration=[max(1, duration) for duration in durations],
            loop=0,
            lossless=True,
            quality=80,
            method=4,
            minimize_size=True,
        )
        return sum(durations) / 1000

    def _keep(self, event: dict[str, Any]) -> None:
        self._frames.append((event["metadata"]["timestamp"], base64.b64decode(event["data"])))
        self._session.send("Page.screencastFrameAck", {"sessionId": event["sessionId"]})

    def _shots(self, width: int) -> Iterator[Shot]:
        """Page and terminal together, at each moment at which either has changed."""
        end = self._terminal[-1][0]
        changes = sorted({at for at, _ in (*self._frames, *self._terminal) if at < end})
        changes = [at for at in changes if at >= self._frames[0][0]]
        last: bytes | None = None
        for at, following in zip(changes, [*changes[1:], end], strict=True):
            if following - at < SHORTEST_FRAME_SECONDS and following != end:
                continue  # the next one has it all
            page = [png for when, png in self._frames if when <= at][-1]
            lines = [line for when, line in self._terminal if when <= at]
            image = _composed(page, lines[-TERMINAL_LINES:], width)
            if image.tobytes() != last:
                last = image.tobytes()
                yield Shot(at, image)


def _composed(png: bytes, lines: Sequence[str], width: int) -> Image.Image:
    page = Image.open(io.BytesIO(png)).convert("RGB")
    page = page.crop((0, 0, width, page.height))
    strip = 2 * _MARGIN_PIXELS + TERMINAL_LINES * _LINE_PIXELS
    whole = Image.new("RGB", (width, page.height + strip), _BACKGROUND)
    whole.paste(page, (0, 0))
    draw = ImageDraw.Draw(whole)
    font = ImageFont.truetype(str(_FONT), _FONT_PIXELS)
    for number, line in enumerate(lines):
        place = (_MARGIN_PIXELS + 4, page.height + _MARGIN_PIXELS + number * _LINE_PIXELS)
        draw.text(place, line, font=font, fill=_TYPED if line.startswith(_PROMPT) else _TEXT)
    return whole
