"""Draws the state: one component per file, each a function of the models that it is given."""

from aistratus_desktop.components.app_view import AppView
from aistratus_desktop.components.theme import dress

__all__ = ["AppView", "dress"]
