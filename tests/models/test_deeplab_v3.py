"""DeepLabV3: torchvision's integers and names, one tree at all output strides."""

import functools
import json
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.checkpoint.foreign import carry
from segjax.checkpoint.leaves import flatten
from segjax.core.errors import UserError
from segjax.models.deeplab_v3 import DeepLabV3
from segjax.train.init import count_parameters
from tests.models.docstring_table import assert_table_is_true, filled, shapes
from tests.oracles.harness import FIXTURES

SLIM = dict(num_outputs=2, backbone="vgg11_bn", backbone_width=0.125, features=8)


@functools.cache
def default() -> dict:
    """Shapes of ResNet-50's variables at 19 classes; the table is checked too."""
    return assert_table_is_true(DeepLabV3(num_outputs=19), 512, 512, 3)


def test_m9_has_torchvisions_integers():
    params = default()["params"]
    aux = count_parameters(params["aux_head"])
    assert count_parameters(params) == 42_003_046
    assert count_parameters(params) - aux == 39_638_355


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (dict(backbone="resnet101"), 60_996_202),
        (dict(backbone="mobilenet_v3_large", aux_stride=8), 11_029_328),
    ],
)
def test_other_backbones_have_torchvisions_integers(options, count):
    variables, _ = shapes(DeepLabV3(num_outputs=21, **options), 64, 64, 3)
    assert count_parameters(variables["params"]) == count


def test_the_output_stride_changes_no_parameter():
    made = [
        shapes(
            DeepLabV3(**SLIM | dict(backbone="resnet18"), output_stride=s), 64, 64, 3
        )
        for s in (8, 16, 32)
    ]
    assert made[0][0] == made[1][0] == made[2][0]


def test_features_at_stride_8_subsampled_are_those_at_stride_16():
    """Of the backbone and of each branch, whose rates double; the pooled image is
    another mean, since it is over four times as many pixels."""
    x = jax.random.normal(jax.random.key(0), (1, 64, 96, 3))
    outputs = {}
    for stride, rates in ((16, (1, 2)), (8, (2, 4))):
        model = DeepLabV3(**SLIM, output_stride=stride, rates=rates, aux_head=False)
        variables = filled(model, *x.shape[1:])
        run = functools.partial(
            model.apply, capture_intermediates=True, mutable="intermediates"
        )
        outputs[stride] = jax.jit(run)(variables, x)[1]["intermediates"]
    coarse, fine = outputs[16], outputs[8]
    deep = [o["backbone"]["__call__"][0] for o in (coarse, fine)]
    assert deep[0][32].shape[1:3] == (4, 6)
    np.testing.assert_allclose(
        deep[1][32][:, ::2, ::2], deep[0][32], rtol=1e-4, atol=1e-4
    )
    for branch in ("branch0", "branch1", "branch2"):
        a, b = (o["aspp"][branch]["__call__"][0] for o in (coarse, fine))
        np.testing.assert_allclose(b[:, ::2, ::2], a, rtol=1e-4, atol=1e-4)
    a, b = (o["aspp"]["pool"]["__call__"][0] for o in (coarse, fine))
    assert np.abs(a - b).max() > 1e-4


def test_rates_follow_the_output_stride_unless_given():
    def warned(**options) -> str:
        model = DeepLabV3(**SLIM, **options)
        x = jnp.zeros((2, 32, 32, 3))
        variables = jax.eval_shape(model.init, jax.random.key(0), x)
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            jax.eval_shape(model.apply, variables, x)
        return " ".join(str(w.message) for w in seen)

    assert "[12, 24, 36]" in warned(output_stride=8)
    assert "[6, 12, 18]" in warned(output_stride=16)
    assert "[7]" in warned(output_stride=8, rates=(1, 7))
    assert warned(output_stride=8, rates=(1, 3)) == ""


def test_the_auxiliary_head_is_computed_in_training_alone():
    model = DeepLabV3(**SLIM, rates=(1,))
    x = jnp.zeros((2, 32, 48, 3))
    variables = jax.eval_shape(model.init, jax.random.key(0), x)
    run = functools.partial(
        model.apply,
        mutable=["aux", "batch_stats"],
        rngs={"dropout": jax.random.key(1)},
    )
    _, changed = jax.eval_shape(functools.partial(run, train=True), variables, x)
    assert {k: v.shape for k, v in changed["aux"].items()} == {
        "stride16": (2, 32, 48, 2)
    }
    assert "aux" not in jax.eval_shape(run, variables, x)[1]
    bare = DeepLabV3(**SLIM, rates=(1,), aux_head=False)
    assert "aux_head" not in jax.eval_shape(bare.init, jax.random.key(0), x)["params"]


def test_torchvisions_arrays_fit_all_but_classifiers_of_other_classes():
    names = DeepLabV3(num_outputs=19).foreign[0]
    assert (names.project, names.under) == ("torchvision", "")
    with np.load(FIXTURES / "deeplab_v3_resnet50_torchvision.npz") as file:
        there = json.loads(file["shapes"].tobytes().decode())
    arrays = {name: np.broadcast_to(np.float32(0), s) for name, s in there.items()}
    carried = carry(arrays, names, flatten(default()))
    heads = ("classifier.4", "aux_classifier.4")
    words = ("weight", "bias")
    assert set(carried.unmatched) == {f"{h}.{w}" for h in heads for w in words}
    assert set(carried.unfilled) == {
        f"params/{path}/{word}"
        for path in ("head", "aux_head/head")
        for word in ("kernel", "bias")
    }


def test_multi_grid_reaches_the_backbone():
    x = jnp.zeros((1, 32, 32, 3))
    with pytest.raises(UserError, match=r"multi_grid=\(1, 2\).*3 factors"):
        model = DeepLabV3(num_outputs=2, multi_grid=(1, 2))
        jax.eval_shape(model.init, jax.random.key(0), x)


def test_arguments_out_of_range_are_refused_all_at_once():
    with pytest.raises(UserError) as caught:
        DeepLabV3(num_outputs=0, rates=(0, 6), dropout=1.0)
    assert len(caught.value.problems) == 3
