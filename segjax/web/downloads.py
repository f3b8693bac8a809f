"""The files of the models, and their cards."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from segjax.serve.bundle import SUFFIX
from segjax.web import schema
from segjax.web.refused import Refused
from segjax.web.served import Served, Stamp

router = APIRouter(prefix="/models")


@router.get(
    "/{name}/download", **schema.file("application/octet-stream", 404, 422, 503)
)
async def download(request: Request, name: str) -> Response:
    """The exported model, one file."""
    model = _known(request, name)
    digest = model.about["sha256"]
    headers = {"etag": f'"{digest}"', "x-sha256": digest, "cache-control": "no-cache"}
    if digest in request.headers.get("if-none-match", ""):
        return Response(None, 304, headers)
    try:
        same = Stamp.of(model.path) == model.stamp
    except OSError:
        same = False
    if not same:
        raise Refused("not_ready", "The file of this model is being replaced.")
    return FileResponse(
        model.path,
        headers=headers,
        media_type="application/octet-stream",
        filename=f"{model.name}{SUFFIX}",
    )


@router.get("/{name}/card", **schema.file("text/markdown", 404, 422, 503))
async def card(request: Request, name: str) -> Response:
    """The model card, Markdown."""
    model = _known(request, name)
    return Response(model.about["card"], media_type="text/markdown; charset=utf-8")


def _known(request: Request, name: str) -> Served:
    """A model that has answered once.

    Raises:
      Refused: there is none of this name, or nothing is known of it.
    """
    model = request.app.state.segjax.registry.find(name)
    if not model.about:
        raise Refused("not_ready", "The model is not ready.")
    return model
