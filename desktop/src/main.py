"""Where `flet run` and `flet build` begin."""

from aistratus_desktop.main import run

run()
