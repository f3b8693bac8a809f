"""Whether the server lives, is ready, and what it counts."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from segjax.web import schema
from segjax.web.answer import as_json

router = APIRouter()


@router.get("/healthz", responses=schema.answers(schema.Alive))
async def healthz() -> Response:
    """That the server lives."""
    return as_json({"alive": True})


@router.get("/readyz", responses={code: {"model": schema.Ready} for code in (200, 503)})
async def readyz(request: Request) -> Response:
    """Whether it should be sent requests: 200, or 503."""
    state = request.app.state.segjax
    models = {model.name: model.state for model in state.registry}
    return as_json(
        {"ready": state.ready, "models": models}, 200 if state.ready else 503
    )


@router.get("/metrics", **schema.file("text/plain"))
async def metrics(request: Request) -> Response:
    """Counters, as Prometheus reads them."""
    state = request.app.state.segjax
    text = state.counters.text(state.registry, state.ready)
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")
