"""From a form to an answer: decode once, ask the models, compare what they say."""

import asyncio
import base64
import collections
import contextlib
import itertools
import time
from collections.abc import Sequence
from typing import Any

from segjax.web.counters import Counters
from segjax.web.decoders import Decoders
from segjax.web.flagged import Flagged, checked
from segjax.web.forms import Form
from segjax.web.limits import Limits
from segjax.web.refused import Refused
from segjax.web.registry import Registry
from segjax.web.served import Served

MAPS = ("confidence", "entropy", "errors")
"""Pictures that are drawn on request, besides the ids."""

NO_PICTURE = "Send a picture as the file `picture`."


class Service:
    """What the pages and the API both call.

    Args:
      registry: the models.
      decoders: that open pictures.
      limits: of requests.
      counters: of pictures.
    """

    def __init__(
        self,
        registry: Registry,
        decoders: Decoders,
        limits: Limits,
        counters: Counters,
    ):
        self._counters = counters
        self.registry, self.decoders, self.limits = registry, decoders, limits
        self._at_work: collections.Counter[str] = collections.Counter()

    async def predict(self, form: Form, address: str) -> dict[str, Any]:
        """The answer to a form with `picture`, `models`, `reference` and `maps`.

        Args:
          form: of the request.
          address: of the client.

        Raises:
          Refused: the form is wrong, the picture is none, or no model answers.
        """
        models, maps = self._models(form), _maps(form)
        content = form.file("picture")
        if not content:
            raise Refused("no_picture", NO_PICTURE)
        found = await self.ask(content, models, maps, address, form.file("reference"))
        differences = await self._differences(found["models"])
        for each in found["models"]:
            if "maps" in each:
                each["maps"] = {k: data_uri(png) for k, png in each["maps"].items()}
        return {**found, "differences": differences}

    async def flag(self, form: Form, address: str, flagged: Flagged) -> str:
        """Keep the picture of a form with `picture`, `model`, `reason`, `comment`.

        Returns:
          The name that it was given.

        Raises:
          Refused: the form is wrong, the picture is none, or cannot be kept.
        """
        fields, content = form.fields, form.file("picture")
        reason, comment = checked(fields.get("reason", ""), fields.get("comment", ""))
        model = self.registry.find(fields.get("model", ""))
        if not content:
            raise Refused("no_picture", NO_PICTURE)
        found = await self.ask(content, [model], ["palette"], address)
        plain = await self.decoders.plain(content, model.about["pixels"])
        mask = found["models"][0]["maps"]["palette"]
        entry = {
            "model": model.name,
            "sha256": model.about["sha256"],
            "reason": reason,
            "comment": comment,
        }
        return await flagged.keep(plain.blobs[0], plain.header["suffix"], mask, entry)

    async def ask(
        self,
        content: bytes,
        models: Sequence[Served],
        maps: Sequence[str],
        address: str,
        mask: bytes | None = None,
    ) -> dict[str, Any]:
        """What models say of a picture; their maps are the bytes of PNG files.

        Where several are asked, one that fails says so in its place.

        Raises:
          Refused: the picture or the mask is none, or all models fail.
        """
        begin, limit = time.perf_counter(), self.limits.request_seconds
        for model in models:
            model.refuse_unless_free()
        try:
            async with self._place(address), asyncio.timeout(limit):
                truth = None if mask is None else await self.decoders.reference(mask)
                pictures = await self._decode(content, models)
                decoded = time.perf_counter() - begin
                said = await asyncio.gather(
                    *(
                        self._one(model, pictures[_kind(model)], truth, maps)
                        for model in models
                    ),
                    return_exceptions=True,
                )
        except TimeoutError:
            raise Refused(
                "late", "There was no answer in time. Try again, or a smaller picture."
            ) from None
        problems = [s for s in said if isinstance(s, BaseException)]
        unknown = [p for p in problems if not isinstance(p, Refused)]
        if unknown or len(problems) == len(said):
            raise (unknown or problems)[0]
        picture = pictures[_kind(models[0])].header
        return {
            "picture": {"height": picture["height"], "width": picture["width"]},
            "models": [
                {"name": m.name, **s.plain()} if isinstance(s, Refused) else s
                for m, s in zip(models, said, strict=True)
            ],
            "seconds": {"decode": decoded, "total": time.perf_counter() - begin},
        }

    @contextlib.asynccontextmanager
    async def _place(self, address: str):
        """One of the places that an address has."""
        if self._at_work[address] >= self.limits.share:
            raise Refused(
                "too_many_requests",
                "Too many of your pictures are waiting. Try again soon.",
            )
        self._at_work[address] += 1
        try:
            yield
        finally:
            self._at_work[address] -= 1
            if not self._at_work[address]:
                del self._at_work[address]

    def _models(self, form: Form) -> list[Served]:
        """Those that a form names, each once; else the default."""
        text = form.fields.get("models", "")
        names = list(dict.fromkeys(filter(None, (n.strip() for n in text.split(",")))))
        if len(names) > self.limits.models:
            most = self.limits.models
            raise Refused("bad_form", f"Name {most} models at most.")
        if names:
            return [self.registry.find(name) for name in names]
        return [self.registry.default()]

    async def _decode(self, content: bytes, models: Sequence[Served]) -> dict:
        """The picture for each kind of pixels, and number of them, that models take."""
        kinds = {_kind(m): m.about for m in models if m.about}
        return {
            kind: await self.decoders.picture(
                content, about["pixels"], about["network_pixels"]
            )
            for kind, about in kinds.items()
        }

    async def _one(self, model: Served, picture, truth, maps) -> dict:
        """What one model says."""
        blobs, header = [picture.blobs[0]], {**picture.header, "maps": list(maps)}
        header["reference"] = None
        if truth is not None:
            blobs.append(truth.blobs[0])
            header["reference"] = [truth.header["height"], truth.header["width"]]
        answer, waited = await model.ask(header, blobs)
        said, names = answer.header, model.about["class_names"]
        if said["features"]:
            model.recent.append(said["features"])
        self._counters.answered(model.name, said["seconds"]["network"])
        shares = zip(names, said["shares"], strict=True)
        return {
            "name": model.name,
            "seconds": {"queue": waited, **said["seconds"]},
            "network_size": said["network_size"],
            "scaled": said["network_size"] != [header["height"], header["width"]],
            "shares": [
                {"id": i, "name": n, "share": s} for i, (n, s) in enumerate(shares) if s
            ],
            "scores": said["scores"],
            "maps": dict(zip(said["pictures"], answer.blobs, strict=True)),
        }

    async def _differences(self, said: Sequence[dict]) -> list[dict[str, Any]]:
        """Of each pair of models of the same classes: where they disagree."""
        able = [each for each in said if "maps" in each]
        found = []
        for one, other in itertools.combinations(able, 2):
            a, b = (self.registry.find(each["name"]) for each in (one, other))
            if a.about["class_names"] == b.about["class_names"]:
                pair = one["maps"]["ids"], other["maps"]["ids"]
                answer = await self.decoders.difference(*pair)
                found.append(
                    {
                        "models": [one["name"], other["name"]],
                        "agreement": answer.header["agreement"],
                        "map": data_uri(answer.blobs[0]),
                    }
                )
        return found


def data_uri(content: bytes, kind: str = "image/png") -> str:
    """A file as an address that holds it."""
    return f"data:{kind};base64," + base64.b64encode(content).decode()


def _kind(model: Served) -> tuple:
    about = model.about
    pixels = about["pixels"]
    return pixels["channels"], pixels["depth"], about["network_pixels"]


def _maps(form: Form) -> list[str]:
    text = form.fields.get("maps", "")
    names = [name.strip() for name in text.split(",") if name.strip()]
    if any(name not in MAPS for name in names):
        raise Refused("bad_form", f"There are the maps {', '.join(MAPS)}.")
    return names
