"""The model card: what an exported model is for, what it was made from, what it scores,
and what nobody has measured. Markdown, from its manifest alone.

Source: Mitchell et al., Model cards for model reporting, 2019, arXiv 1810.03993: which
  questions a card answers.
"""

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from segjax.core.info import DatasetInfo
from segjax.core.pixels import FULL, RGB
from segjax.serve.description import Description

Manifest = Mapping[str, Any]

FEW = 30
"""Scored images, below which a card says that they are few."""


def card(about: Description, manifest: Manifest, file: str) -> str:
    """The card of a model.

    Args:
      about: its description.
      manifest: what its manifest says besides: `run`, `exported`, `scores`, `parity`.
      file: what the file is called.
    """
    parts = [
        f"# {about.title}",
        _purpose(about),
        _classes(about.info),
        _data(about, manifest),
        _scores(manifest),
        _training(about, manifest),
        _limits(about, manifest),
        _use(about, file),
        _versions(about, manifest),
    ]
    return "\n\n".join(parts) + "\n"


def _purpose(about: Description) -> str:
    pixels, memory = about.info.pixels, ""
    if about.takes_clips:
        memory = (
            " It remembers: of a video, each frame is seen with those before it; a "
            "single image is a video of one frame."
        )
    return (
        f"Gives every pixel of an image one of {about.info.num_classes} classes. "
        f"Images are of any size, with {pixels}.{memory}\n\n"
        f"It is for images like those of {about.info.name}, which it learnt from. It "
        "says nothing about images of other kinds, and gives every pixel a class "
        "whether it knows one or not."
    )


def _classes(info: DatasetInfo) -> str:
    rows = [
        [str(k), name, "#{:02x}{:02x}{:02x}".format(*colour)]
        for k, (name, colour) in enumerate(
            zip(info.class_names, info.class_colours, strict=True)
        )
    ]
    return "## Classes\n\n" + table(["id", "class", "colour"], rows)


def _data(about: Description, manifest: Manifest) -> str:
    info, splits = about.info, manifest.get("run", {}).get("splits", {})
    lines = [f"- data: {info.name}"]
    lines += [
        f"- {what}: {text}"
        for what, text in (
            ("from", info.homepage),
            ("source", info.citation),
            ("licence of the data", info.licence or "not said"),
        )
        if text
    ]
    lines += [
        f"- {name}: {split['num_images']:,} images, fingerprint "
        f"`{split['fingerprint'][:16]}`"
        for name, split in splits.items()
        if split
    ]
    lines.append(f"- class table: digest `{info.digest()[:16]}`")
    if info.note:
        lines.append(f"- {info.note}")
    return "## What it learnt from\n\n" + "\n".join(lines)


def _scores(manifest: Manifest) -> str:
    scores = manifest.get("scores")
    if not scores:
        return "## Scores\n\nNot measured for this file: it was made without the data."
    summary = scores["summary"]
    rows = [
        [
            entry["name"],
            *(
                _per_cent(entry[k])
                for k in ("share", "iou", "dice", "precision", "recall")
            ),
        ]
        for entry in scores["classes"]
    ]
    head = ["class", "pixels", "IoU", "Dice", "precision", "recall"]
    way = f"`{scores['protocol']}`"
    if scores["postprocess"]:
        way += f", then `{scores['postprocess']}`"
    of = manifest.get("scored_of", scores["num_images"])
    some = (
        f"{scores['num_images']} of {of}" if of > scores["num_images"] else f"all {of}"
    )
    text = (
        f"On {some} images of the split `{scores['split']}`, with the programs of this "
        f"file, by {way}. In per cent. How classes are averaged: "
        f"{scores['convention_sentence']}.\n\n"
        f"mean IoU **{_per_cent(summary['miou'])}**, "
        f"pixel accuracy {_per_cent(summary['pixel_accuracy'])}\n\n"
    )
    parity = manifest.get("parity")
    same = ""
    if parity:
        same = (
            f"\n\nOf {parity['pixels']:,} pixels of {parity['images']} images "
            f"{parity['differ']:,} got another class than from the run itself (its "
            f"convolutions by {parity['convolutions']})."
        )
    return "## Scores\n\n" + text + table(head, rows) + same


def _training(about: Description, manifest: Manifest) -> str:
    run = manifest.get("run", {})
    code = run.get("code") or {}
    commit = code.get("commit", "not known")[:12] + (
        " with changes" if code.get("dirty") else ""
    )
    devices = sorted(set(map(_kind, run.get("devices", [])))) or ["not known"]
    seconds = run.get("wall_seconds", 0)
    lines = [
        f"- network: `{about.architecture}`, {about.parameters:,} parameters",
        f"- weights: step {run.get('step', 'not known')} of run "
        f"`{run.get('run_id') or 'not known'}`, {seconds / 60:.0f} minutes on "
        f"{', '.join(devices)}",
        f"- seeds: {_named(run.get('seeds')) or 'not known'}; config: digest "
        f"`{run.get('config_digest', '')[:16]}`, whole in `config.json` of this file",
        f"- code: commit {commit}",
        f"- an image, before the network: {_prepared(about)}",
        f"- shown to the network: `{about.protocol}`{_shown(about)}",
    ]
    if about.postprocess:
        lines.append(f"- behind the network: `{about.postprocess}`")
    if about.task == "binary":
        lines.append(f"- foreground above a probability of {about.threshold:g}")
    return "## How it was made\n\n" + "\n".join(lines)


