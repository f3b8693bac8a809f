"""What stands and moves in a scene: a pure function of (seed, scene number).

The world repeats every `PERIOD` metres along the road, so a camera can drive on for
ever. Everything is in road coordinates (see `camera`); `s` is measured along the road
from where the camera is at time 0. Traffic keeps to the right here; half of the scenes
are mirrored when they are rendered.
"""

import dataclasses

import numpy as np

PERIOD = 240.0
BEHIND = 30.0
"""Metres behind the camera at which a thing comes round to the far end."""

LANE = 3.3


@dataclasses.dataclass(frozen=True)
class Thing:
    """Something that stands on the ground, or moves on it at constant speed.

    Attributes:
      kind: name of its painter in `render.PAINTERS`.
      d, s: metres; `s` is the near end of a long thing, else the middle.
      length: metres along the road; 0 for what has its middle at `s`.
      speed_d, speed_s: metres per second.
      heading: radians from "ahead" to the right.
      span: for what moves sideways: it comes back when `|d|` reaches this; else 0.
      style: keyword arguments of the painter.
      seed: of the details that the painter draws.
    """

    kind: str
    d: float
    s: float
    length: float = 0.0
    speed_d: float = 0.0
    speed_s: float = 0.0
    heading: float = 0.0
    span: float = 0.0
    style: dict = dataclasses.field(default_factory=dict)
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class Side:
    """The ground of one side of the road; `d` is counted outwards from the middle lane.

    Attributes:
      road: outer edge of the road, metres.
      walk: outer edge of the sidewalk.
      kind: what stands there: downtown, town, suburb or park.
      lot: RGB of the ground beyond the sidewalk; `green` says that it is lawn.
      verge: width of a strip of lawn between kerb and sidewalk; 0 for none.
    """

    road: float
    walk: float
    kind: str
    lot: tuple[int, int, int]
    green: bool
    verge: float


@dataclasses.dataclass(frozen=True)
class World:
    """A scene without its camera and weather.

    Attributes:
      sides: left and right.
      road, walk: RGB of asphalt and of the sidewalk.
      lanes_left, lanes_right: number of lanes left of and right of the camera's own.
      crossings: (near end, far end) of each cross street along `s`.
      zebras: near end of each zebra crossing along `s`.
      patches: `(N, 5)` repairs of the asphalt: d, s, width, length, shade.
      things: all that is painted by a painter.
      backdrop: (class word, seed) of what closes the view: hills, trees or skyline.
      speed: of the camera, metres per second.
      yaw, pitch, d, y, bend, rise: of the camera; see `camera.make`.
      mirrored: whether traffic keeps to the left.
      seed: of the ground's texture.
    """

    sides: tuple[Side, Side]
    road: tuple[int, int, int]
    walk: tuple[int, int, int]
    lanes_left: int
    lanes_right: int
    crossings: tuple[tuple[float, float], ...]
    zebras: tuple[float, ...]
    patches: np.ndarray
    things: tuple[Thing, ...]
    backdrop: tuple[str, int]
    speed: float
    yaw: float
    pitch: float
    d: float
    y: float
    bend: float
    rise: float
    mirrored: bool
    seed: int


def place(thing: Thing, time: float, travelled: float) -> tuple[float, float]:
    """Where `thing` is at `time` seconds: `(d, s)`, `s` ahead of the camera."""
    s = thing.s + thing.speed_s * time - travelled
    s = (s + BEHIND + thing.length) % PERIOD - BEHIND - thing.length
    d = thing.d + thing.speed_d * time
    if thing.span:
        d = (d + thing.span) % (2 * thing.span) - thing.span
    return d, s
