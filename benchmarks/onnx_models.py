"""Which models become ONNX models, and how far off those are.

    python -m benchmarks.onnx_models
    python -m benchmarks.onnx_models --models=unet,segformer --side=128
    python -m benchmarks.onnx_models --file=roads.segjax --pictures=DIR

Every entry of `MODELS` at its default size, 11 classes, with random weights, goes the
way of `segjax export --onnx`: the StableHLO program of the exported model is what
onnxruntime is compared with, on a picture of the smallest legal size from `--side` on.
A model with a memory has a row more, for a frame of a video. Each model has a process
of its own. The table is Markdown.

With `--file` an exported model is compared with the `.onnx` file beside it on real
pictures: the whole way from a picture to classes, the network alone by onnxruntime.
"""

import multiprocessing
import pathlib
import tempfile

from absl import app, flags

MODELS_ = flags.DEFINE_list("models", [], "Which; all where none is named.")
SIDE = flags.DEFINE_integer("side", 224, "Least pixels of a side.")
"""Wide enough that no dilated kernel of a default model becomes 1x1."""

FILE = flags.DEFINE_string("file", None, "An exported model with --onnx.")
PICTURES = flags.DEFINE_string("pictures", None, "A folder of its pictures.")

HEAD = ("model", "parameters", "ONNX", "error", "pixels off", "other classes", "MB")


def main(_: list[str]) -> None:
    """Print a table, or what the pictures gave."""
    if FILE.value:
        print(on_pictures(pathlib.Path(FILE.value), pathlib.Path(PICTURES.value)))
        return
    from segjax.models import MODELS

    print(f"| {' | '.join(HEAD)} |\n|---|---:|---|---:|---:|---:|---:|", flush=True)
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
            return [[name, count, f"refused: {error}", "", "", "", ""]]
        for one in converted:
            video = "" if one.path == path else ", a frame of a video"
            megabytes = f"{one.path.stat().st_size / 1e6:.0f}"
            off = f"{one.flipped} of {side * side}"
            numbers = f"{one.error:.1e}", f"{one.off:.1%}", off, megabytes
            found.append([f"{name}{video}", count, "yes", *numbers])
    return found


def on_pictures(file: pathlib.Path, folder: pathlib.Path) -> str:
    """How many pixels of pictures are of another class by onnxruntime."""
    import jax
    import numpy as np
    import onnxruntime

    from segjax.serve import load, onnx_model
    from segjax.serve.network import Exported
    from segjax.serve.standalone import read_image

    model = load.load(file)
    about, size = model.about, onnx_model.largest(model.about)
    path = file.with_suffix(onnx_model.SUFFIX)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    if session.get_modelmeta().custom_metadata_map["of"] != model.sha256:
        raise SystemExit(f"{path}: is of another file")
    channels = 1 if about.task == "binary" else about.info.num_classes
    covered = [n - 2 * about.margin for n in size]

    class Onnx(Exported):
        """The network by onnxruntime."""

        def apply(self, variables, images, **_):
            shape = images.shape[0], *covered, channels
            return jax.pure_callback(
                lambda x: session.run(["logits"], {"image": np.asarray(x)})[0],
                jax.ShapeDtypeStruct(shape, np.float32),
                images,
            )

    window = model.protocol(f"buckets({size})")
    ours = load.predictor(model.network, about, protocol=window).predict()
    theirs = load.predictor(Onnx(about, {}), about, protocol=window).predict()
    pictures, pixels, differ = sorted(folder.iterdir()), 0, 0
    for picture in pictures:
        example = model.example(read_image(picture, model.info.pixels))
        a, b = (next(f(model.variables, [example])).ids for f in (ours, theirs))
        pixels, differ = pixels + a.size, differ + np.count_nonzero(a != b)
    return (
        f"{path.name}: {differ} of {pixels:,} pixels of {len(pictures)} pictures are "
        f"of another class by onnxruntime, in windows of {size[0]}x{size[1]}"
    )


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
