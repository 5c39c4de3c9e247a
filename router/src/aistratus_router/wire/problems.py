"""Each kind of refusal as it is sent (RFC 9457)."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from aistratus_contracts.errors import ErrorCode
from aistratus_contracts.problem import FieldError, Problem
from aistratus_router.errors import RouterError

RETRY_AFTER_SECONDS: Final = 2
OPEN_JOBS_RETRY_SECONDS: Final = 5
READERS_RETRY_SECONDS: Final = 5


class Refusal(RouterError):
    """A request that is answered with a problem document."""

    def __init__(self, problem: Problem, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        super().__init__(problem.detail)
        self.problem = problem
        self.headers = dict(headers)


def invalid_json(detail: str) -> Refusal:
    """400: the body cannot be read at all."""
    return Refusal(
        Problem(
            400,
            ErrorCode.INVALID_JSON,
            "The body is not JSON",
            detail,
            (FieldError("", detail),),
        )
    )


def unauthorized(detail: str) -> Refusal:
    """401: we do not know the caller."""
    return Refusal(
        Problem(401, ErrorCode.UNAUTHORIZED, "Sign in first", detail),
        {"WWW-Authenticate": "Bearer"},
    )


def forbidden(detail: str) -> Refusal:
    """403: we know the caller, but the token does not allow this."""
    return Refusal(Problem(403, ErrorCode.FORBIDDEN, "Not allowed with this token", detail))


def not_found(what: str) -> Refusal:
    """404: it does not exist, or is another user's; both get the same answer."""
    return Refusal(
        Problem(
            404,
            ErrorCode.NOT_FOUND,
            "Not found",
            f"There is no such {what}, or it is not yours; check the address.",
        )
    )


def method_not_allowed(allowed: Sequence[str]) -> Refusal:
    """405: the address is right, the method is not."""
    methods = ", ".join(sorted(allowed))
    return Refusal(
        Problem(
            405,
            ErrorCode.METHOD_NOT_ALLOWED,
            "Method not allowed",
            f"This address answers to {methods} only.",
        ),
        {"Allow": methods},
    )


def request_id_reused() -> Refusal:
    """409: the idempotency key already stands for something else."""
    detail = "This request_id already stands for another body; use a fresh one for a new prompt."
    return Refusal(
        Problem(
            409,
            ErrorCode.REQUEST_ID_REUSED,
            "request_id is taken",
            detail,
            (FieldError("/request_id", detail),),
        )
    )


def no_fleet() -> Refusal:
    """409: the router does not start and stop this deployment's instances."""
    return Refusal(
        Problem(
            409,
            ErrorCode.NO_FLEET,
            "There is no fleet here",
            "The workers of this deployment are not ours to start and stop; use what started them.",
        )
    )


def body_too_large(limit_bytes: int) -> Refusal:
    """413: more than we accept."""
    detail = f"A body may have {limit_bytes} bytes at most; send less text."
    return Refusal(
        Problem(
            413,
            ErrorCode.BODY_TOO_LARGE,
            "The body is too large",
            detail,
            (FieldError("", detail),),
        )
    )


def unsupported_media_type() -> Refusal:
    """415: the body is declared as something other than JSON."""
    return Refusal(
        Problem(
            415,
            ErrorCode.UNSUPPORTED_MEDIA_TYPE,
            "The body is not JSON",
            "Send the body as application/json in UTF-8.",
        )
    )


def invalid_request(errors: Sequence[FieldError]) -> Refusal:
    """422: the request can be read, but these fields are wrong."""
    named = ", ".join(error.field or "the body" for error in errors[:3])
    more = f" and {len(errors) - 3} more" if len(errors) > 3 else ""
    return Refusal(
        Problem(
            422,
            ErrorCode.INVALID_REQUEST,
            "The request does not fit",
            f"Correct {named}{more} and send it again.",
            tuple(errors),
        )
    )


def conversation_busy() -> Refusal:
    """503: too many prompts of one user were sent at once."""
    return _try_again(
        ErrorCode.CONVERSATION_BUSY,
        "The conversation is busy",
        "Other prompts of yours are being taken in right now; send this one again.",
    )


def too_many_open_jobs(most: int) -> Refusal:
    """429: the user has as many open jobs as allowed."""
    return _too_many(
        ErrorCode.TOO_MANY_OPEN_JOBS,
        "Too many open jobs",
        f"You have {most} jobs that have not ended, and may have no more; wait for one of them, "
        "or stop one.",
        OPEN_JOBS_RETRY_SECONDS,
    )


def rate_limited(per_minute: int, retry_after: int) -> Refusal:
    """429: the user's prompts come too fast."""
    return _too_many(
        ErrorCode.RATE_LIMITED,
        "Too many prompts",
        f"Your prompts come faster than {per_minute} a minute; send this one again in "
        f"{retry_after} seconds.",
        retry_after,
    )


def too_many_readers(most: int) -> Refusal:
    """429: the user has as many held polls as allowed."""
    return _too_many(
        ErrorCode.TOO_MANY_READERS,
        "Too many readers",
        f"You wait for answers in {most} places at once, and may not in more; close some of them.",
        READERS_RETRY_SECONDS,
    )


def unavailable() -> Refusal:
    """503: AWS is slow or throttling."""
    return _try_again(
        ErrorCode.UNAVAILABLE,
        "Not available right now",
        "A service behind this one did not answer in time; try again in a moment.",
    )


def internal(request_id: str) -> Refusal:
    """500: our fault; the id leads to the log entry."""
    return Refusal(
        Problem(
            500,
            ErrorCode.INTERNAL,
            "Something went wrong here",
            f"This is not your request's fault; when you report it, name the request {request_id}.",
        )
    )


def _try_again(code: ErrorCode, title: str, detail: str) -> Refusal:
    return Refusal(
        Problem(503, code, title, detail),
        {"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


def _too_many(code: ErrorCode, title: str, detail: str, retry_after: int) -> Refusal:
    return Refusal(Problem(429, code, title, detail), {"Retry-After": str(retry_after)})
