"""The application: what there is at which address."""

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from segjax import __version__
from segjax.web import api, downloads, health, static
from segjax.web.answer import refusal
from segjax.web.counters import Counters
from segjax.web.flagged import Flagged
from segjax.web.forms import Bodies
from segjax.web.limits import Limits
from segjax.web.pages import cards, drift, home
from segjax.web.refused import Refused
from segjax.web.registry import Registry
from segjax.web.service import Service


class State:
    """All that the addresses share.

    Attributes:
      registry: the models.
      service: asks them.
      bodies: reads requests.
      counters: counts.
      limits: of requests.
      flagged: keeps flagged pictures; None if none are.
      stopping: whether the server was told to stop.
    """

    def __init__(
        self,
        registry: Registry,
        service: Service,
        limits: Limits,
        counters: Counters,
        flagged: Flagged | None = None,
    ):
        self.registry, self.service, self.limits = registry, service, limits
        self.bodies, self.counters, self.flagged = Bodies(limits), counters, flagged
        self.stopping = False

    @property
    def ready(self) -> bool:
        """Whether requests should come here."""
        return self.registry.ready and not self.stopping


def make(state: State) -> FastAPI:
    """The application without its gate.

    Args:
      state: what the addresses share.
    """
    app = FastAPI(
        title="segjax",
        version=__version__,
        description="Semantic segmentation of pictures by exported models.",
        openapi_url="/api/openapi.json",
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
    )
    app.state.segjax = state
    for part in (home, cards, drift, api, downloads, health, static):
        app.include_router(part.router)

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused):
        state.counters.refused.labels(error.code).inc()
        return refusal(request.scope, error)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException):
        answer = await refused(request, _known(error.status_code))
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError):
        return await refused(request, _known(400))

    return app


def _known(status: int) -> Refused:
    """An error of the framework as one of ours."""
    if status == 404:
        return Refused("not_found", "There is nothing at this address.")
    if status == 405:
        return Refused("method_not_allowed", "This address is not asked in that way.")
    return Refused("bad_request", "The request is not what it should be.")
