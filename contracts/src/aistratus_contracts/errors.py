"""Errors of the contracts, and the stable codes that the wire carries."""

from aistratus_contracts.codes import OpenCode


class ContractError(Exception):
    """Base of this package's errors: a document does not match the contract."""


class UnknownVersion(ContractError):
    """A document has a version that this release cannot read, though another can."""

    def __init__(self, type_name: str, version: int) -> None:
        super().__init__(
            f"This {type_name} has version {version!r}, which this release cannot read; "
            "upgrade the part that reads it."
        )
        self.type_name = type_name
        self.version = version


class MissingField(ContractError):
    """A document lacks a field that its version needs."""

    def __init__(self, type_name: str, field: str) -> None:
        super().__init__(f"{type_name} needs the field {field!r}.")
        self.type_name = type_name
        self.field = field


class WrongType(ContractError):
    """A field's value does not have the type that its version requires."""

    def __init__(self, type_name: str, field: str, wanted: str, got: object) -> None:
        super().__init__(f"{type_name}.{field} must be {wanted}, not {type(got).__name__}.")
        self.type_name = type_name
        self.field = field


class WrongValue(ContractError):
    """A field's value has the declared type, and no meaning."""

    def __init__(self, type_name: str, field: str, wanted: str, got: str) -> None:
        super().__init__(f"{type_name}.{field} must be {wanted}, not {got!r}.")
        self.type_name = type_name
        self.field = field


class Ambiguous(ContractError):
    """A document holds two fields where only one is allowed."""

    def __init__(self, type_name: str, one: str, other: str) -> None:
        super().__init__(f"{type_name} holds one thing, and this one has {one!r} and {other!r}.")
        self.type_name = type_name


class Malformed(ContractError):
    """A text that should hold a document is not a JSON object."""

    def __init__(self, type_name: str) -> None:
        super().__init__(f"This text is no JSON object, so it holds no {type_name}.")
        self.type_name = type_name


class ErrorCode(OpenCode):
    """The `code` of a problem document (RFC 9457): stable, for programs to act on."""

    INVALID_JSON = "invalid_json"
    INVALID_REQUEST = "invalid_request"
    BODY_TOO_LARGE = "body_too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    REQUEST_ID_REUSED = "request_id_reused"
    CONVERSATION_BUSY = "conversation_busy"
    NO_FLEET = "no_fleet"
    TOO_MANY_OPEN_JOBS = "too_many_open_jobs"
    RATE_LIMITED = "rate_limited"
    TOO_MANY_READERS = "too_many_readers"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"
    OTHER = "other"


class JobErrorCode(OpenCode):
    """The `code` of an `error` event: why a job ended `failed`."""

    PROMPT_TOO_LONG = "prompt_too_long"
    TEMPLATE_FAILED = "template_failed"
    INVALID_REQUEST = "invalid_request"
    INVALID_GRAMMAR = "invalid_grammar"
    GRAMMAR_TOO_COSTLY = "grammar_too_costly"
    ENGINE_FAILED = "engine_failed"
    POISON = "poison"
    OTHER = "other"


class NoticeCode(OpenCode):
    """The `code` of a `notice` event: something that the reader should know."""

    TURNS_LEFT_OUT = "turns_left_out"
    OTHER = "other"
