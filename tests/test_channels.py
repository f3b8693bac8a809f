"""Images of other channels and depths through training, scores and prediction."""

import contextlib
import io
import json

import cv2
import jax
import numpy as np
import pytest
import tifffile
from PIL import Image

from segjax import checkpoint, optim, parallel, parts, run
from segjax.checkpoint import compare
from segjax.cli import main
from segjax.core.errors import UserError
from segjax.report import record
from segjax.train import init

SIZE = 24, 32
KINDS = {  # name -> channels, depth, suffix
    "grey": (1, "uint16", "png"),
    "bands": (5, "uint16", "npy"),
    "heights": (1, "float32", "tif"),
}


def drawn(root, channels, depth, suffix):
    """A disc of high numbers in noise of low ones; floats are in hundreds."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    for i in range(6):
        mask = (y - rng.integers(6, 18)) ** 2 + (x - rng.integers(6, 26)) ** 2 < 40
        image = rng.normal(100, 20, (*SIZE, channels)) + 300 * mask[..., None]
        image = (image * (8 if depth == "uint16" else 1)).clip(0).astype(depth)
        save(root / "images" / f"{i}.{suffix}", image)
        Image.fromarray(mask.astype(np.uint8)).save(root / "masks" / f"{i}.png")
    return str(root)


def save(path, image):
    if path.suffix == ".npy":
        np.save(path, image)
    elif path.suffix == ".tif":
        tifffile.imwrite(path, image[..., 0])
    else:
        cv2.imwrite(str(path), image[..., 0])


def settings(root, channels, depth, **data):
    return dict(
        seed=1,
        data=dict(
            name="folder",
            root=root,
            classes=("ground", "disc"),
            val_share=0.34,
            channels=channels,
            depth=depth,
            **data,
        ),
        input=dict(
            train_ops="affine(p=1) | crop(16, 16) | cutmix() | normalize('data')",
            eval_ops="normalize('data')",
            batch_size=8,
            threads=1,
        ),
        model=dict(name="unet", width=2, depth=1),
        loss=dict(cross_entropy=dict()),
        optim=dict(name="adamw", learning_rate=1e-2, schedule="constant"),
        train=dict(num_steps=2, log_every=1, eval_every=2, save_every=2),
        evaluate=dict(pictures=1),
    )


def quietly(function, *args, **kwargs):
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        return function(*args, **kwargs), said.getvalue()


def train(workdir, config):
    cluster = (None, None, None)
    return quietly(run.train, config, workdir=workdir, cluster=cluster, argv=["x"])


@pytest.fixture(scope="module", params=KINDS)
def made(request, tmp_path_factory):
    """`(channels, depth, folder of the data, folder of the run)` of a trained run."""
    channels, depth, suffix = KINDS[request.param]
    place = tmp_path_factory.mktemp(request.param)
    root = drawn(place / "data", channels, depth, suffix)
    (code, said) = train(place / "run", settings(root, channels, depth))
    assert code == 0, said
    return channels, depth, place / "data", place / "run"


def test_the_run_keeps_what_it_learnt_from(made):
    channels, depth, _, workdir = made
    weights = checkpoint.read_weights(workdir)
    assert weights.meta["pixels"] == {"channels": channels, "depth": depth}
    shapes = [leaf.shape for leaf in jax.tree.leaves(weights.variables["params"])]
    assert (3, 3, channels, 2) in shapes
    numbers = weights.meta["normalize"]
    assert len(numbers["mean"]) == len(numbers["std"]) == channels
    assert record.read(workdir)["attempts"][-1]["normalize"] == numbers
    assert record.pixels(workdir).depth == depth


def test_the_numbers_are_those_of_numpy(made):
    channels, depth, data, workdir = made
    numbers = checkpoint.read_weights(workdir).meta["normalize"]
    names = [
        json.loads(line)["name"]
        for line in (workdir / "evaluation" / "val_images.jsonl")
        .read_text()
        .splitlines()
    ]
    arrays = []
    for path in sorted((data / "images").iterdir()):
        if path.stem not in names:  # those of training
            array = {
                ".npy": np.load,
                ".tif": tifffile.imread,
                ".png": lambda p: np.asarray(Image.open(p)),
            }[path.suffix](path)
            arrays.append(array.reshape(-1, channels).astype(np.float64))
    pixels = np.concatenate(arrays) / {"uint16": 65535, "float32": 1}[depth]
    np.testing.assert_allclose(numbers["mean"], pixels.mean(0), rtol=1e-12)
    np.testing.assert_allclose(numbers["std"], pixels.std(0), rtol=1e-12)


def test_evaluation_gives_the_numbers_of_training(made):
    *_, workdir = made
    before = json.loads((workdir / "evaluation" / "val.json").read_text())
    code, said = quietly(main, ["evaluate", str(workdir), "--json"])
    assert code == 0, said
    after = json.loads((workdir / "evaluation" / "val.json").read_text())
    assert after["counts"] == before["counts"]
    assert (workdir / "pictures" / "panel.png").is_file()
    assert (workdir / "pictures" / "augmented.png").is_file()


def test_prediction_reads_files_as_the_run_did(made, tmp_path):
    channels, _, data, workdir = made
    inputs = data / "images"
    words = ["predict", str(workdir), str(inputs), "--out", str(tmp_path), "--json"]
    code, said = quietly(main, words)
    assert code == 0, said
    assert len(list(tmp_path.glob("*_ids.png"))) == 6
    overlay = np.asarray(Image.open(tmp_path / "0_overlay.png"))
    assert overlay.shape == (*SIZE, 3)
    assert overlay.std() > 20  # stretched: the numbers themselves would be near black
    Image.new("RGB", (8, 8)).save(tmp_path / "rgb.png")
    words = ["predict", str(workdir), str(tmp_path / "rgb.png")]
    code, said = quietly(main, [*words, "--out", str(tmp_path / "out")])
    assert code == 2
    assert f"config.data declares {channels} channel" in said


def test_the_audit_finds_nothing_to_correct(made, tmp_path):
    channels, depth, data, _ = made
    words = ["inspect", "data", "--dataset", "folder", "--root", str(data)]
    options = [f"channels={channels}", f"depth='{depth}'", "classes=('ground', 'disc')"]
    for option in options:
        words += ["--option", option]
    code, said = quietly(main, [*words, "--out", str(tmp_path)])
    assert code == 0, said
    found = json.loads((tmp_path / "audit.json").read_text())
    kinds = {f["kind"] for f in found["findings"] if f["verdict"] != "note"}
    assert not kinds & {"image_mode", "wrong_suffix", "damaged", "not_a_picture"}, kinds
    code, said = quietly(main, ["inspect", *words[2:], "--ops", "--out", str(tmp_path)])
    assert code == 0, said
    assert (tmp_path / "train_ops.png").is_file()


def test_a_run_is_not_resumed_on_other_pixels(made):
    channels, depth, data, workdir = made
    with pytest.raises(UserError, match=r"data\.channels"):
        train(workdir, settings(str(data), channels + 1, depth))


def test_weights_of_other_channels_are_refused_by_name(made):
    channels, _, _, workdir = made
    loaded, _, _ = parts.load(workdir)
    tx, _ = optim.make(num_steps=2, **loaded.config.optim)
    mesh = parallel.make_mesh()
    rgb = init.make_state(loaded.model, tx, seed=0, mesh=mesh, channels=3)
    wrong = rf"is float32\[3,3,{channels},2\], the model has float32\[3,3,3,2\]"
    with pytest.raises(UserError, match=wrong):
        checkpoint.init_from(workdir, rgb)


@pytest.mark.parametrize(
    ("saved", "wanted", "right"),
    [
        ({}, {"channels": 3, "depth": "uint8"}, True),
        ({}, {"channels": 1, "depth": "uint8"}, False),
        ({}, {"channels": 3, "depth": "uint16"}, False),
        ({"pixels": {"channels": 1, "depth": "uint8"}}, {"channels": 3}, False),
    ],
)
def test_a_checkpoint_without_pixels_is_of_8_bit_rgb(saved, wanted, right):
    found = compare.meta_problems("at", saved, {"pixels": wanted})
    assert right == (not found)
    assert not compare.meta_problems("at", saved, {})  # one side alone
