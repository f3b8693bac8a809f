"""A memory over the frames of any image model, whose weights may stand still."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax import config, losses, optim
from segjax.core.errors import UserError
from segjax.core.keys import IMAGE, LABEL
from segjax.core.state import TrainState
from segjax.models import MODELS
from segjax.models.recurrent import Recurrent, block_means
from segjax.models.unet import UNet
from segjax.train.step import make_step
from tests.contracts.small import SMALL
from tests.models.docstring_table import assert_table_is_true, filled

UNET = dict(width=4, depth=1)
small = functools.partial(
    Recurrent, num_outputs=3, model_options=UNET, width=4, coarse=2
)


@functools.partial(jax.jit, static_argnums=0)
def run(model, variables, x):
    return model.apply(variables, x)


@functools.partial(jax.jit, static_argnums=0)
def stream(model, variables, x, carry=None):
    return model.apply(variables, x, carry, method="stream")


def clip(T: int = 3, B: int = 2, H: int = 8, W: int = 12) -> jax.Array:
    values = np.random.default_rng(0).normal(size=(B, T, H, W, 3))
    return jnp.asarray(values, jnp.float32)


def test_the_docstring_table_is_true():
    variables = assert_table_is_true(Recurrent(num_outputs=1), 512, 512, 3)
    alone = jax.eval_shape(
        UNet(num_outputs=1).init, jax.random.key(0), jnp.zeros((1, 512, 512, 3))
    )
    assert variables["params"]["image_model"] == alone["params"]
    assert variables["batch_stats"]["image_model"] == alone["batch_stats"]


WITHOUT_HEAD = ("deeplab_v2", "fcn", "unet_plus_plus")
"""Image models that have several last layers."""


@pytest.mark.parametrize("name", list(MODELS))
def test_it_wraps_every_image_model(name):
    inner = MODELS[name](num_outputs=3, **SMALL[name])
    make = functools.partial(small, model=name, model_options=SMALL[name])
    if inner.takes_clips:
        with pytest.raises(UserError, match="remembers frames by itself"):
            make()
        return
    model = make(sees="logits" if name in WITHOUT_HEAD else "features")
    assert (model.stride, model.margin) == (inner.stride, inner.margin)
    sides = [model.input_side(n) for n in (40, 50)]
    logits, variables = jax.eval_shape(
        lambda: model.init_with_output(jax.random.key(0), jnp.zeros((1, 2, *sides, 3)))
    )
    assert logits.shape == (1, *(n - 2 * model.margin for n in sides), 3)
    assert set(variables["params"]) == {"image_model", "memory", "head"}


@pytest.mark.parametrize("name", WITHOUT_HEAD)
def test_features_without_one_head_are_refused(name):
    model = small(model=name, model_options=SMALL[name])
    side = model.input_side(40)
    with pytest.raises(UserError, match=r"has 0 layers named head.*sees='logits'"):
        jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, side, side, 3)))


@pytest.mark.parametrize("sees", ["features", "logits"])
def test_clips_images_and_streams_agree(sees):
    last, every = small(sees=sees), small(sees=sees, outputs="all")
    x = clip()
    variables = filled(last, 8, 12, 3)
    whole = run(every, variables, x)
    assert whole.shape == (2, 3, 8, 12, 3)
    np.testing.assert_allclose(run(last, variables, x), whole[:, -1], atol=1e-5)
    np.testing.assert_allclose(
        run(last, variables, x[:, 0]), run(last, variables, x[:, :1]), atol=1e-6
    )
    first, carry = stream(every, variables, x[:, :1])
    rest, _ = stream(every, variables, x[:, 1:], carry)
    found = np.concatenate([first, rest], axis=1)
    np.testing.assert_allclose(found, whole, atol=1e-5)
    assert np.abs(whole[:, -1] - run(last, variables, x[:, -1])).max() > 1e-3


def test_what_the_memory_adds_stands_over_the_image_models_logits():
    model = small()
    x = clip(1)[:, 0]
    variables = filled(model, 8, 12, 3)
    params = variables["params"]
    silent = {**params, "head": jax.tree.map(jnp.zeros_like, params["head"])}
    alone = {kind: variables[kind]["image_model"] for kind in variables}
    np.testing.assert_allclose(
        run(model, {**variables, "params": silent}, x),
        run(UNet(num_outputs=3, **UNET), alone, x),
        atol=1e-6,
    )


def test_at_the_start_it_is_near_the_image_model():
    model = small()
    x = clip(2)
    variables = jax.jit(model.init)(jax.random.key(0), x)
    alone = {kind: variables[kind]["image_model"] for kind in variables}
    near = run(UNet(num_outputs=3, **UNET), alone, x[:, -1])
    difference = np.abs(run(model, variables, x) - near).max()
    assert 0 < difference < 0.1 * np.abs(near).max()


def test_block_means_repeat_the_border():
    x = jnp.arange(15.0).reshape(1, 3, 5, 1)
    means = block_means(x, 2)[0, :, :, 0]
    np.testing.assert_allclose(means, [[3, 5, 6.5], [10.5, 12.5, 14]])
    np.testing.assert_array_equal(block_means(x, 1), x)


@pytest.mark.parametrize("side", [9, 14])
def test_blocks_that_do_not_divide_keep_their_place(side):
    """A memory that shows its own input answers with what it saw, where it saw it."""
    model = Recurrent(
        num_outputs=1, model_options=dict(width=2, depth=1), coarse=4, width=2
    )
    side = 2 * side
    x = jnp.zeros((1, side, side, 3)).at[:, side - 4 :, side - 4 :].set(5.0)
    variables = filled(model, side, side, 3)
    changed = run(model, variables, x) - run(model, variables, x * 0)
    silent = jax.tree.map(jnp.zeros_like, variables["params"]["head"])
    params = {**variables["params"], "head": silent}
    of_image = run(model, {**variables, "params": params}, x) - run(
        model, {**variables, "params": params}, x * 0
    )
    added = np.abs(changed - of_image)[0, :, :, 0]
    assert added[-4:, -4:].max() > 1e-4
    assert added[: side // 2 - 4, : side // 2 - 4].max() < 1e-4


def train(frozen: bool, steps: int = 3, **more) -> tuple[TrainState, TrainState]:
    """State before and after some steps, as a run would make them."""
    options = dict(model="unet", model_options=UNET, width=4, coarse=2, frozen=frozen)
    checked = config.resolve(
        dict(
            data=dict(name="streets"),
            input=dict(train_ops="crop(16, 16) | normalize()"),
            model=dict(name="recurrent", **options, **more),
            loss=dict(cross_entropy=dict()),
            optim=dict(name="adamw", learning_rate=0.01, weight_decay=0.1),
            train=dict(num_steps=steps),
        )
    )
    model = config.make_model(checked.model, 3)
    tx, _ = optim.make(num_steps=steps, **checked.optim)
    variables = filled(model, 16, 16, 3)
    params, stats = variables["params"], variables["batch_stats"]
    zero = jnp.zeros((), jnp.int32)
    state = TrainState(
        step=zero,
        params=params,
        batch_stats=stats,
        opt_state=tx.init(params),
        ema={"params": params, "batch_stats": stats},
        skipped=zero,
        skipped_in_row=zero,
    )
    step = make_step(
        model,
        losses.make(dict(checked.loss), "multiclass"),
        tx,
        normalize=lambda x: x,
        num_classes=3,
        task="multiclass",
        seed=0,
        ema_decay=0.9,
        aux_weight=0.4,
        freeze=checked.optim.get("freeze", ()),
    )
    step, after = jax.jit(step), state
    batch = {IMAGE: clip(2, H=16, W=16), LABEL: jnp.ones((2, 16, 16), jnp.uint8)}
    for _ in range(steps):
        after, scalars = step(after, batch)
        assert scalars["finite"]
    return state, after


def same(before, after) -> set[bool]:
    return set(
        jax.tree.leaves(jax.tree.map(lambda a, b: bool((a == b).all()), before, after))
    )


def test_a_frozen_image_model_does_not_change_and_the_memory_does():
    before, after = train(frozen=True)
    for kind in ("params", "batch_stats"):
        old = getattr(before, kind)["image_model"]
        assert same(old, getattr(after, kind)["image_model"]) == {True}
        drift = jax.tree.map(
            lambda a, b: float(jnp.abs(a - b).max()),
            old,
            after.ema[kind]["image_model"],
        )
        assert max(jax.tree.leaves(drift)) < 1e-6
    for name in ("memory", "head"):
        assert same(before.params[name], after.params[name]) == {False}


def test_end_to_end_everything_changes():
    before, after = train(frozen=False)
    assert same(before.params, after.params) == {False}
    assert same(before.batch_stats, after.batch_stats) == {False}


def test_auxiliary_heads_of_the_image_model_answer_the_last_frame():
    model = small(model="pspnet", model_options=SMALL["pspnet"])
    side = model.input_side(40)
    x = jnp.zeros((2, 3, side, side, 3))
    variables = jax.eval_shape(model.init, jax.random.key(0), x)

    def forward(variables):
        rngs = {"dropout": jax.random.key(0)}
        kinds = ["aux", "batch_stats"]
        return model.apply(variables, x, train=True, mutable=kinds, rngs=rngs)

    _, changed = jax.eval_shape(forward, variables)
    (logits,) = jax.tree.leaves(changed["aux"])
    assert logits.shape == (2, side, side, 3)


def test_what_the_image_model_refuses_is_said_with_its_place():
    with pytest.raises(UserError, match=r"config.model.model.*Did you mean 'unet'"):
        small(model="unett")
    with pytest.raises(UserError, match=r"config.model.model_options.widht.*'width'"):
        small(model_options=dict(widht=4))
    with pytest.raises(UserError, match="coarse=0"):
        small(coarse=0)
    with pytest.raises(UserError, match="both sides must divide by 2"):
        jax.eval_shape(small().init, jax.random.key(0), jnp.zeros((1, 9, 8, 3)))


def test_names_of_other_projects_stand_under_the_image_model():
    model = small(model="deeplab_v3", model_options=SMALL["deeplab_v3"])
    assert model.foreign
    assert {n.under.partition("/")[0] for n in model.foreign} == {"image_model"}
