"""What comes in the body of a request, held in memory and counted as it comes."""

import collections
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from segjax.web.limits import Limits
from segjax.web.refused import Refused

Receive = Callable[[], Awaitable[Mapping[str, Any]]]

MOST_PART_HEADERS = 8
MOST_PART_HEADER = 4096
"""Headers of a part of a form, and the bytes of each."""


class Gone(Exception):
    """The client left before its request was whole."""


@dataclasses.dataclass
class Form:
    """The parts of a form.

    Attributes:
      fields: name -> text; of several of one name the last.
      files: name -> what the client calls the file, for display alone, and its bytes.
      empty: names of parts for a file for which none was chosen.
    """

    fields: dict[str, str] = dataclasses.field(default_factory=dict)
    files: dict[str, list[tuple[str, bytes]]] = dataclasses.field(default_factory=dict)
    empty: set[str] = dataclasses.field(default_factory=set)

    def file(self, name: str) -> bytes | None:
        """The bytes of the one file of a name; None if there is none.

        Raises:
          Refused: there are several.
        """
        found = self.files.get(name, [])
        if len(found) > 1:
            raise Refused("bad_form", f"There are several files named {name!r}.")
        return found[0][1] if found else None


class Bodies:
    """Reads bodies and knows how much of them is held.

    Args:
      limits: of their sizes.
    """

    def __init__(self, limits: Limits):
        self.limits, self.held = limits, 0
        self._of: collections.Counter[str] = collections.Counter()

    @contextlib.asynccontextmanager
    async def form(
        self, headers: Mapping[str, str], receive: Receive, address: str = ""
    ) -> AsyncIterator[Form]:
        """A form of a request, which is held until the block ends.

        Args:
          headers: of the request.
          receive: gives its body.
          address: of the client.

        Raises:
          Refused: it is none, or too large.
          Gone: the client left.
        """
        kind, options = parse_options_header(headers.get("content-type", ""))
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not 1 <= len(boundary) <= 70:
            raise Refused(
                "bad_form", "Send a form as multipart/form-data, with its boundary."
            )
        reader = _Reader(boundary, self.limits)
        async with self._read(headers, receive, address, reader.write):
            yield reader.end()

    @contextlib.asynccontextmanager
    async def raw(
        self, headers: Mapping[str, str], receive: Receive, address: str = ""
    ) -> AsyncIterator[bytes]:
        """A body as it is, which is held until the block ends.

        Args:
          headers: of the request.
          receive: gives its body.
          address: of the client.

        Raises:
          Refused: it is too large.
          Gone: the client left.
        """
        content = bytearray()
        async with self._read(headers, receive, address, content.extend):
            yield bytes(content)

    @contextlib.asynccontextmanager
    async def _read(self, headers, receive: Receive, address: str, write):
        """Read all of a body; its bytes count as held until the block ends."""
        most, have = self.limits.body, 0
        too_large = Refused(
            "too_large", f"The request has more than {most / 2**20:g} MB."
        )
        if headers.get("content-encoding", "identity") != "identity":
            raise Refused("bad_request", "Send the body as it is, not compressed.")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > most:
            raise too_large
        try:
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Gone
                piece, more = message.get("body", b""), message.get("more_body", False)
                have += len(piece)
                self._hold(address, len(piece))
                if have > most:
                    raise too_large
                if self.held > self.limits.bodies:
                    raise Refused("busy", "Too much is being sent. Try again soon.")
                if self._of[address] > self.limits.bodies // 2:
                    raise Refused("too_many_requests", "You are sending too much.")
                write(piece)
            yield
        finally:
            self._hold(address, -have)

    def _hold(self, address: str, number: int) -> None:
        self.held += number
        self._of[address] += number
        if not self._of[address]:
            del self._of[address]


class _Reader:
    """Puts a form together as it comes."""

    def __init__(self, boundary: bytes, limits: Limits):
        self._limits, self._form = limits, Form()
        self._parts, self._whole = 0, False
        self._headers: dict[str, bytes] = {}
        self._name, self._value = bytearray(), bytearray()
        self._content = bytearray()
        self._field: str | None = None
        self._file: str | None = None
        callbacks = {
            "on_part_begin": self._begin,
            "on_header_field": lambda d, i, j: self._name.extend(d[i:j]),
            "on_header_value": lambda d, i, j: self._value.extend(d[i:j]),
            "on_header_end": self._header,
            "on_headers_finished": self._open,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._done,
        }
        self._parser = MultipartParser(
            boundary,
            callbacks,
            max_header_count=MOST_PART_HEADERS,
            max_header_size=MOST_PART_HEADER,
        )

    def write(self, piece: bytes) -> None:
        try:
            self._parser.write(piece)
        except FormParserError:
            raise Refused("bad_form", "The form is not what it should be.") from None

    def end(self) -> Form:
        if not self._whole:
            raise Refused("bad_form", "The form has no end.")
        return self._form

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > self._limits.parts:
            raise Refused(
                "too_large", f"A form has {self._limits.parts} parts at most."
            )
        self._headers, self._content = {}, bytearray()

    def _header(self) -> None:
        name = self._name.decode("latin-1").lower()
        self._headers[name] = bytes(self._value)
        self._name, self._value = bytearray(), bytearray()

    def _open(self) -> None:
        value = self._headers.get("content-disposition", b"").decode("latin-1")
        kind, options = parse_options_header(value)
        if kind != b"form-data" or not options.get(b"name"):
            raise Refused("bad_form", "A part of the form has no name.")
        self._field = options[b"name"].decode(errors="replace")
        file = options.get(b"filename")
        self._file = None if file is None else file.decode(errors="replace")

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._content += memoryview(data)[start:end]
        if self._file is None and len(self._content) > self._limits.field:
            raise Refused(
                "too_large", f"A field has {self._limits.field} bytes at most."
            )

    def _end(self) -> None:
        if self._file is None:
            self._form.fields[self._field] = self._content.decode(errors="replace")
        elif self._file or self._content:
            named = self._file, bytes(self._content)
            self._form.files.setdefault(self._field, []).append(named)
        else:  # browsers send an empty one for no file
            self._form.empty.add(self._field)

    def _done(self) -> None:
        self._whole = True
