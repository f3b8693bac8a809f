"""Run folders, studies and baselines as files, without any training."""

import json

import numpy as np

from segjax.core.info import DatasetInfo
from segjax.report import record
from segjax.report.files import write_json, write_text
from segjax.report.metrics_log import MetricsLog

INFO = DatasetInfo(
    "toy",
    ("sky", "road", "never"),
    ((70, 130, 180), (128, 64, 128), (0, 0, 0)),
    note="Two people agree by 0.9.",
)
CONFIG = {
    "seed": 0,
    "task": "multiclass",
    "data": {"name": "toy", "root": "/somewhere"},
    "model": {"name": "unet", "width": 4},
    "train": {"num_steps": 4},
}


class Split:
    """What a record asks of a source."""

    def __init__(self, number, text):
        self.number, self.text = number, text

    def __len__(self):
        return self.number

    def fingerprint(self):
        return self.text


def counts(right, number=8, total=100, spread=3):
    """`(N, 3, 3)`: of the sky and the road `right` pixels of `total` are found."""
    rng = np.random.default_rng(0)
    made = np.zeros((number, 3, 3), np.int64)
    for image in made:
        for k in (0, 1):
            found = int(np.clip(right + rng.integers(-spread, spread + 1), 0, total))
            image[k] = [0, 0, 0]
            image[k, k], image[k, 1 - k] = found, total - found
    return made


def evaluation(
    folder, each, *, split="val", convention="union", groups=None, info=INFO, **more
):
    """`evaluation/SPLIT.json` and the rows of its images."""
    whole = each.sum(0)
    write_json(
        folder / "evaluation" / f"{split}.json",
        {
            "split": split,
            "step": 4,
            "num_images": len(each),
            "convention": convention,
            "convention_sentence": "mean over classes",
            "summary": {"miou": 0.5},
            "classes": [{"name": n, "share": 0.5} for n in info.class_names],
            "counts": whole,
            **more,
        },
    )
    rows = [
        {"name": f"image {i}", "index": i, "miou": 0.5, "counts": c.tolist()}
        | ({"group": groups[i]} if groups else {})
        for i, c in enumerate(each)
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    write_text(folder / "evaluation" / f"{split}_images.jsonl", text)


def run(
    folder,
    right=80,
    *,
    seed=0,
    model=None,
    finished=True,
    files="f" * 64,
    info=INFO,
    each=None,
    scored=True,
    energy=None,
    **evaluation_changes,
):
    """A run folder whose network finds `right` of 100 pixels of each class."""
    each = counts(right + seed) if each is None else each
    config = {**CONFIG, "seed": seed, "model": {**CONFIG["model"], **(model or {})}}
    sources = {"train": Split(20, "t" * 64), "val": Split(len(each), files)}
    record.write(
        folder,
        config=config,
        argv=["launch.py", f"--config.seed={seed}"],
        devices=["cpu"],
        seeds={"seed": seed},
        dataset=record.dataset_entry(info, sources),
        facts={
            "parameters": 1000 * config["model"]["width"],
            "gmac": {"gmac": 0.25, "size": [16, 24]},
        },
    )
    with MetricsLog(folder / "metrics.jsonl") as log:
        for step in (2, 4):
            log.write(step, "val", miou=0.1 * step, loss=1 / step)
    with MetricsLog(folder / "timing.jsonl") as log:
        for step, seconds in ((2, 9.0), (4, 2.0)):
            log.write(step, "val", seconds=seconds)
    if finished:
        facts = {"energy": energy} if energy else {}
        record.finish(folder, 0, "done", 61.0, 500.0, **facts)
    if scored:
        evaluation(folder, each, info=info, **evaluation_changes)
    return folder


def study(folder, arms, seeds=(0, 1, 2)):
    """A study of `arms`, name -> (right, model); every point is trained."""
    points = []
    for name, (right, model) in arms.items():
        for seed in seeds:
            index = len(points)
            point = f"points/{index:03}_{name}_seed{seed}"
            run(folder / point, right, seed=seed, model=model)
            points.append(
                {
                    "index": index,
                    "arm": name,
                    "seed": seed,
                    "overrides": {},
                    "folder": point,
                }
            )
    whole = {"format": "segjax study 1", "name": folder.name, "points": points}
    write_json(folder / "study.json", {**whole, "question": "Which?", "base": CONFIG})
    return folder


def baseline(folder, right=50, name="otsu", kind="baseline"):
    """A baseline's folder."""
    each = counts(right)
    dataset = record.dataset_entry(INFO, {"val": Split(len(each), "f" * 64)})
    end = {"exit_code": 0, "end": "now", "fit_seconds": 1.5, "predict_seconds": 2.0}
    facts = {"kind": kind, "name": name, "dataset": dataset, "attempts": [end]}
    write_json(folder / "record.json", facts)
    evaluation(folder, each)
    return folder
