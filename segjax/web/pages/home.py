"""The page, and what its form gives where no script runs."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from segjax.web.flagged import REASONS
from segjax.web.pages import upload
from segjax.web.pages.page import models, page
from segjax.web.pages.samples import CLASSES, SAMPLES
from segjax.web.refused import Refused

router = APIRouter(include_in_schema=False)


@router.get("/")
@router.get("/predict")
async def home(request: Request) -> Response:
    """The page with its form."""
    return _home(request)


@router.post("/predict")
async def predict(request: Request) -> Response:
    """A page of results; the form again, with what is wrong, if there is none."""
    state = request.app.state.segjax
    try:
        async with state.bodies.form(request.headers, request.receive) as form:
            found = await upload.results(request, form)
    except Refused as refused:
        if "text/html" not in request.headers.get("accept", ""):
            raise
        state.counters.refused.labels(refused.code).inc()
        return _home(request, refused)
    refusals = [r.refused for r in found if r.refused]
    status = refusals[0].status if len(refusals) == len(found) else 200
    return page(request, "results.html", status, results=found)


def _home(request: Request, refused: Refused | None = None) -> Response:
    state = request.app.state.segjax
    return page(
        request,
        "home.html",
        refused.status if refused else 200,
        refused.headers if refused else None,
        alert=refused.message if refused else "",
        models=models(request),
        samples=SAMPLES,
        sample_classes=CLASSES,
        limits=state.limits,
        prefix=upload.MODEL,
        extensions=upload.EXTENSIONS,
        reasons=REASONS if state.flagged else (),
    )
