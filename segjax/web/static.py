"""Files that pages are made of; read once, and no path is made from an address."""

import functools
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import Response

from segjax.report import templates
from segjax.web.refused import Refused

REPORT, HERE = Path(templates.__file__).parent, Path(__file__).parent / "static"

FILES = {
    "style.css": (REPORT / "style.css", "text/css; charset=utf-8"),
}
"""Name in addresses -> file, and its type."""

router = APIRouter(prefix="/static", include_in_schema=False)


@router.get("/{name}")
async def static(name: str) -> Response:
    """One of `FILES`."""
    if name not in FILES:
        raise Refused("not_found", "There is nothing at this address.")
    headers = {"cache-control": "max-age=300"}
    return Response(_content(name), headers=headers, media_type=FILES[name][1])


@functools.cache
def _content(name: str) -> bytes:
    return FILES[name][0].read_bytes()
