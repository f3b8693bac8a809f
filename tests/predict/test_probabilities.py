"""Probabilities beside the classes, by every way over an image; steps behind them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax import parallel, postprocess
from segjax.core.keys import IGNORE, IMAGE, INDEX, LABEL, ORIGINAL
from segjax.predict import ids, path
from segjax.predict.decide import decide, make_judge
from segjax.predict.protocol import parse
from segjax.predict.refined import make_refined
from tests.predict.test_whole import K, Net, normalize

WAYS = ["whole()", "whole() | flip()", "slide(8, 8)", "slide(8, 12) | scales(0.5, 1.0)"]


@pytest.fixture(scope="module")
def weights():
    made = jax.jit(lambda: Net().init(jax.random.key(1), jnp.zeros((1, 4, 4, 3))))()
    return jax.device_put(made, parallel.replicated(parallel.make_mesh()))


@pytest.fixture(scope="module")
def examples():
    rng = np.random.default_rng(2)
    found = []
    for i, (h, w) in enumerate([(9, 14), (8, 12), (9, 14)]):
        label = rng.integers(0, K, (h, w)).astype(np.uint8)
        label[rng.random((h, w)) < 0.2] = IGNORE
        image = rng.integers(0, 256, (h, w, 3)).astype(np.uint8)
        found.append({IMAGE: image, LABEL: label, INDEX: np.int64(i)})
    return found


def make(monkeypatch, way, **asked):
    mesh = parallel.make_mesh(jax.devices()[:1])
    monkeypatch.setattr(parallel, "local_mesh", lambda: mesh)
    return path.make(
        Net(),
        parse(way),
        normalize=normalize,
        judge=make_judge("multiclass", K, **asked),
        batch_size=2,
        task="multiclass",
    )


@pytest.mark.parametrize("way", WAYS)
def test_probabilities_decide_the_classes(way, monkeypatch, weights, examples):
    predict = make(monkeypatch, way, probabilities=True)
    for found in predict(weights, examples):
        shares = found.probabilities
        assert shares.shape == (*found.ids.shape, K) and shares.dtype == np.float32
        np.testing.assert_allclose(shares.sum(-1), 1, atol=1e-5)
        first, second = np.sort(shares, axis=-1)[..., ::-1][..., :2].T
        clear = (first - second > 1e-5).T
        np.testing.assert_array_equal(shares.argmax(-1)[clear], found.ids[clear])
    assert next(make(monkeypatch, way)(weights, examples)).probabilities is None


def test_a_binary_task_has_the_probabilities_of_both():
    logits = jnp.asarray(np.linspace(-4, 4, 12, dtype=np.float32).reshape(1, 3, 4, 1))
    judge = make_judge("binary", 2, 0.3, probabilities=True)
    said = judge(logits, jnp.zeros((1, 3, 4), jnp.uint8))
    np.testing.assert_allclose(said.probabilities.sum(-1), 1, atol=1e-6)
    np.testing.assert_array_equal(said.probabilities[..., 1] > 0.3, said.ids)
    np.testing.assert_array_equal(said.ids, decide(logits, "binary", 0.3))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("steps", ["mode(3)", "gaussian(1)", "gaussian(1) | mode(3)"])
def test_what_is_counted_is_behind_the_steps(
    steps,
    way,
    monkeypatch,
    weights,
    examples,
):
    chain = postprocess.parse(steps)
    plain = make(monkeypatch, way, probabilities=True)
    plain = {p.index: p for p in plain(weights, examples)}
    predict = make(monkeypatch, way, probabilities=chain.of_shares)
    refined = make_refined(predict, chain, num_classes=K, threshold=0.5)
    seen = 0
    for found in refined(weights, examples):
        before = plain[found.index]
        expected = chain.apply(before.ids, K, shares=before.probabilities)
        assert (expected != before.ids).any()  # or the test says nothing
        np.testing.assert_array_equal(found.ids, expected)
        label = examples[found.index][LABEL]
        counts = ids.count(label, expected, K)
        np.testing.assert_array_equal(found.counts, counts)
        assert found.probabilities is None
        seen += 1
    assert seen == len(examples)


def test_a_step_sees_the_picture_as_it_was(monkeypatch, weights, examples):
    heard = []

    class Chain(postprocess.Chain):
        of_image = True

        def apply(self, ids, num_classes, *, image, shares, threshold):
            heard.append(image)
            return ids

    given = [{**e, IMAGE: e[IMAGE][::2, ::2], ORIGINAL: e[IMAGE]} for e in examples]
    predict = make(monkeypatch, "whole()")
    refined = make_refined(predict, Chain(), num_classes=K, threshold=0.5, keep=True)
    order = [found.index for found in refined(weights, given)]
    assert sorted(order) == [0, 1, 2]
    shapes = sorted(image.shape for image in heard)
    assert shapes == sorted(e[IMAGE].shape for e in examples)
