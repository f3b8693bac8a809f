"""How much a client may ask for, and how long it may take."""

import dataclasses

from segjax.core.errors import raise_problems

MB = 2**20


@dataclasses.dataclass(frozen=True)
class Limits:
    """What is refused, and when.

    Attributes:
      body: bytes of a request.
      bodies: bytes of all requests that are held at once; of one address half of it.
      pixels: of a picture.
      side: pixels of its longer side.
      network_pixels: that a network sees; a larger picture is scaled down for it.
      field: bytes of a text field of a form.
      parts: of a form, files and fields.
      models: that one request may ask.
      queue: requests that wait for a model or are with it.
      connections: at once.
      header_seconds: until the head of a request is there.
      grace_seconds: that a body or an answer may take whatever its rate.
      rate: bytes a second that it must keep up behind that, on average.
      request_seconds: from the last byte of a request until its answer.
      decode_seconds: of a processor for a picture; twice that by the clock.
      decode_bytes: of memory for a picture, besides what the program takes.
      worker_seconds: for a network's answer; a worker that takes longer is replaced.
      idle_seconds: that a connection is kept open between requests.
      drain_seconds: that running requests may take when the server is told to stop.
    """

    body: int = 10 * MB
    bodies: int = 256 * MB
    pixels: int = 25_000_000
    side: int = 8192
    network_pixels: int = 4_000_000
    field: int = 2048
    parts: int = 16
    models: int = 4
    queue: int = 8
    connections: int = 1000
    header_seconds: float | int = 10
    grace_seconds: float | int = 10
    rate: int = 32 * 1024
    request_seconds: float | int = 30
    decode_seconds: float | int = 5
    decode_bytes: int = 768 * MB
    worker_seconds: float | int = 60
    idle_seconds: float | int = 15
    drain_seconds: float | int = 10

    @property
    def share(self) -> int:
        """Requests of one address that are at work at once, so that others have room
        in the queue."""
        return max(1, 3 * self.queue // 4)

    def __post_init__(self):
        fields = dataclasses.asdict(self)
        raise_problems(
            [f"limit {k}={v}: must be above 0." for k, v in fields.items() if v <= 0]
        )
