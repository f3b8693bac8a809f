"""What every model of the table promises; a new entry is tested without a new test.

Compiling is what costs here: shapes are asked of `eval_shape`, and what one compiled
function can answer is asked in one test, so that the tests spread over processes.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.models import MODELS
from segjax.models.segmenter import Segmenter
from tests.contracts.small import SMALL

K = 3


def small(name: str, **more) -> Segmenter:
    return MODELS[name](num_outputs=K, **SMALL[name], **more)


def images(model: Segmenter, least: int = 24, batch: int = 2) -> jax.Array:
    """Noise of a legal size, not square; the larger side is the next legal one."""
    height = model.input_side(least)
    width = model.input_side(height - 2 * model.margin + 1)
    return jax.random.normal(jax.random.key(1), (batch, height, width, 3))


def covered(model: Segmenter, x: jax.Array) -> tuple[int, int]:
    return tuple(n - 2 * model.margin for n in x.shape[1:3])


@functools.cache
def variables(name: str) -> dict:
    """Random numbers in the shapes of the model's own: to initialise is to compile."""
    model = small(name)
    made = jax.eval_shape(model.init, jax.random.key(0), images(model, batch=1))
    rng = np.random.default_rng(0)

    def draw(path, leaf):
        last = path[-1].key
        if last == "var":
            return rng.uniform(0.5, 1.5, leaf.shape).astype(leaf.dtype)
        noise = rng.standard_normal(leaf.shape).astype(leaf.dtype)
        if leaf.ndim < 2:
            return (last == "scale") + 0.1 * noise
        return noise * np.float32(np.sqrt(2 / np.prod(leaf.shape[:-1])))

    return dict(jax.tree_util.tree_map_with_path(draw, made))


@pytest.fixture(params=list(MODELS))
def name(request) -> str:
    return request.param


def test_every_model_has_a_small_form():
    assert set(SMALL) == set(MODELS)


def test_prediction_is_finite_and_of_each_image_alone(name):
    model = small(name)
    x, predict = images(model), jax.jit(model.apply)
    logits = predict(variables(name), x)
    assert logits.shape == (len(x), *covered(model, x), K)
    assert np.isfinite(logits).all()
    other = predict(variables(name), jnp.stack([2 * x[1] + 1, x[0]]))
    np.testing.assert_allclose(other[1], logits[0], rtol=1e-5, atol=1e-5)

    half = jax.jit(small(name, dtype="bfloat16").apply)(variables(name), x)
    error = jnp.sqrt(jnp.square(half - logits).mean() / jnp.square(logits).mean())
    assert 0 < float(error) < 0.1


def test_any_legal_size_and_any_number_of_channels(name):
    for dtype, least, channels in (("float32", 1, 1), ("bfloat16", 40, 3)):
        model = small(name, dtype=dtype)
        x = images(model, least, batch=1)[..., :1].repeat(channels, -1)
        logits, made = jax.eval_shape(
            functools.partial(model.init_with_output, jax.random.key(0)), x
        )
        assert logits.shape == (1, *covered(model, x), K)
        assert logits.dtype == jnp.float32
        assert {v.dtype for v in jax.tree.leaves(made)} == {jnp.dtype("float32")}
    # of three channels as at another size
    assert jax.tree.map(jnp.shape, made) == jax.tree.map(jnp.shape, variables(name))


def test_other_sizes_are_refused_with_the_nearest_legal_one(name):
    model = small(name)
    x = images(model)
    if model.input_side(covered(model, x)[0] + 1) == x.shape[1] + 1:
        return  # every size is legal
    with pytest.raises(UserError, match=str(x.shape[1])):
        jax.eval_shape(model.init, jax.random.key(0), x[:, 1:])


def test_training_reaches_every_parameter_and_statistic(name):
    model, start = small(name), variables(name)

    @jax.jit
    def gradient(params, x):
        """Of a random linear loss on all heads; and the changed statistics."""

        def total(params):
            logits, changed = model.apply(
                {**start, "params": params},
                x,
                train=True,
                mutable=["batch_stats", "aux"],
                rngs={"dropout": jax.random.key(2, impl="unsafe_rbg")},
            )
            heads = [logits, *jax.tree.leaves(changed.pop("aux", {}))]
            noise = jax.random.key(3, impl="unsafe_rbg")
            value = sum((h * jax.random.normal(noise, h.shape)).sum() for h in heads)
            return value, changed

        return jax.grad(total, has_aux=True)(params)

    x = images(model)
    if model.takes_clips:  # the memory of a single image is not asked for anything
        x = jnp.stack([x, x[::-1], 2 * x], axis=1)
    gradients, changed = gradient(start["params"], x)
    # a bias before batch norm is subtracted again: its gradient is rounding alone
    assert unmoved(gradients, jax.tree.map(np.zeros_like, gradients)) == []
    if "batch_stats" in start:
        assert unmoved(changed["batch_stats"], start["batch_stats"]) == []


def unmoved(new: dict, old: dict) -> list[str]:
    """Paths of the arrays that are equal in both."""
    paths = jax.tree_util.tree_map_with_path(
        lambda path, a, b: jax.tree_util.keystr(path) * np.array_equal(a, b), new, old
    )
    return list(filter(None, jax.tree.leaves(paths)))


def test_evaluation_changes_no_statistics_and_sows_no_heads(name):
    model, start = small(name), variables(name)
    evaluate = functools.partial(model.apply, mutable=True)
    made, (_, same) = jax.make_jaxpr(evaluate, return_shape=True)(start, images(model))
    assert "aux" not in same
    # parameters and statistics that come out are those that went in, not computed
    given = set(made.jaxpr.invars)
    passed = [v for v in made.jaxpr.outvars if v in given]
    assert len(passed) == len(jax.tree.leaves(start))


def test_a_model_of_clips_takes_any_number_of_frames(name):
    model = small(name)
    if not model.takes_clips:
        return
    x = images(model, batch=1)
    for T in (1, 3):
        clip = jnp.stack([x] * T, axis=1)
        logits = jax.eval_shape(model.apply, variables(name), clip)
        assert logits.shape in ((1, *x.shape[1:3], K), (1, T, *x.shape[1:3], K))
