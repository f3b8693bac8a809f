"""The ConvLSTM-U-Net: its table, one frame, many frames, and streams of them."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.models.convlstm_unet import ConvLSTMUNet
from segjax.models.unet import UNet
from segjax.train.init import count_parameters

PLACES = ("encoder", "decoder", "both", "bottom", ("down0", "bottom"))
small = functools.partial(ConvLSTMUNet, num_outputs=3, width=4, depth=1)


@functools.partial(jax.jit, static_argnums=0)
def run(model, variables, x):
    return model.apply(variables, x)


@functools.partial(jax.jit, static_argnums=0)
def stream(model, variables, x, carry=None, reset=None):
    return model.apply(variables, x, carry, reset, method="stream")


def clip(T: int = 4, B: int = 1) -> jax.Array:
    values = np.random.default_rng(0).normal(size=(B, T, 8, 12, 3))
    return jnp.asarray(values, jnp.float32)


def weights(model, x) -> dict:
    """Variables of which none is at its initial value; variances are positive."""
    shapes = jax.eval_shape(model.init, jax.random.key(0), x)
    rng = np.random.default_rng(1)

    def draw(path, leaf):
        values = rng.normal(0.05, 0.3, leaf.shape)
        if "var" in jax.tree_util.keystr(path):
            values = 1 + np.abs(values)
        return jnp.asarray(values, jnp.float32)

    return jax.tree_util.tree_map_with_path(draw, shapes)


def test_the_docstring_table_is_true():
    def init():
        x = jnp.zeros((1, 2, 512, 512, 3))
        return ConvLSTMUNet(num_outputs=1).init_with_output(
            jax.random.key(0), x, capture_intermediates=True, mutable=True
        )[1]

    variables = jax.eval_shape(init)
    params, outputs = variables["params"], variables["intermediates"]
    table = ConvLSTMUNet.__doc__
    rows = re.findall(r"^ +(\w+) +(\d+) x (\d+) x (\d+) +([\d,]+)$", table, re.M)
    assert {name for name, *_ in rows} == set(params)
    for name, H, W, C, count in rows:
        output = jax.tree.leaves(outputs[name]["__call__"][0])[0]
        assert output.shape[-3:] == (int(H), int(W), int(C)), name
        assert count_parameters(params[name]) == int(count.replace(",", "")), name
    assert count_parameters(params) == 20_303_585
    assert count_parameters(variables["batch_stats"]) == 5_888
    assert re.search(r"total +20,303,585\n", table)


def test_shapes_of_images_and_clips():
    for outputs, T in (("last", ()), ("all", (4,))):
        model = small(outputs=outputs)
        variables = jax.eval_shape(model.init, jax.random.key(0), clip()[:, 0])
        image = jax.eval_shape(model.apply, variables, clip()[:, 0])
        whole = jax.eval_shape(model.apply, variables, clip())
        assert image.shape == (1, 8, 12, 3)
        assert whole.shape == (1, *T, 8, 12, 3)
        assert image.dtype == whole.dtype == jnp.float32


@pytest.mark.parametrize("residual", [False, True])
def test_one_frame_is_the_image_and_nothing_is_remembered(residual):
    model = small(residual=residual, peepholes=True)
    x = clip(1)
    variables = weights(model, x)
    logits = run(model, variables, x)
    np.testing.assert_array_equal(logits, run(model, variables, x[:, 0]))

    def forget(path, leaf):
        name = jax.tree_util.keystr(path)
        if "state_kernel" in name or "_i']" in name or "_f']" in name:
            return leaf + 1
        return leaf

    other = jax.tree_util.tree_map_with_path(forget, variables)
    np.testing.assert_array_equal(logits, run(model, other, x))
    assert np.abs(run(model, variables, clip()) - run(model, other, clip())).max() > 0.1


def test_with_the_output_gates_closed_it_is_the_unet():
    model, unet = small(residual=True), UNet(num_outputs=3, width=4, depth=1)
    variables = weights(model, clip())
    own = {
        kind: {k: v for k, v in tree.items() if not k.endswith("_memory")}
        for kind, tree in variables.items()
    }
    shapes = jax.eval_shape(unet.init, jax.random.key(0), clip()[:, 0])
    assert jax.tree.map(jnp.shape, own) == jax.tree.map(jnp.shape, shapes)
    for name in model.memories:
        memory = variables["params"][f"{name}_memory"]
        memory["bias"] = memory["bias"].at[-memory["bias"].size // 4 :].set(-1e4)
    np.testing.assert_allclose(
        run(model, variables, clip()), run(unet, own, clip()[:, -1]), atol=1e-5
    )


@pytest.mark.parametrize("recurrent", PLACES, ids=str)
def test_the_last_frame_of_all_is_the_last(recurrent):
    last = small(recurrent=recurrent)
    every = small(recurrent=recurrent, outputs="all")
    variables = weights(last, clip())
    whole = run(every, variables, clip())
    np.testing.assert_allclose(whole[:, -1], run(last, variables, clip()), atol=1e-5)
    memories = {n for n in variables["params"] if n.endswith("_memory")}
    assert memories == {f"{n}_memory" for n in last.memories}
    changed = run(last, variables, clip().at[:, 0].add(1.0))
    assert np.abs(changed - whole[:, -1]).max() > 1e-4  # the first frame is felt


@pytest.mark.parametrize("outputs", ["last", "all"])
def test_a_stream_in_pieces_is_the_whole_clip(outputs):
    model = small(outputs=outputs)
    x = clip(3)
    variables = weights(model, x)
    whole = run(model, variables, x)
    for cuts in ((1, 2), (2,)):
        carry, pieces = None, []
        for piece in np.split(np.asarray(x), cuts, axis=1):
            logits, carry = stream(model, variables, piece, carry)
            pieces.append(logits)
        found = np.concatenate(pieces, 1) if outputs == "all" else pieces[-1]
        np.testing.assert_allclose(found, whole, atol=1e-5)


def test_a_reset_in_a_stream_begins_anew():
    model = small()
    x = clip(2)
    variables = weights(model, x)
    first, carry = stream(model, variables, x[:, :1])
    again, _ = stream(model, variables, x[:, :1], carry, jnp.ones((1, 1), bool))
    np.testing.assert_allclose(again, first, atol=1e-5)
    later, _ = stream(model, variables, x[:, :1], carry, jnp.zeros((1, 1), bool))
    assert np.abs(later - first).max() > 0.01


@pytest.mark.parametrize(
    ("recurrent", "least"), [(("down0",), 0.05), ("both", 0.1)], ids=str
)
def test_a_static_clip_settles(recurrent, least):
    """Not the same logits from the first frame on, but ones that change less and less.

    A memory fills over some frames, and each one waits for those before it.
    """
    model = small(outputs="all", recurrent=recurrent)
    x = jnp.repeat(clip(1), 48, axis=1)
    variables = jax.jit(model.init)(jax.random.key(0), x[:, :1])
    logits = run(model, variables, x)
    change = np.abs(np.diff(logits, axis=1)).max(axis=(0, 2, 3, 4))
    assert change[-1] < least * change[0]
    masks = logits.argmax(-1)
    assert (masks[:, -1] == masks[:, -2]).mean() > 0.95


def test_every_parameter_gets_a_gradient_from_a_clip():
    model = small(peepholes=True, residual=True)
    x = clip(3)
    variables = weights(model, x)

    def total(params):
        logits, _ = model.apply(
            {**variables, "params": params}, x, train=True, mutable=["batch_stats"]
        )
        return (logits * jnp.cos(jnp.arange(logits.size)).reshape(logits.shape)).sum()

    grads = jax.jit(jax.grad(total))(variables["params"])
    dead = [
        jax.tree_util.keystr(path)
        for path, g in jax.tree_util.tree_leaves_with_path(grads)
        if not np.any(g)
    ]
    assert dead == []


def test_batch_norm_is_over_the_frames_of_all_clips():
    model = small(recurrent="bottom")
    x = clip(4, B=2)
    variables = weights(model, x)

    def statistics(x):
        _, changed = model.apply(variables, x, train=True, mutable=["batch_stats"])
        return changed["batch_stats"]["down0"]

    frames = x.reshape(8, 1, *x.shape[2:])
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5),
        jax.jit(statistics)(x),
        jax.jit(statistics)(frames),
    )


def test_bfloat16_keeps_the_cells_in_float32():
    model = small(dtype="bfloat16")
    variables = jax.eval_shape(model.init, jax.random.key(0), clip())
    stream = functools.partial(model.apply, method="stream")
    logits, carry = jax.eval_shape(stream, variables, clip())
    assert logits.dtype == jnp.float32
    for c, h in carry.values():
        assert (c.dtype, h.dtype) == (jnp.float32, jnp.bfloat16)


def test_stages_that_are_not_there_are_refused():
    with pytest.raises(UserError, match=r"recurrent='down7'.*Did you mean 'down0'"):
        small(recurrent=("down7", "up0"))
    with pytest.raises(UserError, match="no stage remembers"):
        small(recurrent=())
    with pytest.raises(UserError) as caught:
        small(num_outputs=0, width=0)
    assert len(caught.value.problems) == 2


def test_a_carry_of_another_size_is_refused():
    model = small()
    variables = weights(model, clip())
    _, carry = stream(model, variables, clip())
    with pytest.raises(UserError, match="the carry is"):
        stream(model, variables, clip()[:, :, :4], carry)
