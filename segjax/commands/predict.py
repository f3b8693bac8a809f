"""Segment pictures and videos of any size with a run or an exported model.

INPUTS are pictures, videos, folders (all pictures and videos under them), and patterns
in quotes ('photos/**/*.jpg'). For each picture NAME.jpg files are written at the
picture's own size; which, says --write, a list with commas:

  ids            NAME_ids.png: 8-bit class ids, with the class colours as palette
  colour         NAME_colour.png: the class colours
  overlay        NAME_overlay.png: the picture tinted by class
  confidence     NAME_confidence.png: probability of the class, 0 to 255
  probabilities  NAME_probabilities.npz: of all classes, float16
  polygons       NAME_polygons.geojson: a polygon a region, on the map for a GeoTIFF
  instances      NAME_instances.png: objects of the classes --things, numbered, 16-bit
  areas          areas.csv: pixels and share of each class, a row a picture
  coco           annotations.json: all regions of all pictures as COCO annotations

Of a video NAME.mp4 the files of the frames are in NAME_frames/, and colours and
overlays are one video each, NAME_overlay.mp4. A model of clips goes through a video
with its memory; to any other its frames are pictures. docs/predict.md has all of it.

What cannot be read is reported and the rest is done; the exit code is then 2.

examples:
  segjax predict runs/camvid photo.jpg --out predicted
  segjax predict runs/camvid photos/ 'm/**/*.tif' --out predicted --skip-existing
  segjax predict roads.segjax photos --out predicted
  segjax predict runs/flood tiles --out predicted --write polygons --pixel-size 10
  segjax predict runs/camvid drive.mp4 --out predicted --json
  segjax predict runs/cityscapes_convlstm frames/ --sequence --out predicted
  segjax predict runs/camvid huge.tif --out predicted --protocol 'slide(512, 512)'
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from segjax.commands import answer
from segjax.core.errors import UserError

SHOWN = 3
"""Classes named in the line of a picture."""

LINES = 20
"""Pictures and videos that have a line each; of more the table is told alone."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `segjax predict`."""
    parser.add_argument(
        "run", metavar="RUN", type=Path, help="folder of a run, or an exported model"
    )
    parser.add_argument(
        "inputs",
        metavar="INPUTS",
        type=Path,
        nargs="+",
        help="pictures, videos, folders or patterns",
    )
    parser.add_argument(
        "--out", metavar="DIR", type=Path, required=True, help="where results go"
    )
    parser.add_argument(
        "--write",
        metavar="KINDS",
        default="ids,colour,overlay,areas",
        help="what is written, see above; default: %(default)s",
    )
    parser.add_argument(
        "--sequence",
        action="store_true",
        help="the pictures of each folder are the frames of one video, in the order of "
        "the numbers in their names",
    )
    parser.add_argument(
        "--video-as",
        choices=("mp4", "png"),
        default="mp4",
        help="colours and overlays of videos: a video each, or a picture a frame; "
        "default: %(default)s",
    )
    parser.add_argument(
        "--fps",
        metavar="RATE",
        type=answer.above_zero,
        default=25.0,
        help="frames a second of videos made from sequences; default: 25",
    )
    parser.add_argument(
        "--pixel-size",
        metavar="METRES",
        type=answer.above_zero,
        help="side of a pixel; areas are told in square metres, too",
    )
    parser.add_argument(
        "--things",
        metavar="CLASSES",
        default="",
        help="classes whose objects are told apart for --write instances, such as "
        "car,person; objects that touch are one",
    )
    parser.add_argument(
        "--simplify",
        metavar="PIXELS",
        type=answer.above_zero,
        help="leave corners of polygons out that are no further from the line; "
        "default: exact",
    )
    parser.add_argument(
        "--skip-existing",
        action="store_true",
        help="go on where an earlier call stopped: leave pictures and videos whose "
        "files are there, by the same weights and not older than the input",
    )
    parser.add_argument(
        "--weights",
        choices=("best", "latest"),
        default="best",
        help="which checkpoint; default: best",
    )
    parser.add_argument(
        "--batch-size",
        metavar="N",
        type=answer.positive,
        help="pictures of one size, or windows, a step; 1 is quickest where all sizes "
        "differ; default: the config's",
    )
    parser.add_argument("--protocol", metavar="OPS", help=answer.PROTOCOL)
    parser.add_argument("--postprocess", metavar="OPS", help=answer.POSTPROCESS)


