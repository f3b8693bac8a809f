"""The models that are served, by name; files of a folder come and go."""

import asyncio
import contextlib
import logging
import re
from collections.abc import Coroutine, Iterable, Iterator
from pathlib import Path

from segjax.serve.bundle import SUFFIX
from segjax.web.limits import Limits
from segjax.web.refused import Refused
from segjax.web.served import DOWN, FAILED, READY, STARTING, Served, Stamp

LOOK_SECONDS = 2
"""Between two looks at a folder; a file that did not change between is whole."""

STARTS = 2
"""Workers that load and compile at once."""

log = logging.getLogger("segjax.web")


class Registry:
    """Name -> model. Requests name models; no path is ever made from a name.

    Args:
      paths: exported models that are served as long as the server runs.
      folder: whose exported models are served as long as they lie there.
      limits: of requests.
    """

    def __init__(self, paths: Iterable[Path], folder: Path | None, limits: Limits):
        self._limits, self._folder = limits, folder
        self._models: dict[str, Served] = {}
        self._gate = asyncio.Semaphore(STARTS)
        self._seen: dict[Path, Stamp] = {}
        self._paths = list(paths)
        self._named = {path.resolve() for path in self._paths}
        self._first: set[str] = set()
        self._coming: dict[str, Served] = {}
        self._leaving: set[Served] = set()
        self._tasks: set[asyncio.Task] = set()

    def __iter__(self) -> Iterator[Served]:
        return iter(list(self._models.values()))

    def find(self, name: str) -> Served:
        """The model of this name.

        Raises:
          Refused: there is none.
        """
        if name not in self._models:
            raise Refused("no_such_model", "There is no model of this name.")
        return self._models[name]

    def default(self) -> Served:
        """The first model whose file is good; while it is down no other steps in.

        Raises:
          Refused: there is none.
        """
        for model in self:
            if model.state != FAILED:
                return model
        raise Refused("not_ready", "There is no model.")

    @property
    def ready(self) -> bool:
        """Whether all that answered once answers now, and what was there first does."""
        states = [model.state for model in self]
        starting = [m for m in self if m.state == STARTING and m.name in self._first]
        return READY in states and DOWN not in states and not starting

    async def start(self) -> None:
        """Start the workers of all that is there, and look out for more."""
        for path in self._paths:
            self._add(path)
        if self._folder is not None:
            for path in sorted(_files(self._folder)):
                self._add(path)
            self._keep(self._watch())
        self._first = set(self._models)

    async def stop(self) -> None:
        """End all workers."""
        for task in self._tasks:
            task.cancel()
        models = [*self, *self._coming.values(), *self._leaving]
        await asyncio.gather(*(model.stop() for model in models))

    def _add(self, path: Path) -> Served | None:
        try:
            model = Served(self._name(path), path, self._limits)
        except OSError:
            return None
        self._models[model.name] = model
        model.start(self._gate)
        return model

    def _name(self, path: Path) -> str:
        """Of letters, digits and `-_.`, after the file, that no other model has."""
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem)[:64].strip("-._") or "model"
        name, number = stem, 2
        while name in self._models:
            name, number = f"{stem}-{number}", number + 1
        return name

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self._compare()
            except OSError as error:
                log.warning("the watched folder cannot be read: %s", error)

    async def _compare(self) -> None:
        """Bring the models to what lies in the folder."""
        found: dict[Path, Stamp] = {}
        for path in _files(self._folder):
            with contextlib.suppress(OSError):
                found[path] = Stamp.of(path)
        whole = {p for p, stamp in found.items() if self._seen.get(p) == stamp}
        self._seen = found
        ours = {m.path: m for m in self if m.path.resolve() not in self._named}
        for path, model in ours.items():
            if path not in found:
                log.info("%s: its file is gone", model.name)
                self._models.pop(model.name)
                self._keep(self._retire(model))
                continue
            latest = self._coming.get(model.name, model)
            if path in whole and found[path] != latest.stamp:
                self._keep(self._replace(model))
        for path in sorted(whole - ours.keys()):
            if path.resolve() not in self._named:
                self._add(path)

    async def _replace(self, old: Served) -> None:
        """Put another file in the place of a model's as soon as it is known to be good,
        or not to be."""
        log.info("%s: its file has changed", old.name)
        earlier = self._coming.pop(old.name, None)
        try:
            new = Served(old.name, old.path, self._limits)
        except OSError:  # gone again
            return
        self._coming[old.name] = new
        new.start(self._gate)
        if earlier is not None:
            await earlier.stop()
        await new.settled.wait()
        if self._coming.get(old.name) is not new:
            return
        del self._coming[old.name]
        if old.name in self._models:
            self._models[old.name] = new
            await self._retire(old)
        else:
            await new.stop()

    async def _retire(self, model: Served) -> None:
        """End a model that is not listed any more."""
        self._leaving.add(model)
        await model.retire()
        self._leaving.discard(model)

    def _keep(self, work: Coroutine) -> None:
        """Let something run beside; asyncio alone does not hold on to it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _files(folder: Path) -> list[Path]:
    """The exported models in a folder, and not those that are hidden or no files."""
    return [
        path
        for path in folder.glob(f"*{SUFFIX}")
        if not path.name.startswith(".") and path.is_file()
    ]
