"""The pyramid: its integers, its rates, and what its warnings warn of."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.nn.aspp import ASPP, rates_at
from segjax.train.init import count_parameters


def init(block: ASPP, shape: tuple[int, ...]) -> dict:
    x = jax.ShapeDtypeStruct(shape, jnp.float32)
    return jax.eval_shape(lambda k, x: block.init(k, x, False), jax.random.key(0), x)


@pytest.mark.parametrize(
    ("options", "count"),
    [
        # 1x1, three of 3x3, pooled; 1x1 from five of them
        (dict(), 2048 * 256 * (1 + 27 + 1) + 5 * 256 * 256 + 6 * 512),
        (dict(rates=()), 2048 * 256 * 2 + 2 * 256 * 256 + 3 * 512),
        (
            dict(separable=True),
            2048 * 256 * 5 + 3 * 9 * 2048 + 5 * 256 * 256 + 6 * 512,
        ),
    ],
)
def test_parameters(options, count):
    variables = init(ASPP(**options), (1, 8, 8, 2048))
    assert count_parameters(variables["params"]) == count


def test_rates_see_the_same_context_at_any_output_stride():
    assert {s: rates_at(s) for s in (8, 16, 32)} == {
        8: (12, 24, 36),
        16: (6, 12, 18),
        32: (3, 6, 9),
    }


def test_a_rate_larger_than_the_features_is_1x1_and_warned_of():
    x = jax.random.normal(jax.random.key(0), (2, 4, 6, 3))
    wide = ASPP(features=4, rates=(6,), norm="none")
    variables = wide.init(jax.random.key(1), x, False)

    def keep_middle(path, array):
        if "branch1" not in jax.tree_util.keystr(path) or array.ndim < 4:
            return array
        return jnp.zeros_like(array).at[1, 1].set(array[1, 1])

    middle = jax.tree_util.tree_map_with_path(keep_middle, variables)
    with pytest.warns(UserWarning, match=r"rates \[6\].*4x6.*smaller config") as seen:
        logits = wide.apply(variables, x, False)
    assert len(seen) == 1
    with pytest.warns(UserWarning):
        np.testing.assert_allclose(wide.apply(middle, x, False), logits, atol=1e-6)
    fits = ASPP(features=4, rates=(5,), norm="none")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        near = fits.apply(variables, x, False)
    assert np.abs(near - fits.apply(middle, x, False)).max() > 1e-3


def test_batch_norm_of_one_pooled_image_learns_nothing_and_is_warned_of():
    block = ASPP(features=8, rates=(), dropout=0.0)
    x = jax.random.normal(jax.random.key(0), (1, 4, 4, 3))
    variables = block.init(jax.random.key(1), x, False)

    @jax.jit
    def gradient(params):
        def total(params):
            inputs = {**variables, "params": params}
            y, changed = block.apply(inputs, x, True, mutable=["batch_stats"])
            return (y**2).sum(), changed

        return jax.grad(total, has_aux=True)(params)

    with pytest.warns(UserWarning, match="batch of 1.*norm='group'"):
        of_params, changed = gradient(variables["params"])
    assert not of_params["pool"]["conv"]["kernel"].any()
    assert of_params["branch0"]["conv"]["kernel"].any()
    np.testing.assert_allclose(changed["batch_stats"]["pool"]["norm"]["var"], 0.9)


@pytest.mark.parametrize(("norm", "batch"), [("group", 1), ("batch", 2)])
def test_other_norms_and_batches_are_not_warned_of(norm, batch):
    block = ASPP(features=16, rates=(1,), dropout=0.0, norm=norm)
    variables = init(block, (batch, 4, 4, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jax.eval_shape(
            lambda v, x: block.apply(v, x, True, mutable=["batch_stats"]),
            variables,
            jax.ShapeDtypeStruct((batch, 4, 4, 3), jnp.float32),
        )
