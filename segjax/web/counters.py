"""What the server counts, for Prometheus."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)
ROUTES = ("/api/predict", "/api/models", "/models", "/static", "/metrics")


class Counters:
    """Counters of a server, in a registry of their own."""

    def __init__(self):
        self.registry = CollectorRegistry()

        def made(kind, name, words, labels=(), **more):
            return kind(f"segjax_{name}", words, labels, registry=self.registry, **more)

        self._requests = made(
            Counter, "requests_total", "requests answered", ("method", "code")
        )
        self._seconds = made(
            Histogram, "request_seconds", "time to answer", ("route",), buckets=SECONDS
        )
        self._pictures = made(
            Counter, "pictures_total", "answered pictures", ("model",)
        )
        self.refused = made(Counter, "refused_total", "refused requests", ("code",))
        self._network = made(
            Histogram, "network_seconds", "of a network", ("model",), buckets=SECONDS
        )
        self._queue = made(Gauge, "queue", "requests with a model", ("model",))
        self._restarts = made(
            Gauge, "worker_restarts", "workers that ended", ("model",)
        )
        self._compiled = made(Gauge, "compiled_programs", "of a worker", ("model",))
        self._ready = made(Gauge, "ready", "whether the server is ready")

    def request(self, scope, status: int, seconds: float) -> None:
        """Count an answer."""
        known = ("GET", "HEAD", "POST", "OPTIONS")
        method = scope["method"] if scope["method"] in known else "other"
        self._requests.labels(method, str(status)).inc()
        routes = (r for r in ROUTES if scope["path"].startswith(r))
        self._seconds.labels(next(routes, "other")).observe(seconds)

    def answered(self, model: str, seconds: float) -> None:
        """Count a picture that a network took so long for."""
        self._pictures.labels(model).inc()
        self._network.labels(model).observe(seconds)

    def text(self, models: Iterable, ready: bool) -> bytes:
        """As Prometheus reads it."""
        for gauge in (self._queue, self._restarts, self._compiled):
            gauge.clear()
        for model in models:
            self._queue.labels(model.name).set(model.waiting)
            self._restarts.labels(model.name).set(model.restarts)
            self._compiled.labels(model.name).set(model.compiled)
        self._ready.set(ready)
        return generate_latest(self.registry)
