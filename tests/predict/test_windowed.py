"""Windows and tiles against plain loops, for images of any size, on any devices."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax import parallel
from segjax.core.keys import IGNORE, IMAGE, INDEX, LABEL
from segjax.models import MODELS
from segjax.models.segmenter import Segmenter
from segjax.predict import canvas, path, pieces
from segjax.predict.decide import make_judge
from segjax.predict.protocol import parse
from segjax.train import compiled

K = 3
SIZES = [(33, 50), (16, 24), (5, 9), (40, 24), (16, 61), (1, 1)]
"""Larger than a window, a window, smaller than one, larger on one side."""


class Net(Segmenter):
    """Takes sides that divide by 4; every output pixel sees its surroundings."""

    stride = 4
    outputs: int = K

    @nn.compact
    def __call__(self, x, train: bool = False):
        assert x.shape[1] % 4 == x.shape[2] % 4 == 0
        y = nn.silu(nn.Conv(6, (4, 4), strides=4)(x))
        y = jnp.repeat(jnp.repeat(y, 4, 1), 4, 2)
        return nn.Conv(self.outputs, (3, 3))(jnp.concatenate([x, y], -1))


def normalize(images):
    return images / 255.0 - 0.5


@pytest.fixture(scope="module")
def variables():
    made = jax.jit(lambda: Net().init(jax.random.key(1), jnp.zeros((1, 4, 4, 3))))()
    return jax.device_put(made, parallel.replicated(parallel.make_mesh()))


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    """So that small images have many, and blocks that no piece ends with."""
    monkeypatch.setattr(pieces, "PIECE", (7, 10))
    monkeypatch.setattr(canvas, "BLOCK", 6)


def example(size, i=0, label_size=None, frames=()):
    rng = np.random.default_rng(i)
    label = rng.integers(0, K, label_size or size).astype(np.uint8)
    label[rng.random(label.shape) < 0.2] = IGNORE
    image = rng.integers(0, 256, (*frames, *size, 3)).astype(np.uint8)
    return {IMAGE: image, LABEL: label, INDEX: np.int64(i)}


def logits_of(model, variables, protocol, given, monkeypatch):
    """The logits that the judge gets, put together from its pieces; and the result."""
    heard = []

    def judge(logits, labels):
        said = make_judge("multiclass", K)(logits, labels)
        return said._replace(sums={**said.sums, "logits": logits})

    kept = pieces.Pieces.put

    def put(self, piece, said):
        heard.append((piece.place, said.sums.pop("logits")))
        kept(self, piece, said)

    mesh = parallel.make_mesh(jax.devices()[:1])
    with monkeypatch.context() as patched:
        patched.setattr(pieces.Pieces, "put", put)
        patched.setattr(parallel, "local_mesh", lambda: mesh)
        predict = path.make(
            model,
            parse(protocol),
            normalize=normalize,
            judge=judge,
            batch_size=3,
            task="multiclass",
        )
        (found,) = predict(variables, [given])
    out = np.full((*given[LABEL].shape[-2:], K), np.nan, np.float32)
    for (rows, columns), logits in heard:
        height, width = rows.stop - rows.start, columns.stop - columns.start
        out[rows, columns] = logits[:height, :width]
    assert not np.isnan(out).any()
    return out, found


def by_hand(variables, image, side, overlap, weights):
    """MMSegmentation's `slide_inference` as a plain loop, in float64."""
    h, w = image.shape[:2]
    height, width = side
    behind = [(0, max(0, height - h)), (0, max(0, width - w)), (0, 0)]
    image = np.pad(image, behind, mode="symmetric")
    tall, wide = image.shape[:2]
    steps = [round(n * (1 - overlap)) for n in side]
    grids = [
        max(n - crop + step - 1, 0) // step + 1
        for n, crop, step in zip((tall, wide), side, steps, strict=True)
    ]
    sums, total = np.zeros((tall, wide, K)), np.zeros((tall, wide, 1))
    if weights == "uniform":
        weight = np.ones(side)
    else:
        y, x = (np.arange(n) - (n - 1) / 2 for n in side)
        weight = np.exp(-32 * (y[:, None] / height) ** 2 - 32 * (x / width) ** 2)
        weight = np.maximum(weight, 1e-3)
    for i in range(grids[0]):
        for j in range(grids[1]):
            y2, x2 = min(i * steps[0] + height, tall), min(j * steps[1] + width, wide)
            y1, x1 = max(y2 - height, 0), max(x2 - width, 0)
            crop = normalize(image[None, y1:y2, x1:x2])
            sums[y1:y2, x1:x2] += weight[..., None] * Net().apply(variables, crop)[0]
            total[y1:y2, x1:x2] += weight[..., None]
    return (sums / total)[:h, :w]


