"""Test-time augmentation: the mean of probabilities, written out."""

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.core.keys import IGNORE, IMAGE, INDEX, LABEL
from segjax.models.segmenter import Segmenter
from segjax.predict import path
from segjax.predict.decide import make_judge
from segjax.predict.looks import as_logits, log_shares
from segjax.predict.protocol import parse

SIZE = (24, 32)


class Lopsided(Segmenter):
    """Logits that are not the same for a mirror image, nor at another size."""

    stride = 4
    channels: int = 3

    def __call__(self, x, train: bool = False):
        left = jnp.pad(x, ((0, 0), (0, 0), (1, 0), (0, 0)), mode="edge")[:, :, :-1]
        return 3 * (2 * x - left)[..., : self.channels]


def apply(image, channels):
    left = np.pad(image, ((0, 0), (1, 0), (0, 0)), mode="edge")[:, :-1]
    return 3 * (2 * image - left)[..., :channels]


def expected_probabilities(image, looks, task):
    """As MMSegmentation has it: resize, mirror, predict, mirror back, resize, mean."""
    H, W = SIZE
    channels = 1 if task == "binary" else 3
    total = 0
    for factor, mirrored in looks:
        size = (round(W * factor), round(H * factor))
        how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
        shown = image if factor == 1 else cv2.resize(image, size, interpolation=how)
        shown = shown[:, ::-1] if mirrored else shown
        logits = apply(shown / 255.0 - 0.5, channels)
        logits = logits[:, ::-1] if mirrored else logits
        logits = jax.image.resize(logits, (H, W, channels), "bilinear", antialias=False)
        share = jax.nn.sigmoid if task == "binary" else jax.nn.softmax
        total = total + share(logits)
    return np.asarray(total / len(looks))


@pytest.mark.parametrize("task", ["multiclass", "binary"])
@pytest.mark.parametrize("way", ["whole()", "slide(64, 64)", "tile(24, 16, margin=4)"])
@pytest.mark.parametrize(
    "more", ["flip()", "scales(0.5, 1, 1.5)", "flip() | scales(0.5, 1)", "scales(2)"]
)
def test_the_answer_is_that_of_the_mean_probability(task, way, more):
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (6, 8, 3)).astype(np.uint8)
    image = cv2.resize(coarse, SIZE[::-1], interpolation=cv2.INTER_CUBIC)
    protocol = parse(f"{way} | {more}")
    predict = path.make(
        Lopsided(channels=1 if task == "binary" else 3),
        protocol,
        normalize=lambda x: x / 255.0 - 0.5,
        judge=make_judge(task, 3),
        batch_size=1,
        task=task,
    )
    label = np.full(SIZE, IGNORE, np.uint8)
    (found,) = predict({}, [{IMAGE: image, LABEL: label, INDEX: np.int64(0)}])
    shares = expected_probabilities(image, protocol.looks, task)
    if task == "binary":
        sure = abs(shares[..., 0] - 0.5) > 1e-4
        answer = shares[..., 0] > 0.5
    else:
        ordered = np.sort(shares, -1)
        sure = ordered[..., -1] - ordered[..., -2] > 1e-4
        answer = shares.argmax(-1)
    seen_whole = "tile" not in way
    sure = sure if seen_whole else sure & _inside(4)
    assert sure.mean() > (0.9 if seen_whole else 0.3)
    np.testing.assert_array_equal(found.ids[sure], answer[sure])


def _inside(border):
    inside = np.zeros(SIZE, bool)
    inside[border:-border, border:-border] = True
    return inside


@pytest.mark.parametrize("task", ["multiclass", "binary"])
def test_the_judge_gets_finite_logits_of_the_mean(task):
    """Also where a probability is 0 or 1 in float32."""
    looks = jnp.asarray([[0.0, 3.0, -2.0], [200.0, -300.0, 1.0]])[:, None, None]
    looks = looks[..., :1] if task == "binary" else looks
    shares = [log_shares(x[None], task) for x in looks]
    found = as_logits(jnp.logaddexp(*shares), 2, task)
    assert np.isfinite(found).all()
    if task == "binary":
        expected = (0.5 + 1.0) / 2
        assert jax.nn.sigmoid(found).item() == pytest.approx(expected)
    else:
        expected = sum(jax.nn.softmax(x) for x in looks) / 2
        np.testing.assert_allclose(jnp.exp(found)[0], expected, rtol=1e-5, atol=1e-12)
