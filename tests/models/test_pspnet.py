"""PSPNet: its table, its regions, its auxiliary head."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.models.pspnet import PSPNet, PyramidPooling
from tests.models.docstring_table import assert_table_is_true, shapes


def test_the_docstring_table_is_true():
    assert_table_is_true(PSPNet(num_outputs=19), 512, 512, 3)


def test_without_the_auxiliary_head():
    slim = dict(num_outputs=2, backbone="vgg11", backbone_width=0.125, features=8)
    with_it, without = (
        shapes(PSPNet(**slim, aux_head=aux), 32, 32, 3)[0]["params"]
        for aux in (True, False)
    )
    assert set(with_it) - set(without) == {"aux_head"}


def test_the_features_pass_and_each_level_is_the_mean_of_its_regions():
    block = PyramidPooling((1, 2), "none", jnp.float32)
    x = jax.random.normal(jax.random.key(0), (2, 4, 6, 4))
    params = block.init(jax.random.key(1), x, False)["params"]
    y = block.apply({"params": params}, x, False)
    np.testing.assert_array_equal(y[..., :4], x)
    layer = params["level0"]["conv"]
    mean = np.maximum(x.mean((1, 2)) @ layer["kernel"][0, 0] + layer["bias"], 0)
    np.testing.assert_allclose(
        y[..., 4:6], np.broadcast_to(mean[:, None, None], (2, 4, 6, 2)), atol=1e-5
    )
    # half-pixel centres: the corner lies outside all centres of regions
    layer = params["level1"]["conv"]
    corner = x[:, :2, :3].mean((1, 2)) @ layer["kernel"][0, 0] + layer["bias"]
    np.testing.assert_allclose(y[:, 0, 0, 6:], np.maximum(corner, 0), atol=1e-5)


def test_one_image_a_batch_is_warned_of():
    x = jnp.zeros((1, 4, 4, 4))
    for norm, expected in (("batch", 1), ("group", 0)):
        block = PyramidPooling((1, 2), norm, jnp.float32)
        variables = jax.eval_shape(
            lambda x, block=block: block.init(jax.random.key(0), x, False), x
        )
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            jax.eval_shape(
                lambda v, x, block=block: block.apply(v, x, True, mutable=True),
                variables,
                x,
            )
        assert len(seen) == expected


def test_arguments_out_of_range_are_refused_all_at_once():
    with pytest.raises(UserError) as caught:
        PSPNet(num_outputs=2, bins=(0, 2), features=0)
    assert len(caught.value.problems) == 2
