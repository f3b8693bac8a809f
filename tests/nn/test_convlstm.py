"""The ConvLSTM layer against loops, Keras's equations, flax's cell, and itself."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from segjax.core.errors import UserError
from segjax.nn.convlstm import GATES, ConvLSTM, Weights, step
from segjax.train.init import count_parameters

FORMS = {
    "plain": {},
    "peepholes": dict(peepholes=True),
    "layer": dict(norm="layer", peepholes=True),
    "sides": dict(kernel=5, state_kernel=3),
}


def clip(T: int = 5, H: int = 6, W: int = 7, C: int = 3, B: int = 2) -> jax.Array:
    values = np.random.default_rng(0).normal(size=(B, T, H, W, C))
    return jnp.asarray(values, jnp.float32)


@functools.partial(jax.jit, static_argnums=0)
def run(layer: ConvLSTM, variables: dict, frames, carry=None, reset=None):
    """The layer, compiled."""
    return layer.apply(variables, frames, carry, reset)


def perturbed(layer: ConvLSTM, frames: jax.Array) -> dict:
    """Variables of which none is at its initial value: no zeros, no ones."""
    shapes = jax.eval_shape(layer.init, jax.random.key(1), frames)
    rng = np.random.default_rng(0)
    return jax.tree.map(
        lambda x: jnp.asarray(rng.normal(0.2, 0.2, x.shape), jnp.float32), shapes
    )


@pytest.fixture(params=list(FORMS))
def form(request) -> dict:
    return FORMS[request.param]


def count(**options) -> int:
    frames = jnp.zeros((1, 2, 8, 8, 64))
    layer = ConvLSTM(64, **options)
    shapes = jax.eval_shape(layer.init, jax.random.key(0), frames)
    return count_parameters(shapes["params"])


def test_the_parameters_are_those_of_keras():
    assert count() == 4 * 64 * (9 * (64 + 64) + 1) == 295_168
    assert count(peepholes=True) == 295_168 + 3 * 64
    assert count(kernel=5, state_kernel=1) == 4 * 64 * (25 * 64 + 64 + 1)


def test_the_forget_bias_starts_at_one_and_the_others_at_zero():
    for start, options in ((1.0, {}), (0.0, dict(forget_bias=0.0))):
        variables = jax.jit(ConvLSTM(2, **options).init)(jax.random.key(0), clip())
        bias = variables["params"]["bias"].reshape(4, 2)
        np.testing.assert_array_equal(bias[GATES.index("f")], start)
        assert np.abs(np.delete(bias, GATES.index("f"), axis=0)).max() == 0


def keras_loop(x, kernel, recurrent_kernel, bias, peepholes=None) -> np.ndarray:
    """ConvLSTM2D as Keras documents it, float64: gates in the order i, f, c, o."""

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    def convolve(image, weights):
        k = weights.shape[0]
        border = ((0, 0), (k // 2, k // 2), (k // 2, k // 2), (0, 0))
        padded = np.pad(image, border)
        H, W = image.shape[1:3]
        return sum(
            padded[:, i : i + H, j : j + W] @ weights[i, j]
            for i in range(k)
            for j in range(k)
        )

    B, T, H, W, _ = x.shape
    c = h = np.zeros((B, H, W, recurrent_kernel.shape[2]))
    p_i, p_f, p_o = peepholes or (0, 0, 0)
    outputs = []
    for t in range(T):
        z = convolve(x[:, t], kernel) + convolve(h, recurrent_kernel) + bias
        z_i, z_f, z_c, z_o = np.split(z, 4, axis=-1)
        i, f = sigmoid(z_i + p_i * c), sigmoid(z_f + p_f * c)
        c = f * c + i * np.tanh(z_c)
        h = sigmoid(z_o + p_o * c) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs, axis=1)


@pytest.mark.parametrize("name", ["plain", "peepholes", "sides"])
def test_equals_the_documented_equations_of_keras(name):
    x = clip()
    layer = ConvLSTM(4, **FORMS[name])
    params = perturbed(layer, x)["params"]
    outputs, _ = run(layer, {"params": params}, x)

    def reordered(array):
        quarters = dict(zip(GATES, np.split(np.float64(array), 4, -1), strict=True))
        return np.concatenate([quarters[gate] for gate in "ifgo"], -1)

    weights = [reordered(params[n]) for n in ("input_kernel", "state_kernel", "bias")]
    peepholes = None
    if name == "peepholes":
        peepholes = tuple(np.float64(params[f"peephole_{gate}"]) for gate in "ifo")
    expected = keras_loop(np.float64(x), *weights, peepholes)
    np.testing.assert_allclose(outputs, expected, atol=1e-6)


def test_equals_flax_with_its_two_biases_and_its_fixed_one_added_up():
    x = clip()
    cell = nn.ConvLSTMCell(4, (3, 3))
    theirs = nn.RNN(cell)
    variables = theirs.init(jax.random.key(0), x)
    of_input, of_state = (variables["params"]["cell"][n] for n in ("ih", "hh"))
    for i, part in enumerate((of_input, of_state)):
        part["bias"] = jax.random.normal(jax.random.key(i), (16,))
    ours = {
        "input_kernel": of_input["kernel"],
        "state_kernel": of_state["kernel"],
        "bias": of_input["bias"]
        + of_state["bias"]
        + jnp.repeat(jnp.array([0.0, 0, 1, 0]), 4),
    }
    outputs, _ = run(ConvLSTM(4), {"params": ours}, x)
    np.testing.assert_allclose(outputs, jax.jit(theirs.apply)(variables, x), atol=1e-6)


def loop(layer: ConvLSTM, params: dict, x: jax.Array) -> jax.Array:
    """The layer as a Python loop over `step`; plain or with peepholes."""
    weights = Weights(
        params["state_kernel"],
        params["bias"],
        tuple(params[f"peephole_{g}"] for g in "ifo") if layer.peepholes else None,
    )
    carry = (jnp.zeros((*x.shape[:1], *x.shape[2:4], layer.features)),) * 2
    outputs = []
    for t in range(x.shape[1]):
        share = jax.lax.conv_general_dilated(
            x[:, t],
            params["input_kernel"],
            (1, 1),
            "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        carry = step(carry, share, weights)
        outputs.append(carry[1])
    return jnp.stack(outputs, 1)


@pytest.mark.parametrize("name", ["peepholes", "sides"])
def test_the_scan_is_the_loop_in_value_and_gradient(name):
    x = clip()
    layer = ConvLSTM(4, **FORMS[name])
    params = perturbed(layer, x)["params"]

    def scan(params, x):
        return layer.apply({"params": params}, x)[0]

    def gradient(function):
        def total(params, x):
            outputs = function(params, x)
            return (outputs**2).sum(), outputs

        return jax.jit(jax.grad(total, (0, 1), has_aux=True))(params, x)

    of_scan, outputs = gradient(scan)
    of_loop, expected = gradient(functools.partial(loop, layer))
    np.testing.assert_allclose(outputs, expected, atol=1e-6)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5 * np.abs(b).max()),
        of_scan,
        of_loop,
    )


def test_the_scan_holds_the_convolution_of_the_state_alone(monkeypatch):
    monkeypatch.setattr("segjax.nn.conv.on_cpu", lambda: False)
    x = clip()
    layer = ConvLSTM(4)
    variables = perturbed(layer, x)
    jaxpr = jax.make_jaxpr(layer.apply)(variables, x).jaxpr

    def convolutions(jaxpr):
        return [e for e in jaxpr.eqns if e.primitive.name == "conv_general_dilated"]

    (scan,) = [e for e in jaxpr.eqns if e.primitive.name == "scan"]
    (outside,) = convolutions(jaxpr)
    (inside,) = convolutions(scan.params["jaxpr"].jaxpr)
    assert outside.invars[0].aval.shape == (2 * 5, 6, 7, 3)  # all frames at once
    assert inside.invars[0].aval.shape == (2, 6, 7, 4)


def test_the_same_weights_at_any_time_height_and_width(form):
    layer = ConvLSTM(4, **form)
    variables = perturbed(layer, clip())
    for T, H, W in ((1, 6, 7), (3, 1, 9), (8, 12, 2)):
        outputs, (c, h) = jax.eval_shape(layer.apply, variables, clip(T, H, W))
        assert outputs.shape == (2, T, H, W, 4)
        assert c.shape == h.shape == (2, H, W, 4)


def test_a_clip_in_pieces_is_the_whole_clip(form):
    x = clip(T=6)
    layer = ConvLSTM(4, **form)
    variables = perturbed(layer, x)
    whole, last = run(layer, variables, x)
    for cuts in ((1, 2, 3, 4, 5), (3,)):
        carry, outputs = None, []
        for piece in np.split(x, cuts, axis=1):
            output, carry = run(layer, variables, jnp.asarray(piece), carry)
            outputs.append(output)
        np.testing.assert_allclose(np.concatenate(outputs, 1), whole, atol=1e-5)
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), carry, last
        )


def test_a_reset_begins_a_new_clip_for_that_item_alone():
    x = clip(T=5)
    layer = ConvLSTM(4, peepholes=True)
    variables = perturbed(layer, x)
    reset = jnp.zeros((2, 5), bool).at[1, 2].set(True)
    outputs, (c, _) = run(layer, variables, x, reset=reset)
    whole, _ = run(layer, variables, x)
    fresh, (fresh_c, _) = run(layer, variables, x[1:, 2:])
    np.testing.assert_allclose(outputs[0], whole[0], atol=1e-6)
    np.testing.assert_allclose(outputs[1, :2], whole[1, :2], atol=1e-6)
    np.testing.assert_allclose(outputs[1, 2:], fresh[0], atol=1e-6)
    np.testing.assert_allclose(c[1], fresh_c[0], atol=1e-6)
    assert np.abs(outputs[1, 2:] - whole[1, 2:]).max() > 0.01


@pytest.mark.parametrize("T", [7])  # two whole pieces of three and one frame
def test_remat_changes_neither_value_nor_gradient(T):
    x = clip(T)
    reset = jnp.zeros((2, T), bool).at[0, T - 1].set(True)
    layer, thrifty = ConvLSTM(4), ConvLSTM(4, remat=True)
    variables = perturbed(layer, x)

    def gradient(layer):
        def total(variables, x):
            outputs, (c, h) = run(layer, variables, x, reset=reset)
            return (outputs**2).sum() + (c * h).sum(), outputs

        gradient = jax.value_and_grad(total, (0, 1), has_aux=True)
        return jax.jit(gradient)(variables, x)

    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=2e-5),
        gradient(layer),
        gradient(thrifty),
    )


def memory(remat: bool, T: int) -> int:
    """Bytes of temporary buffers of a gradient, by XLA's own account."""
    layer = ConvLSTM(8, remat=remat)
    x = jax.ShapeDtypeStruct((1, T, 16, 16, 8), jnp.float32)
    variables = jax.eval_shape(layer.init, jax.random.key(0), x)

    def loss(variables, x):
        _, (_, h) = run(layer, variables, x)
        return (h**2).sum()

    compiled = jax.jit(jax.grad(loss)).lower(variables, x).compile()
    return compiled.memory_analysis().temp_size_in_bytes