def _limits(about: Description, manifest: Manifest) -> str:
    scores = manifest.get("scores") or {}
    lines = []
    never = [entry["name"] for entry in scores.get("classes", []) if not entry["share"]]
    weak = [
        entry["name"]
        for entry in scores.get("classes", [])
        if entry["share"] and entry["iou"] < 0.5
    ]
    if never:
        lines.append(f"- not in the scored images, so not measured: {', '.join(never)}")
    if weak:
        lines.append(
            "- IoU below 50 %, so more pixels missed or wrongly claimed than found: "
            f"{', '.join(weak)}"
        )
    if scores and scores["num_images"] < FEW:
        lines.append(
            f"- scored on {scores['num_images']} images alone; others would give other "
            "numbers"
        )
    if scores:
        lines.append(
            "- scored on images of the same origin as those it learnt from, by which "
            "its weights were chosen; expect worse of others, how much was not measured"
        )
    lines += [
        "- not measured: other cameras, places, weather and light than the data have; "
        "differences between groups of people; attacks",
        "- probabilities are the network's own and were not calibrated",
        "- not for decisions about people, and not where an error does harm, without "
        "a study of that use",
    ]
    return "## Limits\n\n" + "\n".join(lines)


def _use(about: Description, file: str) -> str:
    video = ""
    if about.takes_clips:
        video = (
            "\n\nvideo = model.stream()  # frames: images of one video, in order\n"
            "answers = [video.answer(frame) for frame in frames]"
        )
    run, place, kind = "", "", "png" if about.info.pixels == RGB else "npy"
    if file:
        place = (
            f"import sys\n\nsys.path.insert(0, {json.dumps(file)})  "
            "# not where segjax is installed\n"
        )
        run = (
            "Where segjax is not installed, with `pip install jax` (and `pillow` for "
            "PNG, JPEG and the like):\n\n"
            f"```\npython {shlex.quote(file)} picture.{kind} --out DIR\n"
            f"python {shlex.quote(file)} --check\n```\n\n"
            "Running the file runs the code in it; `segjax` reads it without doing so."
            "\n\n"
        )
    return (
        f"## Use\n\n{run}In Python:\n\n```python\n{place}"
        "from pathlib import Path\n\n"
        "from segjax.serve.load import load\n"
        "from segjax.serve.standalone import read_image\n\n"
        f"model = load({json.dumps(file or 'FILE')})\n"
        f'image = read_image(Path("picture.{kind}"), model.info.pixels)  # (H, W, C)\n'
        "answer = model.answer(image)\n"
        f"answer.ids  # (H, W), of model.info.class_names{video}\n```"
    )


def _versions(about: Description, manifest: Manifest) -> str:
    exported = manifest.get("exported", {})
    versions = exported.get("versions", {})
    words = ", ".join(f"{name} {version}" for name, version in versions.items())
    code = exported.get("code") or {}
    return (
        "## This file\n\n"
        f"- made {exported.get('time', '')} by {words}, commit "
        f"{code.get('commit', 'not known')[:12]}\n"
        f"- programs for {', '.join(about.platforms)}, of images of "
        f"{', '.join(f'{h}x{w}' for h, w in about.sizes)} (height x width)\n"
        f"- licence of the weights: {about.licence or 'not said; ask whoever gave it'}"
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; bars in its cells are masked."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |"
        for line in lines
    )


def _prepared(about: Description) -> str:
    """What is done to an image before the network, in words."""
    mean, std = (_numbers(about.normalize[name]) for name in ("mean", "std"))
    full = FULL[about.info.pixels.depth]
    steps = [f"`{about.input_ops}`"] if about.input_ops else []
    steps += [f"divided by {full}"] if full != 1 else []
    return ", ".join([*steps, f"less the mean {mean}, over the deviation {std}"])


def _shown(about: Description) -> str:
    """What the way is that files go by unless another one was named."""
    if not about.protocol.startswith("buckets("):
        return ""
    return (
        ", in the smallest of these windows (height, width) that holds it, padded by "
        "mirroring; a larger one in overlapping windows"
    )


def _named(values: Mapping[str, Any] | None) -> str:
    """`{"seed": 0}` -> `seed 0`."""
    return ", ".join(f"{name} {value}" for name, value in (values or {}).items())


def _per_cent(value: Any) -> str:
    """A share; `-` where it is not defined, which JSON has as text."""
    return f"{100 * value:.1f}" if isinstance(value, float | int) else "-"


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{v:.4g}" for v in values)


def _kind(device: str) -> str:
    """`cuda:0 NVIDIA H200` -> `NVIDIA H200`."""
    return device.partition(" ")[2] or device
