"""LinkNet's integers, in both its forms, and what it refuses."""

import jax
import jax.numpy as jnp
import pytest

from segjax.core.errors import UserError
from segjax.models.linknet import LinkNet
from segjax.train.init import count_parameters
from tests.models.docstring_table import assert_table_is_true, shapes


def test_the_docstring_table_is_true():
    assert_table_is_true(LinkNet(num_outputs=19), 512, 512, 3)


def test_the_integer_of_segmentation_models_pytorch():
    variables, _ = shapes(LinkNet(num_outputs=1, form="smp"), 32, 32, 3)
    assert count_parameters(variables["params"]) == 11_663_777


@pytest.mark.parametrize(
    ("form", "backbone"),
    [("paper", "vgg11"), ("smp", "mobilenet_v2"), ("paper", "resnet50")],
)
def test_any_backbone_will_do(backbone, form):
    model = LinkNet(num_outputs=2, backbone=backbone, form=form)
    _, outputs = shapes(model, 64, 32, 3)
    assert outputs["__call__"][0].shape == (1, 64, 32, 2)


def test_arguments_out_of_range_are_refused_all_at_once():
    with pytest.raises(UserError) as caught:
        LinkNet(num_outputs=0, end_width=0)
    assert len(caught.value.problems) == 2


def test_a_size_that_does_not_fit_names_the_nearest():
    x = jax.ShapeDtypeStruct((1, 100, 64, 3), jnp.float32)
    with pytest.raises(UserError, match=r"divide by 32.*96x64"):
        jax.eval_shape(LinkNet(num_outputs=2).init, jax.random.key(0), x)
