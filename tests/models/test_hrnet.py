"""HRNetV2's exact integers, its table, its exchange between branches, its arguments."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.models.hrnet import OFFICIAL, HRNet, Unit
from segjax.train.init import count_parameters
from tests.models.docstring_table import assert_table_is_true, shapes


def test_the_docstring_table_is_true():
    variables = assert_table_is_true(HRNet(num_outputs=19), 512, 1024, 3)
    assert count_parameters(variables["params"]) == 9_641_119
    assert count_parameters(variables["params"]["backbone"]) == 9_562_260  # timm


def test_w48_and_its_head_of_fifteen_times_the_width():
    variables, outputs = shapes(HRNet(num_outputs=19, width=48), 64, 96, 3)
    assert count_parameters(variables["params"]) == 65_859_379
    assert "65,859,379" in HRNet.__doc__
    assert count_parameters(variables["params"]["backbone"]) == 65_325_120  # timm
    branches = outputs["backbone"]["__call__"][0]
    assert [x.shape[1:] for x in branches] == [
        (16, 24, 48),
        (8, 12, 96),
        (4, 6, 192),
        (2, 3, 384),
    ]
    assert outputs["mix"]["__call__"][0].shape == (1, 16, 24, 15 * 48)
    assert outputs["head"]["__call__"][0].shape == (1, 16, 24, 19)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("model.conv2", "backbone/stem2/conv"),
        ("layer1.0.downsample.1", "backbone/stage1/block0/shortcut/norm"),
        ("transition1.0.0", "backbone/transition1/branch0/conv"),
        ("transition3.3.0.1", "backbone/transition3/branch3/norm"),
        (
            "stage4.2.branches.3.1.bn2",
            "backbone/stage4/unit2/branch3/block1/conv2/norm",
        ),
        ("stage3.1.fuse_layers.0.2.0", "backbone/stage3/unit1/from2_to0/conv"),
        ("stage4.0.fuse_layers.3.0.2.1", "backbone/stage4/unit0/from0_to3_step2/norm"),
        ("model.last_layer.3", "head"),
    ],
)
def test_names_of_the_authors(name, path):
    assert OFFICIAL.module(name) == path


def test_a_unit_lets_every_branch_see_every_other():
    unit = Unit(blocks=1, enlarge="bilinear", norm="none", dtype=jnp.float32)
    branches = [jnp.ones((1, 8 // 2**b, 8 // 2**b, 2 * 2**b)) for b in range(3)]
    made = jax.eval_shape(lambda: unit.init(jax.random.key(0), branches, False))
    variables = jax.tree.map(lambda p: jnp.full(p.shape, 0.1), made)
    run = jax.jit(lambda branches: unit.apply(variables, branches, False))
    before = run(branches)
    for b in range(3):
        after = run([x * 2 if i == b else x for i, x in enumerate(branches)])
        for x, y in zip(before, after, strict=True):
            assert (np.asarray(y) > np.asarray(x)).all()


def test_arguments_out_of_range_are_refused_all_at_once():
    with pytest.raises(UserError) as caught:
        HRNet(num_outputs=0, width=0, units=(1, 0, 1), blocks=0, stem=0)
    assert len(caught.value.problems) == 5
