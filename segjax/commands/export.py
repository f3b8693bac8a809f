"""Make one file of a trained run that works without segjax.

FILE holds the network as programs for cpu, cuda and tpu, its weights, what is done to
an image before it and to a prediction behind it, classes, colours, scores, a model card
and the code that reads it: `python FILE picture.png --out DIR` needs jax alone.

The scores are measured on the run's validation split with these programs. Images are
shown to the network in windows of a few sizes, chosen from those of the validation
images: one that holds all wide ones, one for all high ones, and further ones where they
spare a tenth of the work, four in all.

examples:
  segjax export runs/camvid_unet --out roads.segjax --root /data/CamVid
  segjax export runs/photos --sizes 384x512,512x384 --licence CC-BY-4.0
  segjax export runs/flood --postprocess 'median(5)' --title 'Flooded ground'
  segjax export runs/camvid_unet --without-data --sizes 368x480
  segjax export runs/camvid_unet --onnx
"""

import argparse
from pathlib import Path
from typing import Any

from segjax.commands import answer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `segjax export`."""
    parser.add_argument("run", metavar="RUN", type=Path, help="folder of the run")
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        help="default: NAME.segjax in the run folder",
    )
    parser.add_argument(
        "--root", metavar="DIR", help="where the data are, if not where they were"
    )
    parser.add_argument(
        "--without-data",
        action="store_true",
        help="without scores, parity and statistics; needs --sizes",
    )
    parser.add_argument(
        "--limit",
        metavar="N",
        type=answer.positive,
        help="score so many validation images, evenly spread; default: all",
    )
    parser.add_argument(
        "--sizes",
        metavar="HxW,...",
        help="of what the network sees, such as 192x256,384x512",
    )
    parser.add_argument(
        "--weights",
        choices=("best", "latest"),
        default="best",
        help="which checkpoint; default: best",
    )
    parser.add_argument(
        "--protocol",
        metavar="OPS",
        help="how an image is shown to the network, in windows of --sizes; default: "
        "buckets of them, or the run's own if it is of windows",
    )
    parser.add_argument("--postprocess", metavar="OPS", help=answer.POSTPROCESS)
    parser.add_argument(
        "--platforms",
        metavar="NAMES",
        default="cpu,cuda,tpu",
        help="to compile for; default: %(default)s",
    )
    parser.add_argument("--title", help="what people call it; default: the run's name")
    parser.add_argument(
        "--licence", default="", help="terms under which the weights are given away"
    )
    parser.add_argument(
        "--without-code",
        action="store_true",
        help="smaller, but `python FILE` does not run",
    )
    parser.add_argument(
        "--onnx",
        action="store_true",
        help="FILE.onnx beside it, of the largest size (requirements-export.txt)",
    )


def run(args: argparse.Namespace) -> int:
    """Export; returns the exit code."""
    answer.raise_unless_ops(args)
    from segjax import parts as all_parts
    from segjax import process
    from segjax.core.errors import raise_problems
    from segjax.serve import bundle, export, sizes
    from segjax.serve.load import load

    asked = sizes.of(args.sizes) if args.sizes else ()
    out = args.out or args.run / f"{args.run.resolve().name}{bundle.SUFFIX}"
    platforms = [p.strip() for p in args.platforms.split(",") if p.strip()]
    process.prepare()
    parts, variables, step = all_parts.load(args.run, args.weights)
    process.keep_compiled()
    raise_problems(_problems(args, out) + export.problems_of(parts, platforms))
    if args.postprocess is not None:
        parts = parts.evaluated(postprocess=args.postprocess)
    source = None if args.without_data else _source(args, parts)
    made = export.make(
        parts,
        variables,
        title=args.title or args.run.resolve().name,
        sizes=asked or _chosen(parts, source),
        protocol=parts.protocol(args.protocol) if args.protocol else None,
        platforms=platforms,
        licence=args.licence,
    )
    more, members = _measured(args, made, parts, variables, step, source)
    digest = _write(args, out, made, parts, step, more, members)
    checked = load(out).check()
    converted = []
    if args.onnx:
        from segjax.serve import onnx_model

        beside = out.with_suffix(onnx_model.SUFFIX)
        facts = {"of": digest, "run_id": parts.run_id, "step": str(step)}
        converted = onnx_model.write(made, parts, variables, beside, facts)
    files = [out, *(one.path for one in converted)]
    answer.give(
        args,
        _words(made, more, files, digest, checked, converted),
        {
            "run": args.run,
            "out": out,
            "sha256": digest,
            "bytes": out.stat().st_size,
            "sizes": made.about.sizes,
            "protocol": made.about.protocol,
            "postprocess": made.about.postprocess,
            "platforms": made.about.platforms,
            "check": str(checked),
            "scores": more.get("scores"),
            "parity": more.get("parity"),
            "onnx": [
                {
                    "path": one.path,
                    "error": one.error,
                    "off": one.off,
                    "flipped": one.flipped,
                }
                for one in converted
            ],
            "files": files,
        },
    )
    return 0


def _problems(args, out: Path) -> list[str]:
    found = []
    if args.without_data and not args.sizes:
        found.append(
            "--without-data: the sizes of images are not known. Name --sizes, such as "
            "192x256,384x512."
        )
    if args.without_data and (args.root or args.limit):
        found.append("--without-data: no data are read. Leave out --root and --limit.")
    if out.is_dir():
        found.append(f"--out={out}: is a folder; name a file.")
    return found


def _source(args, parts) -> Any:
    from segjax.serve.assess import Some

    source = parts.source(parts.config.val_split, root=args.root)
    return Some(source, args.limit) if args.limit else source


def _chosen(parts, source) -> tuple[tuple[int, int], ...]:
    """The sizes of programs, from those of up to some hundred validation images."""
    from segjax.core.keys import IMAGE
    from segjax.report import count
    from segjax.serve import assess, sizes, statistics

    chosen, seen = assess.spread(len(source), statistics.MOST), []
    with count.shown("looking at sizes") as update:
        for i in chosen:
            seen.append(source[i][IMAGE].shape[-3:-1])
            update(len(seen), len(chosen))
    return sizes.choose(seen, parts.host_ops, parts.info.pixels, parts.model)


def _measured(args, made, parts, variables, step, source) -> tuple[dict, dict]:
    """What the manifest says of scores and parity; further members."""
    if source is None:
        return {}, {}
    import json

    from segjax.core.errors import UserError
    from segjax.report import count
    from segjax.serve import assess, statistics

    with count.shown("scoring") as update:
        scores, answers = assess.scores(made, parts, source, step=step, progress=update)
    parity = assess.parity(made, parts, variables, source)
    try:
        training = parts.source(parts.config.train_split, root=args.root)
    except UserError:
        training = None
    images = []
    if training is not None:
        with count.shown("measuring training images") as update:
            images = assess.images(training, parts, update)
    collected = statistics.collected(images, answers)
    text = json.dumps(collected, allow_nan=False).encode()
    of = len(getattr(source, "source", source))
    more = {"scores": scores, "scored_of": of, "parity": parity}
    return more, {statistics.FILE: text}


def _write(args, out, made, parts, step, more, members) -> str:
    import json

    from segjax.report import record
    from segjax.serve import export, load, provenance, runtime
    from segjax.serve.card import card

    manifest = {
        **more,
        "run": provenance.of_run(parts, record.read(args.run), step),
        "exported": provenance.of_export(),
    }
    config = provenance.cleaned(record.read_config(args.run))
    code = {} if args.without_code else runtime.members()
    text = card(made.about, manifest, "" if args.without_code else out.name)
    members = {
        **members,
        **code,
        "card.md": text.encode(),
        load.CONFIG: json.dumps(config, indent=1, sort_keys=True).encode(),
    }
    return export.write(out, made, manifest, members)


def _words(made, more, files, digest, checked, converted) -> str:
    about, lines = made.about, []
    if scores := more.get("scores"):
        miou = scores["summary"]["miou"]
        miou = f"{miou:.4f}" if isinstance(miou, float) else "-"
        lines.append(
            f"{scores['num_images']} images of {scores['split']}: mIoU "
            f"{miou} by {about.protocol}"
        )
    if parity := more.get("parity"):
        for protocol, differ in parity["differ_by_protocol"].items():
            lines.append(
                f"{differ} of {parity['pixels']} pixels of {parity['images']} images "
                f"are of another class than by the run itself ({protocol}, its "
                f"convolutions by {parity['convolutions']})"
            )
    else:
        lines.append("not scored, as it was made without data")
    lines += [
        f"sizes: {', '.join(f'{h}x{w}' for h, w in about.sizes)}; platforms: "
        f"{', '.join(about.platforms)}",
        f"its picture, read again: {checked}",
        *(
            f"{one.path.name}: logits within {one.error:.1e} by onnxruntime"
            f"{f' ({one.off:.1%} of pixels above 0.0001)' if one.off else ''}, "
            f"{one.flipped} pixels of another class"
            for one in converted
        ),
        f"sha256 {digest}",
        f"Written: {', '.join(map(str, files))}",
    ]
    return "\n".join(lines)
