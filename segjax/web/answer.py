"""Answers of the server: JSON for programs, a page for people."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from segjax.web.refused import Refused

API = ("/api", "/models", "/healthz", "/readyz", "/metrics")
"""Where addresses begin whose errors are JSON, whoever asks."""


def as_json(
    value: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A value as JSON, compact and standard."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return Response(text, status, headers, media_type="application/json")


def refusal(scope: Mapping[str, Any], refused: Refused) -> Response:
    """The answer to a request that is refused."""
    del scope
    return as_json(refused.plain(), refused.status, refused.headers)
