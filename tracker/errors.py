"""The failures that a caller can meet beside a record that is refused, each with how HTTP says it."""

from collections.abc import Mapping
from typing import ClassVar, Self

from metrics.domain.errors import FieldError, Refusal

RETRY_AFTER_SECONDS = 2


class Problem(Refusal):
    """A request that cannot be answered as asked, with the status and the title that HTTP says it with."""

    status: ClassVar[int]
    title: ClassVar[str]

    @property
    def headers(self) -> dict[str, str]:
        return {}


class Unauthenticated(Problem):
    """No token, or one that is not valid."""

    status, code, title = 401, "unauthenticated", "A valid token is needed"

    def __init__(self, detail: str, *, token_given: bool = True, reason: str = "malformed") -> None:
        """`reason` is a word for programs: it is counted, and never a client's own text."""
        super().__init__(detail)
        self.token_given = token_given
        self.reason = reason if token_given else "missing"
        self.known: Mapping[str, str] = {}
        """Whose token it is, where its signature is right: for the log."""

    @property
    def headers(self) -> dict[str, str]:
        challenge = 'Bearer realm="tracker"'
        if self.token_given:
            # RFC 6750, section 3: printable ASCII, without a quotation mark and a backslash.
            said = "".join(one if " " <= one <= "~" and one not in '"\\' else "?" for one in self.detail)
            challenge += f', error="invalid_token", error_description="{said}"'
        return {"WWW-Authenticate": challenge}


class InsufficientScope(Problem):
    """The token is valid and does not allow this."""

    status, code, title = 403, "insufficient_scope", "The token does not allow this"

    def __init__(self, detail: str, scope: str = "") -> None:
        super().__init__(detail)
        self.scope = scope

    @property
    def headers(self) -> dict[str, str]:
        scope = f', scope="{self.scope}"' if self.scope else ""
        return {"WWW-Authenticate": f'Bearer realm="tracker", error="insufficient_scope"{scope}'}


class NotFound(Problem):
    """There is no such thing, or it belongs to somebody else."""

    status, code, title = 404, "not-found", "Not found"


class KeyUnderWay(Problem):
    """The first request with this idempotency key has not been answered yet."""

    status, code, title = 409, "idempotency-key-under-way", "The first request with this key is under way"


class KeyReused(Problem):
    """The idempotency key was first used with another body."""

    status, code, title = 422, "idempotency-key-reused", "The key was used with another body"


class Conflict(Problem):
    """The request does not fit the state that the thing is in."""

    status, code, title = 409, "conflict", "Not in this state"


class NotProved(Problem):
    """The record says something else than the token of the job that sends it."""

    status, code, title = 409, "not-proved", "The token proves something else"

    @classmethod
    def field(cls, name: str, detail: str) -> Self:
        """The refusal of one field of a body."""
        return cls(f"/{name} {detail}", [FieldError(f"/{name}", detail)])


class TooLarge(Problem):
    """The body is larger than the service is set to accept."""

    status, code, title = 413, "too-large", "The request is too large"


class TooManyRequests(Problem):
    """More is asked than the service is set to answer; `seconds` later it goes on."""

    status, code, title = 429, "too-many-requests", "Too many requests"

    def __init__(self, detail: str, seconds: int, limits: Mapping[str, str]) -> None:
        super().__init__(detail)
        self.seconds = seconds
        self.limits = limits

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.seconds), **self.limits}


class BeingMade(Problem):
    """Another request has this very file made, and whoever waits for it would hold a thread."""

    status, code, title = 503, "being-made", "The file is being made"

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(RETRY_AFTER_SECONDS)}


class Unavailable(Problem):
    """The record database cannot be written or read just now; nothing was recorded."""

    status, code, title = 503, "unavailable", "The record database is not available"

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(RETRY_AFTER_SECONDS)}
