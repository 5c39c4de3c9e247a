"""The entry point of `flet run` and `flet build`."""

from aistratus_desktop.main import run

run()
