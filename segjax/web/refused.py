"""What the server does not do, and how it says so."""

from collections.abc import Mapping

from segjax.core.errors import SegjaxError

CODES = {
    "bad_request": 400,
    "bad_form": 400,
    "no_picture": 400,
    "bad_host": 400,
    "other_origin": 403,
    "not_found": 404,
    "no_such_model": 404,
    "method_not_allowed": 405,
    "too_slow": 408,
    "too_large": 413,
    "too_many_pixels": 413,
    "other_format": 415,
    "damaged": 422,
    "other_pixels": 422,
    "bad_reference": 422,
    "too_costly": 422,
    "too_many_requests": 429,
    "internal": 500,
    "no_answer": 503,
    "not_ready": 503,
    "busy": 503,
    "late": 503,
    "full": 507,
}
"""Code of an error -> HTTP status."""

RETRY = {"too_many_requests": 2, "no_answer": 5, "not_ready": 5, "busy": 2, "late": 5}
"""Code -> seconds after which it is worth trying again."""


class Refused(SegjaxError):
    """A request that gets an error for an answer.

    Attributes:
      code: one of `CODES`.
      message: for a person.
    """

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code, self.message = code, message

    @property
    def status(self) -> int:
        """Of the answer."""
        return CODES[self.code]

    @property
    def headers(self) -> dict[str, str]:
        """Of the answer, besides those that all have."""
        seconds = RETRY.get(self.code)
        return {} if seconds is None else {"retry-after": str(seconds)}

    def plain(self) -> dict[str, str]:
        """Its body."""
        return {"error": self.message, "code": self.code}

    @classmethod
    def of(cls, plain: Mapping[str, str]) -> "Refused":
        """What `plain` wrote down."""
        return cls(plain["code"], plain["error"])
