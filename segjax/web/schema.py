"""What the API takes and gives, as OpenAPI says it; the tests hold answers to it."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from segjax.web.refused import CODES


class Said(BaseModel):
    """A part of an answer: all that is in it is said here."""

    model_config = ConfigDict(extra="forbid")


class Alive(Said):
    """That the server lives."""

    alive: bool


class Ready(Said):
    """Whether the server should be sent requests, and the states of its models."""

    ready: bool
    models: dict[str, str]


class Error(Said):
    """Why a request was refused."""

    error: str = Field(description="words for a person")
    code: str = Field(description=f"one of {', '.join(CODES)}")


class Pixels(Said):
    """What a pixel of a picture is."""

    channels: int
    depth: Literal["uint8", "uint16", "float32"]


class Measured(Said):
    """What a model scored when its file was made."""

    dataset: str
    split: str
    images: int
    protocol: str = Field(description="how pictures were shown to it")
    postprocess: str = Field(description="what was done to its answers")
    convention: str = Field(description="the rule of the means")
    miou: float
    mean_dice: float
    pixel_accuracy: float


class About(Said):
    """A model; what stands behind `state` is there once it has been ready."""

    name: str = Field(description="by which requests name it")
    state: Literal["starting", "ready", "down", "failed"]
    reason: str = Field("", description="why it has failed")
    title: str = ""
    task: Literal["binary", "multiclass", ""] = ""
    architecture: str = ""
    parameters: int = 0
    licence: str = ""
    dataset: str = Field("", description="that it was trained on")
    note: str = Field("", description="on its scores: how far annotators agree")
    scores: Measured | None = Field(None, description="null if its file has none")
    class_names: list[str] = Field([], description="the place is the class's id")
    class_colours: list[list[int]] = Field([], description="RGB, 0 to 255")
    pixels: Pixels | None = Field(None, description="of the pictures that it takes")
    sizes: list[list[int]] = Field([], description="height, width of what it sees")
    protocol: str = Field("", description="how pictures are shown to it")
    postprocess: str = Field("", description="what is done to its answers")
    sha256: str = Field("", description="of its file")
    bytes: int = Field(0, description="of its file")
    network_pixels: int = Field(0, description="above which pictures are scaled down")


class Models(Said):
    """All models that are served."""

    models: list[About]
    flags: list[str] = Field(description="reasons of POST /api/flag; none if it is off")


class Feature(Said):
    """One feature of pictures; its quantiles are those of `Drift.quantiles`."""

    name: str
    drifted: bool
    p: float = Field(description="of the test that both are alike, corrected")
    effect: float = Field(description="distance of the distributions, 0 to 1")
    training: list[float] = Field(description="quantiles of the reference")
    recent: list[float] = Field(description="quantiles of the pictures of late")
    verdict: str = Field(description="in words")


class Drift(Said):
    """The pictures of late of one model."""

    name: str
    pictures: int = Field(0, description="of late, 500 at most")
    drifted: bool = False
    verdict: str = Field("", description="in words")
    quantiles: list[float] = Field([], description="which those of features are")
    features: list[Feature] = Field([], description="the largest effect first")
    error: str = ""
    code: str = ""


class Drifts(Said):
    """Of all models."""

    models: list[Drift]


class Kept(Said):
    """A flagged picture."""

    id: str = Field(description="that it was given")


class Picture(Said):
    """The size of the picture, upright."""

    height: int
    width: int


class Seconds(Said):
    """How long a model took."""

    queue: float
    network: float
    postprocess: float
    pictures: float = Field(description="for drawing the maps")


class Share(Said):
    """A class that occurs in the answer."""

    id: int
    name: str
    share: float = Field(description="of the pixels")


class Score(Said):
    """A class that occurs in the reference or in the answer."""

    id: int
    name: str
    iou: float
    dice: float
    true: bool = Field(description="whether it occurs in the reference")


class Scores(Said):
    """Scores against the reference."""

    classes: list[Score]
    miou: float | None = Field(description="null where nothing is to be scored")
    mean_dice: float | None
    pixel_accuracy: float | None
    convention: str = Field(description="the rule of the means")


class Maps(Said):
    """PNG files as data addresses, 8-bit grey, of the picture's size."""

    ids: str = Field(description="class ids")
    confidence: str = Field("", description="largest probability; 255 is 1")
    entropy: str = Field("", description="of the probabilities; 255 is the most")
    errors: str = Field("", description="0 right, 1 wrong, 255 ignored")


class Answered(Said):
    """What a model says; of several one that fails says `error` and `code` alone."""

    name: str
    seconds: Seconds | None = None
    network_size: list[int] = Field([], description="height, width that it saw")
    scaled: bool = Field(False, description="whether it saw the picture scaled down")
    shares: list[Share] = []
    scores: Scores | None = Field(None, description="null without a reference")
    maps: Maps | None = None
    error: str = ""
    code: str = ""


class Difference(Said):
    """Two models of the same classes beside each other."""

    models: list[str]
    agreement: float = Field(description="share of the pixels of the same class")
    map: str = Field(description="PNG as a data address: 0 the same class, 1 another")


class Took(Said):
    """How long the request took."""

    decode: float
    total: float


class Answer(Said):
    """The answer to a picture."""

    picture: Picture
    models: list[Answered]
    differences: list[Difference]
    seconds: Took


def answers(model: type[BaseModel], *codes: int) -> dict[int | str, dict[str, Any]]:
    """The answers of an address: one that is good, and errors."""
    return {200: {"model": model}, **{code: {"model": Error} for code in codes}}


def file(kind: str, *codes: int) -> dict[str, Any]:
    """What a route takes that answers with a file of a kind."""
    good = {"content": {kind: {}}, "description": "The file"}
    errors = {code: {"model": Error} for code in codes}
    return {"response_class": Response, "responses": {200: good, **errors}}


def form(*needed: str, **fields: str) -> dict[str, Any]:
    """A form as the body of a request; names that begin with `file_` are files."""
    properties: dict[str, Any] = {}
    for name, words in fields.items():
        kind = {"format": "binary"} if name.startswith("file_") else {}
        plain = {"type": "string", "description": words, **kind}
        properties[name.removeprefix("file_")] = plain
    schema = {"type": "object", "properties": properties, "required": list(needed)}
    return {"content": {"multipart/form-data": {"schema": schema}}, "required": True}
