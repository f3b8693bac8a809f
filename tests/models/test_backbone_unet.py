"""U-Net on any backbone: its integers, its skips and what it refuses."""

import jax
import jax.numpy as jnp
import pytest

from segjax.core.errors import UserError
from segjax.models.backbone_unet import BackboneUNet
from segjax.train.init import count_parameters
from tests.models.docstring_table import assert_table_is_true, shapes


def test_the_docstring_table_is_true():
    assert_table_is_true(BackboneUNet(num_outputs=1), 512, 512, 3)


@pytest.mark.parametrize(
    ("backbone", "center", "count"),
    [
        ("resnet18", False, 14_328_209),
        ("resnet34", False, 24_436_369),
        ("resnet50", False, 32_521_105),
        ("vgg11", True, 18_254_033),
        ("vgg16_bn", True, 23_756_689),
    ],
)
def test_integers_of_segmentation_models_pytorch(backbone, center, count):
    model = BackboneUNet(num_outputs=1, backbone=backbone, center=center)
    variables, _ = shapes(model, 32, 32, 3)
    assert count_parameters(variables["params"]) == count


def test_each_block_reads_the_skip_of_its_own_stride():
    model = BackboneUNet(num_outputs=1)
    variables, _ = shapes(model, 64, 32, 3)
    grown, skips = (512, 256, 128, 64, 32), (256, 128, 64, 64, 0)
    for level, before, skip in zip(reversed(range(5)), grown, skips, strict=True):
        kernel = variables["params"][f"up{level}"]["conv1"]["conv"]["kernel"]
        assert kernel.shape[2] == before + skip, level


def test_a_size_that_does_not_fit_names_the_nearest():
    model = BackboneUNet(num_outputs=2)
    with pytest.raises(UserError, match=r"divide by 32.*96x64"):
        x = jax.ShapeDtypeStruct((1, 100, 64, 3), jnp.float32)
        jax.eval_shape(model.init, jax.random.key(0), x)


def test_arguments_out_of_range_are_refused_all_at_once():
    with pytest.raises(UserError) as caught:
        BackboneUNet(num_outputs=0, decoder_widths=(8, 4))
    assert len(caught.value.problems) == 2


def test_an_unknown_backbone_is_named():
    model = BackboneUNet(num_outputs=2, backbone="resnet35")
    with pytest.raises(UserError, match=r"resnet35.*no such backbone"):
        jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
