"""Tiny runs with random weights, and the files that they are exported to."""

from pathlib import Path

import jax

from segjax import checkpoint, config, optim, parallel, parts
from segjax.cli import main
from segjax.data import datasets
from segjax.report import record
from segjax.train import init

IMAGES = {
    "data": {"name": "streets", "size": (40, 56), "num_train": 40, "num_val": 8},
    "input": {
        "train_ops": "crop(32, 32) | flip_lr() | normalize()",
        "eval_ops": "rescale(0.5) | normalize()",
        "threads": 2,
    },
    "model": {"name": "unet", "width": 2, "depth": 2},
    "loss": {"cross_entropy": {}},
    "optim": {"name": "adamw", "learning_rate": 0.1},
    "train": {"num_steps": 3},
    "evaluate": {"batch_size": 4},
}

CLIPS = {
    **IMAGES,
    "data": {
        "name": "streets",
        "size": (24, 32),
        "num_train": 6,
        "num_val": 6,
        "frames": 3,
    },
    "input": {
        "train_ops": "crop(16, 16) | normalize()",
        "eval_ops": "normalize()",
        "threads": 1,
    },
    "model": {"name": "convlstm_unet", "width": 4, "depth": 1},
}

SIZES = "24x32,32x24"
"""Behind the op, 20x28 is padded to 20x28: these hold it, and what is larger slides."""


def run(folder: Path, settings: dict, seed: int = 12) -> Path:
    """A run folder of a network that has learnt nothing, its statistics drawn."""
    checked = config.resolve(settings)
    val = datasets.make(split="val", **checked.data)
    made = parts.make(checked, val.info)
    tx, _ = optim.make(num_steps=3, **checked.optim)
    state = init.make_state(made.model, tx, seed=seed, mesh=parallel.make_mesh())
    keys = iter(jax.random.split(jax.random.key(seed), 1000))
    # spread about, so that every class is the answer somewhere
    drawn = jax.tree.map(
        lambda x: x + 0.2 * jax.random.normal(next(keys), x.shape), state.params
    )
    state = state.replace(params=jax.device_put(drawn, state.step.sharding))
    with checkpoint.Checkpoints(folder / "checkpoints") as checkpoints:
        checkpoints.save(3, state, {"miou": 0.1}, made.meta)
    train = datasets.make(split="train", **checked.data)
    record.write(
        folder,
        config=checked.plain,
        argv=["test", "--api-key=hush"],
        devices=["cpu:0 cpu"],
        seeds={"seed": 0},
        dataset=record.dataset_entry(val.info, {"train": train, "val": val}),
    )
    return folder


def exported(folder: Path, *words: str, name: str = "model.segjax") -> Path:
    """The file of a run; with further words of the command."""
    out = folder / name
    assert main(["export", str(folder), "--out", str(out), *words]) == 0
    return out
