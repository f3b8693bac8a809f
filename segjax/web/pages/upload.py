"""The form of the page, sent without a script: pictures in, results out."""

import dataclasses
from typing import Any

from starlette.requests import Request

from segjax.web import pictures, schema
from segjax.web.api import address, described, unless_gone
from segjax.web.forms import Form
from segjax.web.pages import words
from segjax.web.refused import Refused
from segjax.web.served import Served
from segjax.web.service import data_uri

EXTENSIONS = ("png", "jpg", "jpeg", "webp", "tif", "tiff", "npy")
"""How names of pictures end; what is in them decides, and is looked at as well."""

NO_PART = "No file part"
NOT_SELECTED = "No selected file"
NOT_ALLOWED = "File extension not allowed"

MODEL = "model:"
"""How the names of fields begin that choose a model."""

MAPS = ("palette", "confidence")

_KINDS = {"PNG": "png", "JPEG": "jpeg", "WebP": "webp"}


@dataclasses.dataclass
class Result:
    """What came of a picture.

    Attributes:
      name: of its file.
      source: the picture as an address that holds it; empty if browsers cannot show it.
      answer: of the service, its maps as addresses; None if it was refused.
      refused: why.
    """

    name: str
    source: str = ""
    answer: dict[str, Any] | None = None
    refused: Refused | None = None


async def results(request: Request, form: Form) -> list[Result]:
    """What the chosen models make of all pictures of a form, one after another.

    Raises:
      Refused: there is no picture, or no model.
    """
    chosen, named = _models(request, form), _named(form)
    reference = form.file("reference")
    if reference and len(named) > 1:
        raise Refused("bad_form", "A reference mask goes with one picture alone.")
    return [await _one(request, chosen, *each, reference) for each in named]


def _named(form: Form) -> list[tuple[str, bytes]]:
    """Name and bytes of the pictures.

    Raises:
      Refused: there is none, or one is called what no picture is.
    """
    named = form.files.get("picture", [])
    if not named:
        there = "picture" in form.empty
        raise Refused("no_picture", NOT_SELECTED if there else NO_PART)
    for name, _ in named:
        if name.rpartition(".")[2].lower() not in EXTENSIONS or "." not in name:
            raise Refused("other_format", NOT_ALLOWED)
    return named


def _models(request: Request, form: Form) -> list[Served]:
    state = request.app.state.segjax
    names = [f.removeprefix(MODEL) for f in form.fields if f.startswith(MODEL)]
    if len(names) > state.limits.models:
        raise Refused("bad_form", f"Choose {state.limits.models} models at most.")
    found = [state.registry.find(name) for name in names]
    return found or [state.registry.default()]


async def _one(
    request: Request,
    models: list[Served],
    name: str,
    content: bytes,
    reference: bytes | None,
) -> Result:
    state, result = request.app.state.segjax, Result(words.file_name(name))
    work = state.service.ask(content, models, MAPS, address(request), reference)
    try:
        result.answer = await unless_gone(request, work)
    except Refused as refused:
        state.counters.refused.labels(refused.code).inc()
        result.refused = refused
        return result
    result.source = _shown(content)
    for said, model in zip(result.answer["models"], models, strict=True):
        said["about"] = about = schema.About(**described(model))
        if "maps" in said:
            said["rows"] = _rows(said, about)
            said["maps"] = {k: data_uri(png) for k, png in said["maps"].items()}
    return result


def _rows(said: dict[str, Any], about: schema.About) -> list[dict[str, Any]]:
    """The classes that occur in an answer or its reference, the largest first."""
    shares = {each["id"]: each["share"] for each in said["shares"]}
    scores = {each["id"]: each for each in (said["scores"] or {}).get("classes", ())}
    return [
        {
            "name": about.class_names[k],
            "colour": about.class_colours[k],
            "share": shares.get(k, 0),
            "iou": scores.get(k, {}).get("iou"),
            "dice": scores.get(k, {}).get("dice"),
        }
        for k in sorted(shares.keys() | scores, key=lambda k: -shares.get(k, 0))
    ]


def _shown(content: bytes) -> str:
    """A picture as an address, if browsers can show it."""
    for name, begins in pictures.FORMATS.items():
        if content.startswith(begins):
            return data_uri(content, f"image/{_KINDS[name]}")
    return ""
