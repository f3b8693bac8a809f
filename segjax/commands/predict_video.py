"""A video on its way through the network: a folder of frames, and videos."""

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from segjax.commands.predict_flow import Flow
from segjax.core.errors import SegjaxError, UserError
from segjax.core.keys import INDEX, ORIGINAL
from segjax.data import video as videos
from segjax.predict import files
from segjax.predict.ahead import ahead
from segjax.predict.inputs import Video
from segjax.predict.whole import PredictFn, Prediction
from segjax.report import colour, maps
from segjax.report.areas import Areas
from segjax.report.files import plain, read_json
from segjax.report.film import SUFFIX, Film
from segjax.report.results import FILMED, Written

MARK = "video.json"
"""In the folder of the frames: what they are, and whether they are all."""


class OneVideo(Sequence):
    """The names of videos that `Parts.stream` asks for: a call is of one video."""

    def __getitem__(self, index: int) -> str:
        return ""

    def __len__(self) -> int:
        return sys.maxsize


def run(flow: Flow, predict: PredictFn, video: Video) -> None:
    """Predict a video.

    Its results take their places when it is over, together. What came before a frame
    that cannot be read is kept, and the damage is told.
    """
    rate = flow.rate
    try:
        if flow.skip and _is_done(flow, video):
            return
        if video.frames is None:
            rate = videos.read_head(video.path).rate
    except SegjaxError as error:
        flow.tally.fail(video.path, error)
        return
    try:
        entry, rows = _predicted(flow, predict, video, rate)
    except UserError as error:
        flow.tally.fail(video.path, error)
        return
    if rows:
        flow.tally.videos.append(entry)
        flow.tally.frames += rows


def _folder(flow: Flow, video: Video) -> Path:
    """Where the files of its frames go."""
    return flow.out / f"{video.name}_frames"


def _films(flow: Flow, video: Video) -> dict[str, Path]:
    """Kind -> the video that is made of it."""
    ends = {kind: f"{video.name}_{kind}{SUFFIX}" for kind in FILMED}
    return {
        kind: flow.out / end
        for kind, end in ends.items()
        if flow.filmed and kind in flow.results.kinds
    }


def _predicted(
    flow: Flow, predict: PredictFn, video: Video, rate: float
) -> tuple[dict, list[Areas]]:
    """The video's entry in the document, and the rows of its frames."""
    results, info = flow.results, flow.model.info
    problems: list[SegjaxError] = []
    kept: dict[int, np.ndarray] = {}
    rows: list[Areas] = []
    made = _films(flow, video)

    def failed(index: int, error: SegjaxError) -> None:
        problems.append(error)
        flow.tally.fail(_source(video, index), error)

    def watched(examples: Iterable[dict]) -> Iterator[dict]:
        for example in examples:
            kept[int(example[INDEX])] = example[ORIGINAL]
            yield example

    def write(found: Prediction) -> tuple[int, Written, list[np.ndarray]]:
        image, ids = kept.pop(found.index), found.ids
        answer = results.answer(ids, found.probabilities)
        paths = results.paths(making / _name(video, found.index), leave_out=made)
        written = results.write(answer, paths, lambda: image)
        draw = {
            "colour": lambda: colour.colourise(ids, info),
            "overlay": lambda: colour.overlay(image, ids, info),
        }
        return found.index, written, [draw[kind]() for kind in made]

    def film(each: tuple) -> tuple[int, Written]:
        index, written, drawn = each
        for reel, frame in zip(reels, drawn, strict=True):
            reel.add(frame)
        return index, written

    with contextlib.ExitStack() as stack:
        making = stack.enter_context(_made(_folder(flow, video)))
        reels = [stack.enter_context(Film(path, rate)) for path in made.values()]
        examples = watched(files.frames(video, failed=failed, **flow.reading))
        for index, written in flow.through(predict, examples, write, film):
            rows.append(_account(flow, video, index, written))
        entry = {
            "input": video.path,
            "frames": len(rows),
            "rate": rate,
            "complete": not problems,
            "skipped": False,
        }
        if rows:
            height, width = rows[0].size
            place = {"frames": _folder(flow, video)} if making.exists() else {}
            entry |= {
                "height": height,
                "width": width,
                "files": {**place, **made},
                "shares": flow.shares(sum(row.pixels for row in rows)),
            }
        if making.exists():
            mark = json.dumps(plain({**entry, "stamp": results.stamp}), indent=1)
            maps.write(mark.encode(), making / MARK)
        flow.tally.predicted += len(rows)
    return entry, rows


def _account(flow: Flow, video: Video, index: int, written: Written) -> Areas:
    name = str(index) if video.frames is None else video.frames[index].path.name
    image = {"file_name": str(_source(video, index)), "frame": index}
    flow.annotate(image, written)
    flow.told()
    return Areas(str(video.path), name, written.size, written.pixels)


def _name(video: Video, index: int) -> str:
    return f"{index:06d}" if video.frames is None else video.frames[index].name


def _source(video: Video, index: int) -> Path:
    return video.path if video.frames is None else video.frames[index].path


def _is_done(flow: Flow, video: Video) -> bool:
    """Whether an earlier call has finished it; if so, it is accounted for.

    Raises:
      UserError: it has, and a file is damaged.
    """
    place, made = _folder(flow, video), _films(flow, video)
    try:
        entry = read_json(place / MARK)
        stamp = entry.pop("stamp")
        number = entry["frames"] if video.frames is None else len(video.frames)
        whole = entry["complete"] and flow.results.stamp.items() <= stamp.items()
    except (UserError, KeyError, TypeError, AttributeError):
        return False
    paths = [
        flow.results.paths(place / _name(video, i), leave_out=made)
        for i in range(number)
    ]
    sources = (_source(video, i) for i in range(number))
    there = all(map(flow.results.has, paths, sources))
    if not (whole and there and all(path.is_file() for path in made.values())):
        return False
    for index, old in enumerate(ahead(flow.results.read, paths, flow.threads)):
        flow.tally.frames.append(_account(flow, video, index, old))
    files = {"frames": place, **made}
    flow.tally.videos.append({**entry, "files": files, "skipped": True})
    return True


@contextlib.contextmanager
def _made(place: Path) -> Iterator[Path]:
    """A folder to write into, which takes its place when the block ends without error.

    Raises:
      UserError: in its place is a folder that no call of this kind has made.
      EnvironmentFault: the disk refuses.
    """
    if place.exists() and not (place / MARK).is_file():
        raise UserError(
            f"{place}: is in the way of the frames, and was not made by this command. "
            "Move it, or name another --out."
        )
    making, before = maps.hidden(place), maps.hidden(place)
    try:
        yield making
        if making.exists():
            with contextlib.suppress(FileNotFoundError):
                os.rename(place, before)
            os.rename(making, place)
    except OSError as error:
        raise maps.refused(place, error) from error
    finally:
        shutil.rmtree(making, ignore_errors=True)
        shutil.rmtree(before, ignore_errors=True)
