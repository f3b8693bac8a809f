"""A page as it is answered."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from segjax import __version__
from segjax.web import schema
from segjax.web.answer import as_page
from segjax.web.api import described
from segjax.web.pages import words

SAME = {"referrer-policy": "same-origin"}
"""Without it browsers do not say where a form comes from, which the gate asks for."""


def page(
    request: Request, name: str, status: int = 200, headers=None, **values: Any
) -> Response:
    """A page of `templates`, with what all pages have.

    Args:
      request: that it answers.
      name: of the template.
      status: of HTTP.
      headers: besides those that all answers have.
      **values: of the template.
    """
    return as_page(
        name,
        status,
        {**SAME, **(headers or {})},
        here=request.url.path,
        words=words,
        keeps=request.app.state.segjax.flagged is not None,
        version=__version__,
        **values,
    )


def models(request: Request) -> list[schema.About]:
    """What there is to be said of all models."""
    registry = request.app.state.segjax.registry
    return [schema.About(**described(model)) for model in registry]
