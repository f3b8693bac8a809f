"""TernausNet's integers and what it refuses."""

import jax
import jax.numpy as jnp
import pytest

from segjax.core.errors import UserError
from segjax.models.ternausnet import TernausNet
from tests.models.docstring_table import assert_table_is_true


def test_the_docstring_table_is_true():
    variables = assert_table_is_true(TernausNet(num_outputs=1), 512, 512, 3)
    assert set(variables) == {"params"}


def test_a_backbone_without_features_at_the_images_size_is_refused():
    model = TernausNet(num_outputs=1, backbone="resnet18")
    with pytest.raises(UserError, match=r"'resnet18'.*backbone_unet"):
        jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))


def test_arguments_out_of_range_are_refused_all_at_once():
    with pytest.raises(UserError) as caught:
        TernausNet(num_outputs=0, width=0)
    assert len(caught.value.problems) == 2
