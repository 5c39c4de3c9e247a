"""What the state looks like: one component a file, each a function of the models it is given."""

from aistratus_desktop.components.app_view import AppView

__all__ = ["AppView"]
