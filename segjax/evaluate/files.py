"""The files of an evaluation: scores and counts, rows of images, pictures."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segjax.core.info import DatasetInfo
from segjax.core.keys import IMAGE, LABEL
from segjax.data.source import Source
from segjax.evaluate.split import Evaluation, videos
from segjax.metrics import calibration, measures, ranking, scores
from segjax.predict.whole import PredictFn, prepare
from segjax.report import panel
from segjax.report.files import plain, write_arrays, write_json, write_text


def write_scores(
    folder: Path,
    evaluation: Evaluation,
    source: Source,
    info: DatasetInfo,
    *,
    run_id: str = "",
) -> None:
    """`SPLIT.json` (scores and counts) and `SPLIT_images.jsonl` (a line an image).

    The scores say of which run, data and classes they are; `run_id` is the record's.

    What was measured besides adds `measures` to the first, numbers to the lines, and
    `SPLIT_measures.npz`: the integers of each image, in the order of the lines.
    """
    document = scores_of(evaluation, source, info, run_id)
    write_json(folder / f"{evaluation.split}.json", document)
    each = _per_image(evaluation)
    lines = [
        json.dumps(
            plain(
                {
                    "name": source.name(i),
                    "index": i,
                    "group": _group(source, i),
                    "miou": miou,
                    "pixel_accuracy": np.trace(c) / c.sum() if c.sum() else np.nan,
                    "counts": c,
                    **{name: values[i] for name, values in each.items()},
                }
            )
        )
        for i, (c, miou) in enumerate(
            zip(evaluation.per_image, evaluation.image_miou(), strict=True)
        )
    ]
    write_text(folder / f"{evaluation.split}_images.jsonl", "\n".join(lines) + "\n")
    path = folder / f"{evaluation.split}_measures.npz"
    if integers := _integers(evaluation):
        write_arrays(path, integers)
    else:
        path.unlink(missing_ok=True)  # of an earlier evaluation


def scores_of(
    evaluation: Evaluation, source: Source, info: DatasetInfo, run_id: str
) -> dict[str, Any]:
    """What `write_scores` writes to `SPLIT.json`."""
    counts = evaluation.counts
    per_class = {
        "iou": scores.iou(counts),
        "dice": scores.dice(counts),
        "precision": scores.precision(counts),
        "recall": scores.recall(counts),
    }
    share = counts.sum(1) / max(1, counts.sum())
    return {
        "split": evaluation.split,
        "step": evaluation.step,
        "run_id": run_id,
        "dataset": info.name,
        "fingerprint": source.fingerprint(),
        "class_digest": info.digest(),
        "num_images": len(evaluation.per_image),
        "protocol": evaluation.protocol,
        "postprocess": evaluation.postprocess,
        "convention": evaluation.convention,
        "convention_sentence": scores.find(evaluation.convention).sentence,
        "summary": evaluation.summary(),
        "classes": [
            {
                "name": name,
                "share": share[k],
                **{score: values[k] for score, values in per_class.items()},
            }
            for k, name in enumerate(info.class_names)
        ],
        "counts": counts,
        **_measures(evaluation),
    }


def plot(folder: Path, evaluation: Evaluation, info: DatasetInfo) -> None:
    """Plots of measured probabilities: `reliability`, `roc` and `risk_coverage`.

    Of two classes the ROC is the foreground's. Those of an earlier evaluation go.
    """
    from segjax.report import measure_plots  # a third of a second, spared at the start

    if "probabilities" not in evaluation.measures:
        for name in measure_plots.NAMES:
            (folder / f"{name}.png").unlink(missing_ok=True)
        return
    result = evaluation.results["probabilities"]
    sure = evaluation.found["confidence"].sum(0, dtype=np.int64)
    every = evaluation.found["probability"].sum(0, dtype=np.int64)
    shown = [1] if len(every) == 2 else range(len(every))
    curves = {k: ranking.roc(every[k]) for k in shown}
    points = {
        k: (result.classes["sensitivity"][k], result.classes["specificity"][k])
        for k in shown
    }
    areas = {k: result.classes["auc"][k] for k in shown}
    title = f"{evaluation.split}, {len(evaluation.per_image)} images"
    measure_plots.reliability(
        calibration.reliability(sure),
        {k: calibration.reliability(every[k]) for k in shown},
        result.summary["ece"],
        info,
        folder / "reliability.png",
        title,
    )
    measure_plots.roc(curves, points, areas, info, folder / "roc.png", title)
    measure_plots.risk_coverage(
        *calibration.risk_coverage(sure),
        result.summary["aurc"],
        folder / "risk_coverage.png",
        title,
    )


def draw(
    folder: Path,
    evaluation: Evaluation,
    source: Source,
    info: DatasetInfo,
    *,
    predict: PredictFn,
    variables: Any,
    host_ops: Sequence[Any],
    rows: int,
    by_video: bool = False,
) -> None:
    """Pictures of an evaluation: `panel`, `best` and `worst`.

    Images are predicted again, on this process alone; `rows` of them a picture. With
    `by_video` so are the other frames of their videos.
    """
    miou = evaluation.image_miou()
    ranked = np.argsort(np.nan_to_num(miou, nan=2.0), kind="stable")
    ranked = ranked[np.isfinite(miou[ranked])]
    rows = min(rows, len(source))
    spread = np.linspace(0, len(source) - 1, rows).round().astype(int)
    chosen = {
        "panel": spread,
        "worst": ranked[:rows],
        "best": ranked[::-1][:rows],
    }
    wanted = sorted({int(i) for indices in chosen.values() for i in indices})
    needed = wanted
    if by_video:
        whole = [v for v in videos(source).values() if set(v) & set(wanted)]
        needed = [i for indices in whole for i in indices]
    examples = (prepare(source[i], host_ops) for i in needed)
    predicted = predict(variables, examples)
    found = {p.index: p.ids for p in predicted if p.index in wanted}
    for name, indices in chosen.items():
        if len(indices):
            table = [_row(source, int(i), found, miou) for i in indices]
            panel.panel(table, info, folder / f"{name}.png")


def _group(source: Source, i: int) -> str:
    """What example `i` is of: its city, patient or clip, or its video."""
    found = source.info.group_of(source.name(i))
    videos = getattr(source, "videos", ())
    return found or (videos[i] if videos else "")


def _measures(evaluation: Evaluation) -> dict[str, Any]:
    """`measures`: settings, scores and sums of each; nothing if none is asked for."""
    if not evaluation.measures:
        return {}
    integers, found = _integers(evaluation), {}
    for name, measure in evaluation.measures.items():
        result = evaluation.results[name]
        own = measure.layout(evaluation.per_image.shape[-1])
        found[name] = {
            "words": measures.words(name, measure),
            "summary": result.summary,
            "classes": result.classes,
            "notes": result.notes,
            "sums": {
                k: integers[k].sum(0, dtype=np.int64) for k in own if k in integers
            },
        }
    return {"measures": found}


def _integers(evaluation: Evaluation) -> dict[str, np.ndarray]:
    """The integers that measures found in each image, which can be resampled."""
    return {k: v for k, v in evaluation.found.items() if v.dtype == np.int32}


def _per_image(evaluation: Evaluation) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for measure in evaluation.measures.values():
        found |= measure.per_image(evaluation.found)
    return found


def _row(source: Source, i: int, ids, miou) -> panel.Row:
    example = source[i]
    image = panel.still(example[IMAGE])
    label = panel.last(example[LABEL])
    return panel.Row(source.name(i), image, label, ids[i], miou[i])
