"""DeepLabV3+: its table, and that low-level features reach the decoder."""

import jax
import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.models.deeplab_v3plus import DeepLabV3Plus
from segjax.train.init import count_parameters
from tests.models.docstring_table import assert_table_is_true, filled, shapes

SLIM = dict(num_outputs=2, backbone="vgg11", backbone_width=0.125, features=8)


def test_the_docstring_table_is_true():
    assert_table_is_true(DeepLabV3Plus(num_outputs=19), 512, 512, 3)


def test_the_output_stride_changes_no_parameter():
    made = [
        shapes(DeepLabV3Plus(**SLIM, output_stride=s), 64, 64, 3)[0]
        for s in (8, 16, 32)
    ]
    assert made[0] == made[1] == made[2]


def test_separable_convolutions_are_in_pyramid_and_decoder():
    dense, thin = (
        shapes(DeepLabV3Plus(**SLIM, separable=separable), 32, 32, 3)[0]["params"]
        for separable in (False, True)
    )
    for block in (thin["aspp"]["branch1"], thin["fuse0"], thin["fuse1"]):
        assert set(block) == {"depth", "point"}
    # 3x3 of C -> 8: 9 C 8 weights become 9 C + C 8
    saved = sum(9 * C * 8 - 9 * C - C * 8 for C in (64, 64, 64, 8 + 48, 8))
    assert count_parameters(dense) - count_parameters(thin) == saved


def test_the_low_features_have_stride_4_on_another_backbone():
    model = DeepLabV3Plus(num_outputs=2, backbone="mobilenet_v2")
    outputs = shapes(model, 64, 96, 3)[1]
    assert outputs["low"]["__call__"][0].shape == (1, 16, 24, 48)
    assert outputs["aspp"]["__call__"][0].shape == (1, 4, 6, 256)


def test_the_decoder_sees_finer_than_the_pyramid():
    """With the pyramid cut off, logits still differ from cell to cell of stride 4."""
    model = DeepLabV3Plus(**SLIM, rates=(1,), norm="none")
    x = jax.random.normal(jax.random.key(0), (1, 32, 32, 3))
    params = filled(model, *x.shape[1:])["params"]
    cut = params | {"aspp": jax.tree.map(np.zeros_like, params["aspp"])}
    apply = jax.jit(model.apply)
    logits = apply({"params": cut}, x)
    assert (np.diff(logits[0, 2::4, 2::4], axis=0) != 0).mean() > 0.9
    low = params | {"low": jax.tree.map(np.zeros_like, params["low"])}
    assert np.abs(apply({"params": low}, x) - logits).max() > 0


def test_arguments_out_of_range_are_refused_all_at_once():
    with pytest.raises(UserError) as caught:
        DeepLabV3Plus(num_outputs=2, low_features=0, fusions=-1, backbone_width=-1.0)
    assert len(caught.value.problems) == 3