def run(args: argparse.Namespace) -> int:
    """Predict every picture and video; returns the exit code."""
    from segjax.commands import predict_checks

    kinds = predict_checks.kinds(args)
    answer.raise_unless_ops(args)
    import contextlib

    from segjax import predictable, process
    from segjax.commands import predict_video
    from segjax.commands.predict_flow import Flow
    from segjax.predict import inputs
    from segjax.report import areas, coco, count
    from segjax.report.pace import Pace
    from segjax.report.results import TABLES, Results
    from segjax.train import compiled

    found = inputs.find(
        args.inputs, args.out, predictable.pixels(args.run), sequence=args.sequence
    )
    if not found.pictures and not found.videos:
        raise UserError(found.problems.values())
    predict_checks.raise_if_overwriting(args, kinds, found)
    process.prepare()
    process.keep_compiled()
    model, variables, step = predictable.load(args.run, args.weights)
    predictor = model.predictor(
        batch_size=args.batch_size,
        protocol=model.protocol(args.protocol, "--protocol"),
        postprocess=model.postprocess(args.postprocess, "--postprocess"),
    )
    stamp = {
        "run": model.run_id,
        "step": step,
        "protocol": predictor.protocol.name,
        "postprocess": str(predictor.postprocess),
    }
    if "polygons" in kinds:
        stamp |= {"simplify": args.simplify, "pixel_size": args.pixel_size}
    things = predict_checks.things(args, model.info)
    if things:
        stamp["things"] = args.things
    results = Results(
        kinds, model.info, stamp, args.simplify or 0, args.pixel_size, things
    )
    predict = predictor.predict(probabilities=results.probabilities)
    through_video = predict
    if found.videos and predictor.network.takes_clips:
        names = predict_video.OneVideo()
        through_video = predictor.stream(names, results.probabilities)
    with contextlib.ExitStack() as stack:
        update = stack.enter_context(count.shown("predicting"))
        flow = Flow(
            model,
            variables,
            results,
            args.out,
            Pace(lambda: compiled.counts().total()),
            waiting=2 * max(predictor.batch_size, model.threads),
            skip=args.skip_existing,
            filmed=args.video_as == "mp4",
            rate=args.fps,
            told=_counted(update, found),
        )
        for path, problem in found.problems.items():
            flow.tally.fail(path, UserError(problem))
        if "coco" in kinds:
            way = predictor.protocol.name
            words = f"segjax {model.info.name}, step {step}, {way}"
            flow.coco = stack.enter_context(coco.CocoFile(args.out, model.info, words))
        flow.pictures(predict, found.pictures)
        for video in found.videos:
            predict_video.run(flow, through_video, video)
        if "areas" in kinds and flow.tally.rows:
            areas.write(flow.tally.rows, model.info, args.out, args.pixel_size)
    tally = flow.tally
    answer.give(
        args,
        _words(args, flow, found),
        {
            "run": args.run,
            "dataset": model.info.name,
            "class_names": model.info.class_names,
            **{k: v for k, v in stamp.items() if k != "run"},
            "run_id": model.run_id,
            "out": args.out,
            "tables": {k: args.out / n for k, n in TABLES.items() if k in kinds},
            "pictures": [tally.pictures[i] for i in sorted(tally.pictures)],
            "videos": tally.videos,
            "failures": [
                {"input": path, "reason": str(error)} for path, error in tally.failures
            ],
            "speed": flow.clock.document(tally.predicted),
        },
    )
    for _, error in tally.failures:
        print(f"error: {error}", file=sys.stderr)
    return max((error.exit_code for _, error in tally.failures), default=0)


def _counted(update, found) -> Any:
    """What is called for each picture and frame, and shows how far the call is."""
    from segjax.core.errors import SegjaxError
    from segjax.data import video as videos

    total = len(found.pictures)
    for video in found.videos:
        if video.frames is not None:
            total += len(video.frames)
            continue
        try:
            total += videos.read_head(video.path).frames
        except SegjaxError:  # told when its turn comes
            continue
    done = 0

    def told() -> None:
        nonlocal done
        done += 1
        update(done, max(done, total))

    return told


def _words(args, flow, found) -> str:
    from segjax.report import areas

    tally, lines = flow.tally, []
    entries = [tally.pictures[i] for i in sorted(tally.pictures)] + tally.videos
    if len(entries) <= LINES:
        lines += [_line(entry) for entry in entries]
    if len(tally.rows) > 1:
        table = areas.summary(tally.rows, flow.model.info, args.pixel_size)
        lines += ["", table, ""]
    lines += filter(None, [flow.clock.words(tally.predicted)])
    told = []
    if found.pictures:
        told.append(f"{len(tally.pictures)} of {len(found.pictures)} pictures")
    if found.videos:
        whole = sum(entry["complete"] for entry in tally.videos)
        told.append(f"{whole} of {len(found.videos)} videos")
    skipped = sum(entry["skipped"] for entry in entries)
    there = f", {skipped} of them before" if skipped else ""
    return "\n".join([*lines, f"{' and '.join(told)} predicted into {args.out}{there}"])


def _line(entry: dict[str, Any]) -> str:
    most = sorted(entry["shares"].items(), key=lambda pair: -pair[1])[:SHOWN]
    shares = ", ".join(f"{name} {100 * x:.1f} %" for name, x in most if x)
    size = f"{entry['height']}x{entry['width']}"
    if "frames" in entry:
        size = f"{entry['frames']} frame{'s' * (entry['frames'] != 1)} of {size}"
    name = str(entry["input"]).encode("utf-8", "surrogateescape")
    return f"{name.decode('utf-8', 'backslashreplace')}  {size}  {shares}"
