"""The page that says whether pictures of late are like those of the training."""

import dataclasses

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from segjax.web import schema
from segjax.web.api import likenesses
from segjax.web.pages.page import page

router = APIRouter(include_in_schema=False)

WIDTH = 100
"""Of a strip, in units of its picture."""

MOST_FEATURES = 12
"""Shown of a model before the others are folded away."""


@dataclasses.dataclass(frozen=True)
class Strip:
    """Five quantiles on a line, in units of the picture.

    Attributes:
      low, first, middle, third, high: places of the quantiles.
    """

    low: float
    first: float
    middle: float
    third: float
    high: float


@router.get("/drift")
async def drift(request: Request) -> Response:
    """A verdict in words for each model, and its features as strips."""
    registry = request.app.state.segjax.registry
    found = [schema.Drift(**each) for each in await likenesses(registry)]
    titles = {model.name: model.about.get("title", model.name) for model in registry}
    return page(
        request,
        "drift.html",
        models=found,
        titles=titles,
        strips=strips,
        most=MOST_FEATURES,
    )


def strips(feature: schema.Feature) -> tuple[Strip, Strip]:
    """Training and recent quantiles of a feature on one line."""
    values = [*feature.training, *feature.recent]
    low, high = min(values), max(values)
    scale = WIDTH / (high - low) if high > low else 0
    training, recent = (
        Strip(*(round((v - low) * scale, 2) for v in row))
        for row in (feature.training, feature.recent)
    )
    return training, recent
