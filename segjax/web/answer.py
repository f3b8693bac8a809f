"""Answers of the server: JSON for programs, a page for people."""

import functools
import http
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from starlette.responses import Response

from segjax.report.templates import environment
from segjax.web.refused import Refused

FOLDER = Path(__file__).parent / "templates"

PROGRAMS = ("/api/", "/models/", "/healthz", "/readyz", "/metrics")
"""How addresses begin whose errors are JSON, whoever asks."""


def as_json(
    value: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A value as JSON, compact and standard."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return Response(text, status, headers, media_type="application/json")


def as_page(
    name: str, status: int = 200, headers: Mapping[str, str] | None = None, **values
) -> Response:
    """A page of `templates`; what is put into it is escaped."""
    text = _templates().get_template(name).render(values)
    return Response(text, status, headers, media_type="text/html; charset=utf-8")


def refusal(scope: Mapping[str, Any], refused: Refused) -> Response:
    """The answer to a request that is refused: a page where a browser shows it."""
    accepted = next((v for k, v in scope["headers"] if k == b"accept"), b"")
    if b"text/html" not in accepted or scope["path"].startswith(PROGRAMS):
        return as_json(refused.plain(), refused.status, refused.headers)
    return as_page(
        "error.html",
        refused.status,
        refused.headers,
        title=http.HTTPStatus(refused.status).phrase,
        message=refused.message,
    )


@functools.cache
def _templates() -> jinja2.Environment:
    return environment(FOLDER)
