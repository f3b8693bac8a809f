"""DeepLabV2: its table, the form for VGG-16, the sum of branches."""

import jax
import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.models.deeplab_v2 import DeepLabV2
from segjax.train.init import count_parameters
from tests.models.docstring_table import assert_table_is_true, filled, shapes


def test_the_docstring_table_is_true():
    assert_table_is_true(DeepLabV2(num_outputs=21), 320, 320, 3)


def test_on_vgg16_each_branch_has_the_two_layers_of_the_classifier():
    model = DeepLabV2(num_outputs=21, backbone="vgg16", branch_features=1024)
    params = shapes(model, 64, 64, 3)[0]["params"]
    assert count_parameters(params) == 37_877_652
    assert set(params["aspp0"]) == {"fc6", "fc7", "head"}


def test_the_logits_are_the_sum_over_the_branches():
    model = DeepLabV2(
        num_outputs=2,
        backbone="vgg11",
        backbone_width=0.125,
        rates=(1, 2),
        branch_features=4,
    )
    x = jax.random.normal(jax.random.key(0), (1, 16, 24, 3))
    params = filled(model, *x.shape[1:])["params"]
    apply = jax.jit(model.apply)
    total = apply({"params": params}, x)
    parts = [
        apply({"params": params | {name: jax.tree.map(np.zeros_like, params[name])}}, x)
        for name in ("aspp0", "aspp1")
    ]
    np.testing.assert_allclose(parts[0] + parts[1], total, rtol=1e-4, atol=1e-5)


def test_arguments_out_of_range_are_refused_all_at_once():
    with pytest.raises(UserError) as caught:
        DeepLabV2(num_outputs=0, rates=(), branch_features=-1, dropout=-0.1)
    assert len(caught.value.problems) == 4
