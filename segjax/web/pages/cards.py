"""The card of a model as a page."""

from fastapi import APIRouter
from markdown_it import MarkdownIt
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from segjax.web import schema
from segjax.web.api import described
from segjax.web.pages.page import page
from segjax.web.refused import Refused

router = APIRouter(include_in_schema=False)

_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
"""Tags in a card are shown as letters, `javascript:` makes no link, and nothing is
fetched from elsewhere."""


@router.get("/card/{name}")
async def card(request: Request, name: str) -> Response:
    """The card of a model, and where its file is."""
    model = request.app.state.segjax.registry.find(name)
    if not model.about:
        raise Refused("not_ready", "The model is not ready.")
    return page(
        request,
        "card.html",
        model=schema.About(**described(model)),
        text=html(model.about["card"]),
    )


def html(markdown: str) -> Markup:
    """Markdown of a stranger as HTML that does no harm."""
    return Markup(_MARKDOWN.render(markdown))