@pytest.mark.parametrize("overlap", [0, 0.3, 0.5])
@pytest.mark.parametrize("weights", ["uniform", "gaussian"])
@pytest.mark.parametrize("size", SIZES[:4])
def test_a_slide_is_a_plain_loop(variables, size, overlap, weights, monkeypatch):
    given = example(size)
    text = f"slide(16, 24, {overlap}, {weights!r})"
    found, prediction = logits_of(Net(), variables, text, given, monkeypatch)
    expected = by_hand(variables, given[IMAGE], (16, 24), overlap, weights)
    np.testing.assert_allclose(found, expected, atol=2e-6)
    np.testing.assert_array_equal(prediction.ids, found.argmax(-1))
    label = given[LABEL]
    pairs = label[label != IGNORE] * K + prediction.ids[label != IGNORE]
    counts = np.bincount(pairs, minlength=K * K).reshape(K, K)
    np.testing.assert_array_equal(prediction.counts, counts)
    assert np.isnan(prediction.loss)


def unet():
    model = MODELS["unet"](num_outputs=K, width=2, depth=2)
    made = jax.jit(model.init)(jax.random.key(0), jnp.zeros((1, 8, 8, 3)))
    return model, made


@pytest.mark.parametrize("margin", [24, 0])
def test_a_tile_is_the_whole_image_where_the_margin_is_wide_enough(margin, monkeypatch):
    model, variables = unet()
    given = example((72, 60))
    whole = jax.jit(model.apply)(variables, jnp.asarray(normalize(given[IMAGE]))[None])[
        0
    ]
    found, _ = logits_of(
        model, variables, f"tile(16, 20, {margin})", given, monkeypatch
    )
    inside = (slice(24, -24), slice(24, -24))
    off = abs(found - np.asarray(whole))[inside].max()
    if margin:
        assert off < 1e-5
    else:
        assert off > 1e-2


def test_tiles_of_an_unpadded_network_are_the_whole_image():
    """Which mirrors what it loses at the borders, as the tiles do."""
    model = MODELS["valid_unet"](num_outputs=K, width=2, depth=1)
    side = model.least_side + 16
    variables = jax.jit(model.init)(jax.random.key(0), jnp.zeros((1, side, side, 3)))
    given = example((50, 38))
    answer = side - 2 * model.margin
    ids = [
        next(
            path.make(
                model,
                parse(text),
                normalize=normalize,
                judge=make_judge("multiclass", K),
                batch_size=8,
                task="multiclass",
            )(variables, [given])
        ).ids
        for text in ("whole()", f"tile({answer}, {answer}, {model.margin})")
    ]
    assert np.mean(ids[0] == ids[1]) > 0.999


PROTOCOLS = (
    "slide(16, 24)",
    "tile(12, 8, margin=4)",
    "slide(16, 24) | flip() | scales(0.5, 1, 1.5)",
    "whole() | flip() | scales(0.5, 1)",
)


def predict_all(monkeypatch, variables, text, devices=1, batch_size=2):
    mesh = parallel.make_mesh(jax.devices()[:devices])
    monkeypatch.setattr(parallel, "local_mesh", lambda: mesh)
    predict = path.make(
        Net(),
        parse(text),
        normalize=normalize,
        judge=make_judge("multiclass", K),
        batch_size=batch_size,
        task="multiclass",
    )
    sizes = SIZES[:3] if "scales" in text else SIZES
    given = [example(size, i) for i, size in enumerate(sizes)]
    return {p.index: p for p in predict(variables, iter(given))}


