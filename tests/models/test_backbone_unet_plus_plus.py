"""UNet++ on any backbone: its integers and what it refuses."""

import jax
import jax.numpy as jnp
import pytest

from segjax.core.errors import UserError
from segjax.models.backbone_unet_plus_plus import BackboneUNetPlusPlus
from segjax.train.init import count_parameters
from tests.models.docstring_table import assert_table_is_true, shapes


def test_the_docstring_table_is_true():
    assert_table_is_true(BackboneUNetPlusPlus(num_outputs=1), 512, 512, 3)


def test_the_integer_of_segmentation_models_pytorch():
    model = BackboneUNetPlusPlus(num_outputs=1, backbone="resnet18")
    variables, _ = shapes(model, 32, 32, 3)
    assert count_parameters(variables["params"]) == 15_970_449


def test_arguments_out_of_range_are_refused_all_at_once():
    with pytest.raises(UserError) as caught:
        BackboneUNetPlusPlus(num_outputs=0, decoder_widths=(8, 4))
    assert len(caught.value.problems) == 2


def test_a_size_that_does_not_fit_names_the_nearest():
    x = jax.ShapeDtypeStruct((1, 100, 64, 3), jnp.float32)
    with pytest.raises(UserError, match=r"divide by 32.*96x64"):
        jax.eval_shape(BackboneUNetPlusPlus(num_outputs=2).init, jax.random.key(0), x)
