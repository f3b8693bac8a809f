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
from segjax.metrics import scores
from segjax.predict.whole import PredictFn, prepare
from segjax.report import panel
from segjax.report.files import plain, write_json, write_text


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
    """
    counts = evaluation.counts
    per_class = {
        "iou": scores.iou(counts),
        "dice": scores.dice(counts),
        "precision": scores.precision(counts),
        "recall": scores.recall(counts),
    }
    share = counts.sum(1) / max(1, counts.sum())
    write_json(
        folder / f"{evaluation.split}.json",
        {
            "split": evaluation.split,
            "step": evaluation.step,
            "run_id": run_id,
            "dataset": info.name,
            "fingerprint": source.fingerprint(),
            "class_digest": info.digest(),
            "num_images": len(evaluation.per_image),
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
        },
    )
    lines = [
        json.dumps(
            plain(
                {
                    "name": source.name(i),
                    "index": i,
                    "miou": miou,
                    "pixel_accuracy": np.trace(c) / c.sum() if c.sum() else np.nan,
                    "counts": c,
                }
            )
        )
        for i, (c, miou) in enumerate(
            zip(evaluation.per_image, evaluation.image_miou(), strict=True)
        )
    ]
    write_text(folder / f"{evaluation.split}_images.jsonl", "\n".join(lines) + "\n")


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


def _row(source: Source, i: int, ids, miou) -> panel.Row:
    example = source[i]
    image = panel.still(example[IMAGE])
    label = panel.last(example[LABEL])
    return panel.Row(source.name(i), image, label, ids[i], miou[i])
