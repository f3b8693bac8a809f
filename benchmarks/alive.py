"""Does every model learn? Train each on the streets for a few hundred steps.

    python benchmarks/alive.py --out runs/alive
    python benchmarks/alive.py --models unet segnet --steps 300 --jobs 2

Every entry of `MODELS` runs in a slim form (`FORMS`), from scratch, with one recipe and
one seed: 96x128, batch 4, AdamW 3e-3 with a cosine, cross-entropy with class weights.
It is alive if its validation mIoU is above `ALIVE`, and above twice what the best
constant answer has. The table is no ranking: the forms differ in size, and the recipe
was chosen for none of them.
"""

import argparse
import concurrent.futures
import json
import pathlib
import subprocess
import sys
import time

import numpy as np

ALIVE = 0.25
"""Validation mIoU over 11 classes that a model must reach."""

SIZE = (96, 128)
FORMS: dict[str, dict] = {
    "backbone_unet": dict(
        backbone="resnet18", backbone_width=0.25, decoder_widths=(64, 32, 16, 16, 8)
    ),
    "backbone_unet_plus_plus": dict(
        backbone="resnet18", backbone_width=0.25, decoder_widths=(32, 24, 16, 8, 8)
    ),
    "convlstm_unet": dict(width=8, depth=3, frames=3),
    "deeplab_largefov": dict(
        backbone="vgg11", backbone_width=0.25, features=64, rate=4
    ),
    "deeplab_v2": dict(backbone="resnet18", backbone_width=0.25, rates=(1, 2, 4, 6)),
    "deeplab_v3": dict(backbone="resnet18", backbone_width=0.25, features=32),
    "deeplab_v3plus": dict(
        backbone="resnet18", backbone_width=0.25, features=32, low_features=16
    ),
    "enet": dict(width=32, sections=1, dropouts=(0.0, 0.0)),
    "fc_densenet": dict(growth=6, layers=(2, 3, 4, 4, 4, 3, 2), first=16),
    "fcn": dict(
        backbone="vgg11", backbone_width=0.25, fc_width=64, dropout=0.1, norm="batch"
    ),
    "fcn_resnet": dict(backbone="resnet18", backbone_width=0.25),
    "hrnet": dict(width=8, units=(1, 1, 1), blocks=2, stem=16),
    "icnet": dict(width=16, blocks=(2, 2, 2, 2), features=32),
    "linknet": dict(backbone_width=0.25),
    "mobile_unet": dict(backbone_width=0.35, decoder_widths=(64, 32, 16, 16)),
    "mobilenet_segnet": dict(backbone_width=0.35, widths=(64, 48, 32, 24)),
    "pspnet": dict(backbone="resnet18", backbone_width=0.25, features=32),
    "r2unet": dict(width=8, depth=3),
    "recurrent": dict(model_options=dict(width=8, depth=3), width=8, frames=3),
    "segformer": dict(backbone_width=0.5, width=64),
    "segnet": dict(widths=(16, 24, 32, 48), convolutions=(2, 2, 2, 2)),
    "segnet_basic": dict(width=12),
    "ternausnet": dict(backbone_width=0.25, width=8),
    "unet": dict(width=12, depth=4),
    "unet_plus_plus": dict(width=8),
    "valid_unet": dict(width=12, depth=3, dropout=0.1, size=(188, 220)),
    "xception_unet": dict(width=16, skips=True),
}
"""Model -> the arguments of its slim form."""


def settings(name: str, steps: int) -> dict:
    """The config of one run."""
    model = dict(FORMS[name])
    frames = model.pop("frames", 1)
    height, width = model.pop("size", SIZE)
    return dict(
        seed=0,
        data=dict(
            name="streets",
            size=(height, width),
            num_train=128,
            num_val=32,
            frames=frames,
        ),
        input=dict(
            train_ops=f"crop({height}, {width}) | flip_lr() "
            "| color_jitter(0.2, 0.2, 0.2) | normalize()",
            batch_size=4,
            threads=2,
        ),
        model=dict(name=name, **model),
        loss=dict(
            cross_entropy=dict(class_weights="median_frequency(clip=5, power=0.5)")
        ),
        optim=dict(
            name="adamw",
            learning_rate=3e-3,
            schedule="cosine",
            warmup_steps=30,
            weight_decay=1e-3,
            clip_norm=5.0,
        ),
        train=dict(num_steps=steps, log_every=50, eval_every=steps, save_every=steps),
        evaluate=dict(batch_size=4),
    )


def train(name: str, steps: int, folder: pathlib.Path) -> None:
    """One run, in this process."""
    from segjax import run

    run.train(
        settings(name, steps),
        workdir=folder / name,
        cluster=(None, None, None),
        argv=sys.argv,
    )


def measure(name: str, steps: int, folder: pathlib.Path) -> dict:
    """One run in a process of its own, and what came of it."""
    begin = time.monotonic()
    command = [sys.executable, __file__, "--train", name, "--steps", str(steps)]
    done = subprocess.run(
        [*command, "--out", str(folder)], capture_output=True, text=True
    )
    row = {"model": name, "seconds": round(time.monotonic() - begin)}
    if done.returncode:
        return row | {"error": done.stderr.strip().splitlines()[-1:]}
    found = json.loads((folder / name / "evaluation" / "val.json").read_text())
    written = json.loads((folder / name / "record.json").read_text())
    counts = np.array(found["counts"])
    return row | {
        "miou": found["summary"]["miou"],
        "pixel_accuracy": found["summary"]["pixel_accuracy"],
        "constant": _constant(counts),
        "parameters": written["attempts"][-1]["parameters"],
    }


def _constant(counts: np.ndarray) -> float:
    """mIoU of the best answer that is one class everywhere."""
    share = counts.sum(1) / counts.sum()
    return float(share.max() / (share > 0).sum())


def alive(row: dict) -> bool:
    """Whether a run learnt."""
    return row.get("miou", 0) > max(ALIVE, 2 * row.get("constant", 1))


def main() -> int:
    """Run them all; returns 1 if one is dead."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", metavar="NAME")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=1, help="runs at once")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/alive"))
    parser.add_argument("--train", metavar="NAME", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.train:
        train(args.train, args.steps, args.out)
        return 0
    args.out.mkdir(parents=True, exist_ok=True)
    path, rows = args.out / "alive.json", {}
    if path.exists():  # a run that was stopped goes on
        rows = {row["model"]: row for row in json.loads(path.read_text())}
    wanted = [n for n in args.models or FORMS if n not in rows or args.models]
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for row in pool.map(lambda n: measure(n, args.steps, args.out), wanted):
            rows[row["model"]] = row
            path.write_text(json.dumps(list(rows.values()), indent=1))
            print(row, flush=True)
    print("\n| model | parameters | mIoU | pixel accuracy | seconds |")
    print("|---|---:|---:|---:|---:|")
    for row in sorted(rows.values(), key=lambda r: r["model"]):
        if "miou" not in row:
            print(f"| {row['model']} | failed: {row['error']} |")
            continue
        print(
            f"| {row['model']} | {row['parameters']:,} | {row['miou']:.3f} "
            f"| {row['pixel_accuracy']:.3f} | {row['seconds']} |"
        )
    return 0 if all(map(alive, rows.values())) else 1


if __name__ == "__main__":
    sys.exit(main())
