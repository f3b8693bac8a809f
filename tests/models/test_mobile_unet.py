"""U-Net on MobileNetV2: the tutorial's integers, and the sizes of its features."""

import jax
import jax.numpy as jnp
import pytest

from segjax.core.errors import UserError
from segjax.models.mobile_unet import MobileUNet
from segjax.train.init import count_parameters
from tests.models.docstring_table import assert_table_is_true, shapes


def test_the_docstring_table_is_true():
    assert_table_is_true(MobileUNet(num_outputs=3), 128, 128, 3)


def test_m4_has_the_tutorials_integers_and_one_norm_more():
    variables, _ = shapes(MobileUNet(num_outputs=3), 128, 128, 3)
    params, statistics = variables["params"], variables["batch_stats"]
    last = [c["backbone"]["block16"]["project"]["norm"] for c in (params, statistics)]
    assert [count_parameters(made) for made in last] == [640, 640]
    assert count_parameters(variables) - 1_280 == 6_504_227
    decoder = {name: made for name, made in params.items() if name != "backbone"}
    assert count_parameters(decoder) == 4_660_323
    # what the tutorial's frozen encoder holds, statistics too
    encoder = params["backbone"], statistics["backbone"]
    assert count_parameters(encoder) - 1_280 == 1_841_984


def test_m4_has_the_tutorials_features():
    _, outputs = shapes(MobileUNet(num_outputs=3), 128, 128, 3)
    features = outputs["backbone"]["__call__"][0]
    assert {stride: f.shape[1:] for stride, f in features.items()} == {
        2: (64, 64, 96),
        4: (32, 32, 144),
        8: (16, 16, 192),
        16: (8, 8, 576),
        32: (4, 4, 320),
    }


def test_a_size_that_does_not_fit_names_the_nearest():
    x = jax.ShapeDtypeStruct((1, 100, 128, 3), jnp.float32)
    with pytest.raises(UserError, match=r"divide by 32.*96x128"):
        jax.eval_shape(MobileUNet(num_outputs=2).init, jax.random.key(0), x)


def test_arguments_out_of_range_are_refused_all_at_once():
    with pytest.raises(UserError) as caught:
        MobileUNet(num_outputs=0, decoder_widths=(8, 4, 2, 1, 1))
    assert len(caught.value.problems) == 2
