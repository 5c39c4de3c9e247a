"""The places where Flet's types say less than Flet does."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import flet as ft

P = ParamSpec("P")
R = TypeVar("R")


def keyed(key: str, component: Callable[P, R]) -> Callable[P, R]:
    """The component under a key: with another key it is another one, which begins anew."""

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        # Every component takes `key`, but its signature is that of the function below it.
        return cast("Callable[..., R]", component)(*args, key=key, **kwargs)

    return call


def once(component: Callable[P, R]) -> Callable[P, R]:
    """The component, drawn anew only when its arguments have changed."""
    memo: Any = ft.memo
    remembered: Callable[P, R] = memo(component)
    return remembered


def use_kept(make: Callable[[], R]) -> R:
    """A hook: something that is made when the component first appears, and kept with it."""
    use_ref: Any = ft.use_ref
    kept: R = use_ref(make).current
    return kept
