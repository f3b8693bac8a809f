"""FCN's integers and skips; its wide layers are VGG's dense ones, slid."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.checkpoint.foreign import carry
from segjax.core.errors import UserError
from segjax.models.fcn import FCN, features_at
from segjax.nn.conv import Conv
from segjax.train.init import count_parameters
from tests.models.docstring_table import assert_table_is_true, shapes

SLIM = dict(backbone="vgg11", backbone_width=0.125, fc_width=16)


def test_the_docstring_table_is_true():
    variables = assert_table_is_true(FCN(num_outputs=21), 512, 512, 3)
    assert "batch_stats" not in variables
    trunk = {name: variables["params"][name] for name in ("backbone", "fc6", "fc7")}
    assert count_parameters(trunk) == 134_260_544


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (dict(finest_stride=32), 134_346_581),
        (dict(finest_stride=16), 134_364_410),
        (dict(backbone="resnet50"), 23_597_471),
        (dict(backbone="vgg16_bn"), 134_385_311),
    ],
)
def test_forms_have_the_exact_integers(options, count):
    variables, _ = shapes(FCN(num_outputs=21, **options), 32, 32, 3)
    assert count_parameters(variables["params"]) == count


def test_a_dense_layer_is_a_7x7_convolution_with_the_same_weights():
    rng = np.random.default_rng(0)
    C, F = 5, 11
    dense = rng.standard_normal((F, C * 49), dtype=np.float32)
    bias = rng.standard_normal(F, dtype=np.float32)
    x = rng.standard_normal((7, 7, C), dtype=np.float32)
    wanted = dense @ x.transpose(2, 0, 1).reshape(-1) + bias  # as torchvision flattens

    (names,) = FCN(num_outputs=2, backbone="vgg16").foreign
    target = {"params/fc6/kernel": np.zeros((7, 7, C, F)), "params/fc6/bias": bias}
    arrays = {"classifier.0.weight": dense, "classifier.0.bias": bias}
    values = carry(arrays, names, target).values
    layer = Conv(F, 7).bind(
        {"params": {path.rpartition("/")[2]: v for path, v in values.items()}}
    )
    found = layer(jnp.asarray(x[None]))[0, 3, 3]
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)

    # on a larger image: the dense layer at every place, in one pass
    large = rng.standard_normal((9, 12, C), dtype=np.float32)
    slid = layer(jnp.asarray(large[None]))[0]
    for i, j in ((3, 3), (5, 8)):
        window = large[i - 3 : i + 4, j - 3 : j + 4].transpose(2, 0, 1).reshape(-1)
        wanted = dense @ window + bias
        np.testing.assert_allclose(slid[i, j], wanted, rtol=1e-4, atol=1e-4)


def test_the_same_weights_serve_several_sizes():
    model = FCN(num_outputs=3, **SLIM)
    variables, _ = shapes(model, 32, 32, 3)
    for size in ((32, 32), (64, 32), (96, 64)):
        x = jax.ShapeDtypeStruct((2, *size, 3), jnp.float32)
        assert jax.eval_shape(model.apply, variables, x).shape == (2, *size, 3)
    with pytest.raises(UserError, match=r"48x64.*divide by 32"):
        jax.eval_shape(model.apply, variables, jnp.zeros((1, 48, 64, 3)))


def test_vgg_is_scored_behind_its_poolings_and_resnet_as_it_is():
    x = jax.random.normal(jax.random.key(0), (1, 8, 8, 2))
    pooled = features_at({1: x, 8: x}, 16)
    np.testing.assert_array_equal(pooled, x.reshape(1, 4, 2, 4, 2, 2).max(axis=(2, 4)))
    np.testing.assert_array_equal(features_at({2: x, 16: x}, 16), x)


@pytest.mark.parametrize("finest", [32, 16, 8])
def test_a_form_scores_its_strides_alone(finest):
    variables, _ = shapes(FCN(num_outputs=2, finest_stride=finest, **SLIM), 32, 32, 3)
    scores = {n for n in variables["params"] if n.startswith("score")}
    assert scores == {f"score{s}" for s in (32, 16, 8) if s >= finest}


def test_arguments_out_of_range_are_refused_all_at_once():
    with pytest.raises(UserError) as caught:
        FCN(num_outputs=0, fc_width=-1, dropout=1.0)
    assert len(caught.value.problems) == 3