def test_memory_grows_linearly_in_time_and_with_remat_slower():
    """Eight times the frames: eight times the memory, and near the root of it."""
    plain, thrifty = (memory(remat, 32) / memory(remat, 4) for remat in (False, True))
    assert plain > 6
    assert thrifty < 4
    assert memory(True, 32) < memory(False, 32) / 3


def test_bfloat16_keeps_the_cell_and_the_parameters_in_float32():
    x = clip()
    layer = ConvLSTM(4, dtype=jnp.bfloat16)
    variables = perturbed(layer, x)
    outputs, (c, h) = run(layer, variables, x)
    assert (outputs.dtype, c.dtype, h.dtype) == (
        jnp.bfloat16,
        jnp.float32,
        jnp.bfloat16,
    )
    assert {v.dtype for v in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    full, _ = run(ConvLSTM(4), variables, x)
    np.testing.assert_allclose(np.float32(outputs), full, atol=0.02)


def test_layer_norm_makes_the_gates_blind_to_the_scale_of_the_input():
    x = clip()
    for options, blind in ((FORMS["layer"], True), ({}, False)):
        layer = ConvLSTM(4, **options)
        variables = perturbed(layer, x)
        outputs, _ = run(layer, variables, x)
        louder, _ = run(layer, variables, 100 * x)
        assert (np.abs(outputs - louder).max() < 1e-3) == blind


def test_it_goes_on_without_an_input():
    x = clip()
    layer = ConvLSTM(4)
    variables = perturbed(layer, x)
    _, carry = run(layer, variables, x)
    blind, last = jax.jit(lambda c: layer.apply(variables, 3, c))(carry)
    zeros, other = run(layer, variables, jnp.zeros((2, 3, 6, 7, 3)), carry)
    np.testing.assert_allclose(blind, zeros, atol=1e-6)
    np.testing.assert_allclose(last[0], other[0], atol=1e-6)
    params = jax.eval_shape(lambda: layer.init(jax.random.key(0), 3, carry))["params"]
    assert "input_kernel" not in params


def test_carries_that_do_not_fit_are_refused():
    layer = ConvLSTM(4)
    variables = perturbed(layer, clip())
    _, carry = run(layer, variables, clip())
    with pytest.raises(UserError, match=r"\(2, 6, 7, 4\).*\(2, 8, 8, 4\)"):
        layer.apply(variables, clip(H=8, W=8), carry)
    with pytest.raises(UserError, match="need a carry"):
        layer.apply(variables, 3)


def test_batch_and_rows_may_lie_on_different_devices():
    x = clip(T=3, H=8, B=2)
    layer = ConvLSTM(4)
    variables = perturbed(layer, x)

    def gradient(variables, x):
        return jax.grad(lambda v: (layer.apply(v, x)[0] ** 2).sum())(variables)

    mesh = Mesh(np.array(jax.devices()[:4]).reshape(2, 2), ("batch", "rows"))
    split = NamedSharding(mesh, PartitionSpec("batch", None, "rows"))
    apart = jax.jit(gradient)(variables, jax.device_put(x, split))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4),
        apart,
        jax.jit(gradient)(variables, x),
    )
