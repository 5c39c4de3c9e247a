"""Typed wrappers where Flet's own types are incomplete."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import flet as ft

P = ParamSpec("P")
R = TypeVar("R")


def keyed(key: str, component: Callable[P, R]) -> Callable[P, R]:
    """The component with a key: a different key makes a new component with new state."""

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        # Every component takes `key`, but its signature is that of the wrapped function.
        return cast("Callable[..., R]", component)(*args, key=key, **kwargs)

    return call


def once(component: Callable[P, R]) -> Callable[P, R]:
    """The component, redrawn only when its arguments change."""
    memo: Any = ft.memo
    remembered: Callable[P, R] = memo(component)
    return remembered


def use_kept(make: Callable[[], R]) -> R:
    """A hook: a value made when the component first appears and kept with it."""
    use_ref: Any = ft.use_ref
    kept: R = use_ref(make).current
    return kept