@pytest.mark.parametrize("text", PROTOCOLS)
def test_devices_and_batches_change_nothing(text, variables, monkeypatch):
    first = predict_all(monkeypatch, variables, text)
    assert sorted(first) == list(range(len(first)))
    for devices, batch_size in ((8, 8), (1, 5)):
        found = predict_all(monkeypatch, variables, text, devices, batch_size)
        for i, prediction in found.items():
            assert prediction.ids.shape == SIZES[i]
            np.testing.assert_array_equal(prediction.ids, first[i].ids)
            np.testing.assert_array_equal(prediction.counts, first[i].counts)


@pytest.mark.parametrize("text", PROTOCOLS[:3])
def test_one_program_serves_all_sizes(text, variables, monkeypatch):
    before = compiled.counts()
    predict_all(monkeypatch, variables, text)
    assert (compiled.counts() - before)["forward"] == 1


@pytest.mark.parametrize("text", ["slide(16, 24)", "tile(12, 8, 4)"])
@pytest.mark.parametrize("label_size", [(66, 100), (20, 31), (33, 120)])
def test_logits_come_to_the_size_of_the_label_first(
    text, label_size, variables, monkeypatch
):
    """Resized as a whole by jax.image, they are what the judge gets in pieces."""
    small = example((33, 50))
    logits, _ = logits_of(Net(), variables, text, small, monkeypatch)
    large = {**example((33, 50), label_size=label_size), IMAGE: small[IMAGE]}
    found, _ = logits_of(Net(), variables, text, large, monkeypatch)
    expected = jax.image.resize(logits, (*label_size, K), "bilinear", antialias=False)
    np.testing.assert_allclose(found, expected, atol=1e-5)


class Brightest(Segmenter):
    """Answers every frame of a clip: class 1 where it is bright."""

    takes_clips = True
    stride = 4

    def __call__(self, x, train: bool = False):
        assert x.ndim == 5 and x.shape[1] == 3
        return jnp.concatenate([-x[..., :1], x[..., :1]], -1)


@pytest.mark.parametrize("text", PROTOCOLS)
def test_clips_are_answered_for_their_last_frame(text):
    rng = np.random.default_rng(0)
    frames = np.full((3, 20, 28, 3), 60, np.uint8)
    frames[-1, 8:, : rng.integers(10, 20)] = 200
    label = np.full((20, 28), IGNORE, np.uint8)
    predict = path.make(
        Brightest(),
        parse(text),
        normalize=lambda x: x / 255.0 - 0.5,
        judge=make_judge("multiclass", 2),
        batch_size=1,
        task="multiclass",
    )
    (found,) = predict({}, [{IMAGE: frames, LABEL: label, INDEX: np.int64(0)}])
    agrees = found.ids == (frames[-1, ..., 0] > 100)
    assert agrees.all() if "scales" not in text else agrees.mean() > 0.98


def test_the_rows_that_are_held_do_not_grow_with_the_image(monkeypatch):
    held, add = [], canvas.Canvas.add

    def watched(self, *args):
        add(self, *args)
        held.append(sum(len(sums) for sums, _ in self._blocks.values()))

    monkeypatch.setattr(canvas.Canvas, "add", watched)
    predict = path.make(
        Net(),
        parse("slide(16, 24)"),
        normalize=normalize,
        judge=make_judge("multiclass", K),
        batch_size=2,
        task="multiclass",
    )
    made = Net().init(jax.random.key(1), jnp.zeros((1, 4, 4, 3)))
    (found,) = predict(made, [example((400, 30))])
    assert found.ids.shape == (400, 30)
    assert max(held) <= 16 + 2 * 7 + 2 * 6  # a window, pieces on both ends, blocks
