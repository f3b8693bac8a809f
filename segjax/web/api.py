"""The addresses under /api, for programs and for the page's script."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from segjax.web.answer import as_json
from segjax.web.forms import Gone
from segjax.web.refused import Refused
from segjax.web.served import Served

router = APIRouter(prefix="/api")


@router.get("/models")
async def models(request: Request) -> Response:
    """The models: names, states, classes and colours, sizes, digests."""
    state = request.app.state.segjax
    return as_json({"models": [described(model) for model in state.registry]})


@router.post("/predict")
async def predict(request: Request) -> Response:
    """Segment a picture with one model or several."""
    state = request.app.state.segjax
    async with state.bodies.form(request.headers, request.receive) as form:
        work = state.service.predict(form, address(request))
        return as_json(await unless_gone(request, work))


@router.post("/predict/{name}/mask.png")
async def mask(request: Request, name: str) -> Response:
    """The ids of a picture as a palette PNG; the picture is the body, or a form's."""
    state = request.app.state.segjax
    model, kind = state.registry.find(name), request.headers.get("content-type", "")
    if kind.startswith("multipart/"):
        async with state.bodies.form(request.headers, request.receive) as form:
            return await _mask(request, model, form.file("picture"))
    async with state.bodies.raw(request.headers, request.receive) as content:
        return await _mask(request, model, content)


async def _mask(request: Request, model: Served, content: bytes | None) -> Response:
    if not content:
        raise Refused("no_picture", "Send a picture, as the body or as `picture`.")
    service = request.app.state.segjax.service
    work = service.ask(content, [model], ["palette"], address(request))
    (found,) = (await unless_gone(request, work))["models"]
    return Response(found["maps"]["palette"], media_type="image/png")


def described(model: Served) -> dict[str, Any]:
    """A model as JSON has it."""
    about = {k: v for k, v in model.about.items() if k != "card"}
    plain = {"name": model.name, "state": model.state, **about}
    return {**plain, "reason": model.reason} if model.reason else plain


def address(request: Request) -> str:
    """Of the client."""
    return request.client.host if request.client else ""


async def unless_gone(request: Request, work: Coroutine) -> Any:
    """The result of some work, which is given up when the client leaves.

    Raises:
      Gone: the client left.
    """
    task = asyncio.create_task(work)
    left = asyncio.create_task(_left(request))
    try:
        await asyncio.wait([task, left], return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Gone
        return task.result()
    finally:
        task.cancel()
        left.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
