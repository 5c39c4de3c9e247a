"""What the person sees and can do, without graphics: observable models with their behaviour.

Components render these and call their methods; tests drive them as plain Python.
"""

from aistratus_desktop.state.app import App, Door
from aistratus_desktop.state.bubble import Bubble
from aistratus_desktop.state.chat import Chat, Phase
from aistratus_desktop.state.draft import Draft
from aistratus_desktop.state.history import History
from aistratus_desktop.state.trouble import NextStep, Trouble

__all__ = [
    "App",
    "Bubble",
    "Chat",
    "Door",
    "Draft",
    "History",
    "NextStep",
    "Phase",
    "Trouble",
]
