"""Arrays of other projects at our paths, with our order of axes."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.checkpoint.foreign import carry
from segjax.checkpoint.leaves import Leaf
from segjax.core.names import Names

NAMES = Names(
    project="elsewhere",
    modules=(
        (r"layer(\d)\.conv", r"stage\1/conv"),
        (r"layer(\d)\.bn", r"stage\1/norm"),
        (r"fc", "head"),
        (r"token", "embed/token"),
    ),
    drop=(r".*\.num_batches_tracked", r"aux\..*"),
)


def leaves(**shapes) -> dict[str, Leaf]:
    return {k.replace("__", "/"): Leaf(v, "float32") for k, v in shapes.items()}


def one(array, shape, kind="", word="kernel"):
    """`array` carried to a parameter of `shape`: the array, or why not."""
    names = dataclasses.replace(NAMES, kinds=((r"fc\.weight", kind),) if kind else ())
    target = {f"params/head/{word}": Leaf(shape, "float32")}
    carried = carry({"fc.weight": array}, names, target)
    values = list(carried.values.values())
    return values[0] if values else carried.unmatched["fc.weight"]


def grid(*shape) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def test_each_array_goes_to_its_module_and_its_word():
    target = leaves(
        params__stage1__conv__kernel=(3, 3, 2, 4),
        params__stage1__norm__scale=(4,),
        params__stage1__norm__bias=(4,),
        batch_stats__stage1__norm__mean=(4,),
        batch_stats__stage1__norm__var=(4,),
        params__head__bias=(5,),
    )
    arrays = {
        "layer1.conv.weight": grid(4, 2, 3, 3),
        "layer1.bn.weight": grid(4),
        "layer1.bn.bias": grid(4) + 1,
        "layer1.bn.running_mean": grid(4) + 2,
        "layer1.bn.running_var": grid(4) + 3,
        "layer1.bn.num_batches_tracked": np.int64(7),
        "aux.conv.weight": grid(1),
        "fc.bias": grid(5).astype(np.float16),
    }
    carried = carry(arrays, NAMES, target)
    assert carried.values.keys() == target.keys()
    assert (carried.unmatched, carried.unfilled) == ({}, ())
    assert carried.dropped == ("layer1.bn.num_batches_tracked", "aux.conv.weight")
    for path, value in carried.values.items():
        assert value.dtype == np.float32, path
    kernel = carried.values["params/stage1/conv/kernel"]
    assert kernel[2, 1, 0, 3] == arrays["layer1.conv.weight"][3, 0, 2, 1]
    assert carried.values["batch_stats/stage1/norm/var"][0] == 3


def test_older_words_for_the_parameters_of_a_norm():
    target = leaves(params__stage1__norm__scale=(4,), params__stage1__norm__bias=(4,))
    arrays = {"layer1.bn.gamma": grid(4), "layer1.bn.beta": grid(4)}
    assert carry(arrays, NAMES, target).values.keys() == target.keys()


def test_a_linear_layer_is_a_dense_layer_or_a_convolution():
    array = grid(5, 3)
    np.testing.assert_array_equal(one(array, (3, 5)), array.T)
    np.testing.assert_array_equal(one(array, (1, 1, 3, 5)), array.T[None, None])
    np.testing.assert_array_equal(one(array[:, :, None, None], (3, 5)), array.T)


def test_a_table_and_a_lone_parameter_stay_as_they_are():
    array = grid(5, 3)
    np.testing.assert_array_equal(one(array, (5, 3), word="embedding"), array)
    target = {"params/embed/token": Leaf((4, 6), "float32")}
    found = carry({"token": grid(1, 4, 6)}, NAMES, target).values
    np.testing.assert_array_equal(found["params/embed/token"], grid(4, 6))


def test_a_depthwise_kernel():
    array = grid(6, 1, 3, 3)
    assert one(array, (3, 3, 1, 6))[2, 1, 0, 4] == array[4, 0, 2, 1]


def test_a_dense_layer_over_a_grid_is_a_convolution():
    array = grid(2, 3 * 49)
    kernel = one(array, (7, 7, 3, 2), "dense_7x7")
    x = np.random.default_rng(0).standard_normal((7, 7, 3)).astype(np.float32)
    dense = array @ x.transpose(2, 0, 1).reshape(-1)
    np.testing.assert_allclose(np.einsum("hwc,hwcf->f", x, kernel), dense, rtol=1e-4)


def test_transposed_kernels_for_both_forms_of_the_layer():
    array = grid(
        2, 3, 2, 2
    )  # torch: out[2i+a, 2j+b, o] = sum_c in[i, j, c] w[c, o, a, b]
    x = np.random.default_rng(0).standard_normal((1, 2, 2, 2)).astype(np.float32)
    wanted = np.einsum("nijc,coab->niajbo", x, array).reshape(1, 4, 4, 3)
    plain = one(array, (2, 2, 2, 3), "transposed")
    blocks = np.einsum("nijc,abco->niajbo", x, plain).reshape(1, 4, 4, 3)
    np.testing.assert_allclose(blocks, wanted, rtol=1e-5)
    flipped = one(array, (2, 2, 2, 3), "transposed_flipped")
    dilated = jax.lax.conv_general_dilated(
        jnp.asarray(x),
        jnp.asarray(flipped),
        (1, 1),
        [(1, 1), (1, 1)],
        lhs_dilation=(2, 2),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    np.testing.assert_allclose(dilated, wanted, rtol=1e-5)


@pytest.mark.parametrize(
    ("array", "shape", "kind", "words"),
    [
        (grid(4, 2, 3, 3), (3, 3, 2, 5), "", "[4,2,3,3], which makes [3,3,2,4]; the "),
        (grid(4, 2), (4, 2), "", "is [4,2], which makes [2,4]; the model has [4,2]"),
        (grid(4, 10), (7, 7, 3, 4), "dense_7x7", "is [4,10]: cannot reshape"),
        (grid(4), (5,), "", "is [4], which makes [4]; the model has [5]"),
    ],
)
def test_a_shape_that_does_not_fit_is_named_with_the_other(array, shape, kind, words):
    assert words in one(array, shape, kind)


def test_what_has_no_place_is_said_and_what_got_nothing():
    target = leaves(params__stage1__conv__kernel=(1, 1, 2, 2), params__new__bias=(3,))
    arrays = {
        "layer1.conv.weight": grid(2, 2, 1, 1),
        "layer1.conv.bias": grid(2),
        "layer2.conv.weight": grid(2, 2, 1, 1),
        "tail.weight": grid(2),
        "tail": grid(2),
    }
    carried = carry(arrays, NAMES, target)
    assert carried.unmatched == {
        "layer1.conv.bias": "the model has no params/stage1/conv/bias",
        "layer2.conv.weight": "the model has no params/stage2/conv/kernel",
        "tail.weight": "no rule fits its name",
        "tail": "no rule fits its name",
    }
    assert carried.unfilled == ("params/new/bias",)


def test_two_names_for_one_place_are_said():
    names = dataclasses.replace(NAMES, modules=((r"a|b", "head"),))
    target = leaves(params__head__bias=(2,))
    carried = carry({"a.bias": grid(2), "b.bias": grid(2) + 1}, names, target)
    assert carried.values["params/head/bias"][0] == 0
    assert carried.unmatched == {"b.bias": "params/head/bias is filled by a.bias"}


def test_a_part_of_a_model_is_expected_alone():
    target = leaves(
        params__backbone__stage1__conv__kernel=(1, 1, 2, 2),
        params__backbone__stage1__norm__scale=(2,),
        params__backbone2__conv__kernel=(1, 1, 2, 2),
        params__head__bias=(3,),
    )
    arrays = {"layer1.conv.weight": grid(2, 2, 1, 1)}
    carried = carry(arrays, NAMES.within("backbone"), target)
    assert list(carried.values) == ["params/backbone/stage1/conv/kernel"]
    assert carried.unfilled == ("params/backbone/stage1/norm/scale",)


def test_what_stays_new_need_not_be_filled():
    target = leaves(
        params__part__head__bias=(3,), params__part__tail__bias=(3,), params__a__b=(1,)
    )
    names = dataclasses.replace(NAMES, new=("head/.*",))
    assert carry({}, names, leaves(params__head__bias=(3,))).unfilled == ()
    for deeper in (names.within("part"), names.nested(r"x\.", "part")):
        unfilled = carry({}, deeper, target).unfilled
        assert "params/part/tail/bias" in unfilled
        assert "params/part/head/bias" not in unfilled
