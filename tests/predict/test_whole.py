"""Whole images of any size, and what their neighbours must not change."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax import losses, parallel
from segjax.core.keys import IGNORE, IMAGE, INDEX, LABEL
from segjax.models.segmenter import Segmenter
from segjax.predict.decide import make_judge
from segjax.predict.whole import make_predict

K = 3
SIZES = [(7, 9), (8, 12), (2, 3), (5, 11), (8, 9), (1, 1), (7, 12), (3, 4), (8, 12)]
"""Two padded sizes under a stride of 4; sides that divide by nothing; below it."""


class Net(Segmenter):
    """Takes sides that divide by 4; every output pixel sees its surroundings."""

    stride = 4

    @nn.compact
    def __call__(self, x, train: bool = False):
        assert x.shape[1] % 4 == x.shape[2] % 4 == 0
        y = nn.silu(nn.Conv(6, (4, 4), strides=4)(x))
        y = nn.BatchNorm(use_running_average=not train)(y)
        y = jnp.repeat(jnp.repeat(y, 4, 1), 4, 2)
        return nn.Conv(K, (3, 3))(jnp.concatenate([x, y], -1))


def normalize(images):
    return images / 255.0 - 0.5


@pytest.fixture(scope="module")
def variables():
    made = jax.jit(lambda: Net().init(jax.random.key(1), jnp.zeros((1, 4, 4, 3))))()
    return jax.device_put(made, parallel.replicated(parallel.make_mesh()))


@pytest.fixture(scope="module")
def examples():
    rng = np.random.default_rng(0)
    found = []
    for i, (h, w) in enumerate(SIZES):
        label = rng.integers(0, K, (h, w)).astype(np.uint8)
        label[rng.random((h, w)) < 0.2] = IGNORE
        image = rng.integers(0, 256, (h, w, 3)).astype(np.uint8)
        found.append({IMAGE: image, LABEL: label, INDEX: np.int64(i)})
    return found


def predict_all(monkeypatch, variables, examples, devices, batch_size, **kwargs):
    mesh = parallel.make_mesh(jax.devices()[:devices])
    monkeypatch.setattr(parallel, "local_mesh", lambda: mesh)
    judge = make_judge("multiclass", K)
    kwargs = {"judge": judge, "batch_size": batch_size, **kwargs}
    predict = make_predict(Net(), normalize=normalize, **kwargs)
    return {p.index: p for p in predict(variables, examples)}


@pytest.fixture(scope="module")
def alone(variables, examples):
    """One image at a time, by hand."""
    apply = jax.jit(lambda v, x: Net().apply(v, normalize(x)))
    found = []
    for example in examples:
        h, w = example[LABEL].shape
        pad = ((0, -h % 4), (0, -w % 4), (0, 0))
        image = np.pad(example[IMAGE], pad, mode="symmetric")
        logits = np.asarray(apply(variables, image[None]))[0, :h, :w]
        found.append(logits.argmax(-1))
    return found


@pytest.mark.parametrize(("devices", "batch_size"), [(1, 1), (1, 7), (8, 8), (8, 3)])
def test_every_image_as_if_alone(
    monkeypatch, variables, examples, alone, devices, batch_size
):
    found = predict_all(monkeypatch, variables, examples, devices, batch_size)
    assert sorted(found) == list(range(len(SIZES)))
    for i, example in enumerate(examples):
        label, ids = example[LABEL], found[i].ids
        assert ids.dtype == np.uint8
        assert np.array_equal(ids, alone[i])
        valid = label != IGNORE
        pairs = label[valid].astype(int) * K + ids[valid]
        counts = np.bincount(pairs, minlength=K * K).reshape(K, K)
        assert np.array_equal(found[i].counts, counts)
        assert np.isnan(found[i].loss)


def test_the_loss_is_of_each_image_alone(monkeypatch, variables, examples):
    loss = losses.make({"cross_entropy": {}}, "multiclass")
    some = [examples[i] for i in (1, 8)]
    found = predict_all(monkeypatch, variables, some, 1, 2, loss=loss)
    apply = jax.jit(lambda v, x: Net().apply(v, normalize(x)))
    for example in some:
        logits = np.asarray(apply(variables, example[IMAGE][None])[0], np.float64)
        label = example[LABEL]
        valid = label != IGNORE
        log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        picked = np.take_along_axis(log_p, np.where(valid, label, 0)[..., None], -1)
        expected = -picked[valid].mean()
        assert found[int(example[INDEX])].loss == pytest.approx(expected, rel=1e-5)


class Colour(Segmenter):
    """Logits are the colours of the pixels."""

    stride = 4

    @nn.compact
    def __call__(self, x, train: bool = False):
        return x


@pytest.mark.parametrize("edge", [4, 6, 10])
@pytest.mark.parametrize("factor", [2, 3])
def test_logits_come_back_to_the_place_of_their_pixels(edge, factor):
    """An image `factor` times smaller than its label, with an edge between colours."""
    height, width = 10, 14
    small = np.zeros((height, width, 3), np.uint8)
    small[:, :edge, 0] = small[:, edge:, 1] = 255
    label = np.zeros((height * factor, width * factor), np.uint8)
    label[:, edge * factor :] = 1
    predict = make_predict(
        Colour(), normalize=normalize, judge=make_judge("multiclass", K), batch_size=1
    )
    example = {IMAGE: small, LABEL: label, INDEX: np.int64(0)}
    (found,) = predict({}, [example])
    assert np.array_equal(found.ids, label)
    assert found.counts.sum() == label.size


class Unpadded(Segmenter):
    """Loses 5 pixels at each border and takes sides of 4 n + 2: the mean of 11x11."""

    margin = 5

    def input_side(self, side: int) -> int:
        return -(-(side + 8) // 4) * 4 + 2

    def __call__(self, x, train: bool = False):
        assert x.shape[1] % 4 == x.shape[2] % 4 == 2
        mean = nn.avg_pool(x[..., :1], (11, 11)) - 0.5
        return jnp.concatenate([mean, -mean], -1)


def test_a_lost_margin_is_made_of_the_mirrored_image():
    rng = np.random.default_rng(0)
    examples = []
    for i, (h, w) in enumerate([(7, 9), (24, 20), (3, 30)]):
        image = np.repeat(rng.integers(0, 256, (h, w, 1)), 3, -1).astype(np.uint8)
        label = np.full((h, w), IGNORE, np.uint8)
        examples.append({IMAGE: image, LABEL: label, INDEX: np.int64(i)})
    predict = make_predict(
        Unpadded(),
        normalize=lambda x: x / 255.0,
        judge=make_judge("multiclass", 2),
        batch_size=1,
    )
    for found in predict({}, examples):
        image = examples[found.index][IMAGE][..., 0]
        wide = np.pad(image / 255.0, 5, mode="symmetric")
        windows = np.lib.stride_tricks.sliding_window_view(wide, (11, 11))
        mean = windows.mean((2, 3))
        assert found.ids.shape == image.shape
        sure = abs(mean - 0.5) > 1e-4
        np.testing.assert_array_equal(found.ids[sure], (mean < 0.5)[sure])


class Brightest(Segmenter):
    """Answers every frame of a clip: class 1 where it is bright."""

    takes_clips = True
    stride = 4

    def __call__(self, x, train: bool = False):
        bright = x[..., :1] - 0.5
        return jnp.concatenate([-bright, bright], -1)


@pytest.mark.parametrize("size", [(6, 9), (3, 5)])
def test_a_clip_is_answered_for_its_last_frame(size):
    """The label may have another size than the frames, as after an evaluation op."""
    rng = np.random.default_rng(0)
    frames = 255 * rng.integers(0, 2, (3, 6, 9, 1)).repeat(3, -1).astype(np.uint8)
    label = np.full(size, IGNORE, np.uint8)
    predict = make_predict(
        Brightest(),
        normalize=lambda x: x / 255.0,
        judge=make_judge("multiclass", 2),
        batch_size=1,
    )
    (found,) = predict({}, [{IMAGE: frames, LABEL: label, INDEX: np.int64(0)}])
    assert found.ids.shape == size
    if size == (6, 9):
        np.testing.assert_array_equal(found.ids, frames[-1, ..., 0] > 0)
