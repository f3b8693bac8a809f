"""Which models become ONNX models, and how far off those are.

    python -m benchmarks.onnx_models
    python -m benchmarks.onnx_models --models=unet,segformer --side=128

Every entry of `MODELS` at its default size, 11 classes, with random weights, goes the
way of `segjax export --onnx`: the StableHLO program of the exported model is what
onnxruntime is compared with, on a picture of the smallest legal size from `--side` on.
A model with a memory has a row more, for a frame of a video. Each model has a process
of its own. The table is Markdown.
"""

import multiprocessing
import pathlib
import tempfile

from absl import app, flags

MODELS_ = flags.DEFINE_list("models", [], "Which; all where none is named.")
SIDE = flags.DEFINE_integer("side", 224, "Least pixels of a side.")
"""Wide enough that no dilated kernel of a default model becomes 1x1."""

HEAD = ("model", "parameters", "ONNX", "error of logits", "other classes", "MB")


def main(_: list[str]) -> None:
    """Print a table."""
    from segjax.models import MODELS

    print(f"| {' | '.join(HEAD)} |\n|---|---:|---|---:|---:|---:|", flush=True)
    clean = multiprocessing.get_context("spawn")
    for name in MODELS_.value or MODELS:
        with clean.Pool(1) as pool:
            for row in pool.apply(rows, (name, SIDE.value)):
                print(f"| {' | '.join(row)} |", flush=True)


def rows(name: str, side: int) -> list[list[str]]:
    """The rows of a model: its ONNX models, or why there are none."""
    from segjax import config, parts
    from segjax.core.errors import UserError
    from segjax.data import datasets
    from segjax.models import MODELS
    from segjax.serve import export, onnx_model

    side = MODELS[name](num_outputs=1).input_side(side)
    size = side, side
    settings = {
        "data": {"name": "streets", "size": size},
        "input": {"train_ops": f"crop({side}, {side}) | normalize()"},
        "model": {"name": name},
        "loss": {"cross_entropy": {}},
        "optim": {"name": "adamw", "learning_rate": 1e-3},
        "train": {"num_steps": 1},
    }
    checked = config.resolve(settings)
    made = parts.make(checked, datasets.make(split="val", **checked.data).info)
    variables = drawn(made.model, size)
    exported = export.make(made, variables, title=name, sizes=[size], platforms=["cpu"])
    count = f"{exported.about.parameters:,}"
    found = []
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / f"{name}.onnx"
        try:
            converted = onnx_model.write(exported, made, variables, path, {})
        except UserError as error:
            return [[name, count, f"refused: {error}", "", "", ""]]
        for one in converted:
            video = "" if one.path == path else ", a frame of a video"
            megabytes = f"{one.path.stat().st_size / 1e6:.0f}"
            off = f"{one.flipped} of {side * side}"
            error = f"{one.error:.1e}"
            found.append([f"{name}{video}", count, "yes", error, off, megabytes])
    return found


def drawn(model, size: tuple[int, int]) -> dict:
    """Random numbers in the shapes of the model's own: to initialise is to compile."""
    import jax
    import numpy as np

    images = jax.ShapeDtypeStruct((1, *size, 3), np.float32)
    shapes = jax.eval_shape(model.init, jax.random.key(0), images)
    rng = np.random.default_rng(0)

    def draw(path, leaf):
        last = path[-1].key
        if last == "var":
            return rng.uniform(0.5, 1.5, leaf.shape).astype(leaf.dtype)
        noise = rng.standard_normal(leaf.shape, np.float32)
        if leaf.ndim < 2:
            return (last == "scale") + np.float32(0.1) * noise
        return noise * np.float32((2 / np.prod(leaf.shape[:-1])) ** 0.5)

    return dict(jax.tree_util.tree_map_with_path(draw, shapes))


if __name__ == "__main__":
    app.run(main)
