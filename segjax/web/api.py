"""The addresses under /api, for programs and for the page's script."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from segjax.web import schema
from segjax.web.answer import as_json, as_page
from segjax.web.flagged import REASONS
from segjax.web.forms import Gone
from segjax.web.refused import CODES, Refused
from segjax.web.registry import Registry
from segjax.web.served import Served
from segjax.web.service import MAPS

router = APIRouter(prefix="/api")

PICTURE = "a PNG, JPEG or WebP; for models of other pixels also a TIFF or .npy file"
REFUSALS = (400, 403, 404, 413, 415, 422, 429, 503)


@router.get("", include_in_schema=False)
async def documentation(request: Request) -> Response:
    """This API for people."""
    return as_page("api.html", here="/api", document=request.app.openapi(), codes=CODES)


@router.get("/models", responses=schema.answers(schema.Models))
async def models(request: Request) -> Response:
    """The models: names, states, classes and colours, sizes, digests."""
    state = request.app.state.segjax
    found = [described(model) for model in state.registry]
    return as_json({"models": found, "flags": REASONS if state.flagged else []})


@router.post(
    "/predict",
    responses=schema.answers(schema.Answer, *REFUSALS),
    openapi_extra={
        "requestBody": schema.form(
            "picture",
            file_picture=PICTURE,
            models="names with commas between them; the first model if left out",
            file_reference="a PNG of class ids, to score the answer by",
            maps=f"of {', '.join(MAPS)}, with commas between them",
        )
    },
)
async def predict(request: Request) -> Response:
    """Segment a picture with one model or several."""
    state = request.app.state.segjax
    async with state.bodies.form(*body(request)) as form:
        work = state.service.predict(form, address(request))
        return as_json(await unless_gone(request, work))


@router.post(
    "/predict/{name}/mask.png",
    responses={
        200: {"content": {"image/png": {}}, "description": "The ids, with a palette"},
        **{c: {"model": schema.Error} for c in REFUSALS},
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": {},
                **schema.form("picture", file_picture=PICTURE)["content"],
            },
        }
    },
)
async def mask(request: Request, name: str) -> Response:
    """The ids of a picture as a palette PNG; the picture is the body, or a form's."""
    state = request.app.state.segjax
    model, kind = state.registry.find(name), request.headers.get("content-type", "")
    if kind.startswith("multipart/"):
        async with state.bodies.form(*body(request)) as form:
            return await _mask(request, model, form.file("picture"))
    async with state.bodies.raw(*body(request)) as content:
        return await _mask(request, model, content)


@router.get("/drift", responses=schema.answers(schema.Drifts))
async def drift(request: Request) -> Response:
    """Whether the pictures of late are like those that the models learnt from."""
    return as_json({"models": await likenesses(request.app.state.segjax.registry)})


@router.post(
    "/flag",
    status_code=201,
    responses={
        201: {"model": schema.Kept},
        **{c: {"model": schema.Error} for c in (*REFUSALS, 507)},
    },
    openapi_extra={
        "requestBody": schema.form(
            "picture",
            "model",
            "reason",
            file_picture=PICTURE,
            model="name of the model that was wrong",
            reason=f"one of {', '.join(REASONS)}",
            comment="in up to 500 letters",
        )
    },
)
async def flag(request: Request) -> Response:
    """Keep a picture for those who train the next model, where the server does so."""
    state = request.app.state.segjax
    if state.flagged is None:
        raise Refused("not_found", "This server keeps no pictures.")
    async with state.bodies.form(*body(request)) as form:
        work = state.service.flag(form, address(request), state.flagged)
        return as_json({"id": await unless_gone(request, work)}, 201)


async def _mask(request: Request, model: Served, content: bytes | None) -> Response:
    if not content:
        raise Refused("no_picture", "Send a picture, as the body or as `picture`.")
    service = request.app.state.segjax.service
    work = service.ask(content, [model], ["palette"], address(request))
    (found,) = (await unless_gone(request, work))["models"]
    return Response(found["maps"]["palette"], media_type="image/png")


async def likenesses(registry: Registry) -> list[dict[str, Any]]:
    """Of each model: what its worker says of the pictures of late, or why it does not.

    Args:
      registry: the models.
    """
    found = []
    for model in registry:
        try:
            found.append({"name": model.name, **await model.likeness()})
        except Refused as refused:
            found.append({"name": model.name, **refused.plain()})
    return found


def described(model: Served) -> dict[str, Any]:
    """A model as JSON has it."""
    about = {k: v for k, v in model.about.items() if k != "card"}
    plain = {"name": model.name, "state": model.state, **about}
    return {**plain, "reason": model.reason} if model.reason else plain


def address(request: Request) -> str:
    """Of the client."""
    return request.client.host if request.client else ""


def body(request: Request) -> tuple:
    """What `Bodies` takes to read the body of a request."""
    return request.headers, request.receive, address(request)


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
