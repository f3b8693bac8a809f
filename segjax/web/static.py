"""Files that pages are made of; read once, and no path is made from an address."""

import functools
import hashlib
from pathlib import Path

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from segjax.report import templates
from segjax.web.refused import Refused

REPORT, HERE = Path(templates.__file__).parent, Path(__file__).parent / "static"

KINDS = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
    ".png": "image/png",
}

FILES = {
    "style.css": REPORT / "style.css",
    **{
        path.relative_to(HERE).as_posix(): path
        for path in sorted(HERE.rglob("*"))
        if path.suffix in KINDS
    },
}
"""Name in addresses -> file."""

router = APIRouter(prefix="/static", include_in_schema=False)


@router.get("/{name:path}")
async def static(request: Request, name: str) -> Response:
    """One of `FILES`; browsers ask each time whether it is still the same."""
    if name not in FILES:
        raise Refused("not_found", "There is nothing at this address.")
    content, tag = _content(name)
    headers = {"cache-control": "no-cache", "etag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(None, 304, headers)
    return Response(content, headers=headers, media_type=KINDS[FILES[name].suffix])


@functools.cache
def _content(name: str) -> tuple[bytes, str]:
    content = FILES[name].read_bytes()
    return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'
