"""Moto's API Gateway, without its validator of API descriptions.

moto's API Gateway cannot be imported without that package, which it uses only to check an API that
is imported as a whole. Nothing does that here: Terraform makes an API route by route.
"""

import sys
from types import ModuleType
from typing import Any, Final

_PACKAGE: Final = "openapi_spec_validator"
_EXCEPTIONS: Final = f"{_PACKAGE}.validation.exceptions"


class _ValidationError(Exception):
    """What the validator would raise."""


def _validate(*_: Any) -> None:
    raise NotImplementedError("The emulator imports no API descriptions; make an API by its parts.")


def install() -> None:
    """Give moto a dummy validator, in this process."""
    package, exceptions = ModuleType(_PACKAGE), ModuleType(_EXCEPTIONS)
    package.validate = _validate  # type: ignore[attr-defined]
    exceptions.OpenAPIValidationError = _ValidationError  # type: ignore[attr-defined]
    sys.modules.setdefault(_PACKAGE, package)
    sys.modules.setdefault(f"{_PACKAGE}.validation", ModuleType(f"{_PACKAGE}.validation"))
    sys.modules.setdefault(_EXCEPTIONS, exceptions)
