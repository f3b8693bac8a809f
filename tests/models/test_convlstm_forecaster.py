"""The forecasting network: the paper's integers, its parts, and that it learns."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from segjax.core.errors import UserError
from segjax.models.convlstm_forecaster import ConvLSTMForecaster
from segjax.nn.convlstm import ConvLSTM
from segjax.train.init import count_parameters
from tests.models.docstring_table import assert_table_is_true, filled

PUBLISHED = {
    (256,): 13_524_496,
    (128, 128): 10_042_896,
    (128, 64, 64): 7_585_296,
}
"""Widths -> parameters, 5x5 kernels, by the paper's table 1."""

small = functools.partial(
    ConvLSTMForecaster, num_frames=3, widths=(6, 4), kernel=3, patch=2
)


def clip(T: int = 4, H: int = 8, W: int = 12) -> jax.Array:
    values = np.random.default_rng(0).uniform(size=(2, T, H, W, 1))
    return jnp.asarray(values, jnp.float32)


@pytest.mark.parametrize("widths", list(PUBLISHED), ids=str)
def test_the_parameters_are_those_of_the_paper(widths):
    model = ConvLSTMForecaster(widths=widths)
    variables = jax.eval_shape(
        model.init, jax.random.key(0), jnp.zeros((1, 10, 64, 64, 1))
    )
    assert count_parameters(variables) == PUBLISHED[widths]


def test_the_docstring_table_is_true():
    assert_table_is_true(ConvLSTMForecaster(num_frames=1), 10, 64, 64, 1)


def test_the_forecast_unrolls_copies_of_the_encoders_carries():
    """The same from the layers by hand, with zeros as the input of the first one."""
    model, x = small(), clip()
    params = filled(model, 4, 8, 12, 1)["params"]
    folded = x.reshape(2, 4, 4, 2, 6, 2, 1).transpose(0, 1, 2, 4, 3, 5, 6)
    frames = folded.reshape(2, 4, 4, 6, 4)

    @jax.jit
    def by_hand(params, frames):
        carries = []
        for i, width in enumerate((6, 4)):
            layer = ConvLSTM(width, peepholes=True)
            own = {"params": params[f"encode{i}"]}
            frames, carry = layer.apply(own, frames)
            carries.append(carry)
        states, frames = [], 3
        for i, width in enumerate((6, 4)):
            layer = ConvLSTM(width, peepholes=True)
            own = {"params": params[f"forecast{i}"]}
            frames, _ = layer.apply(own, frames, carries[i])
            states.append(frames)
        return (
            jnp.concatenate(states, -1) @ params["head"]["kernel"][0, 0]
            + (params["head"]["bias"])
        )

    expected = by_hand(params, frames).reshape(2, 3, 4, 6, 2, 2, 1)
    expected = expected.transpose(0, 1, 2, 4, 3, 5, 6).reshape(2, 3, 8, 12, 1)
    found = jax.jit(model.apply)({"params": params}, x)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_same_weights_at_any_time_height_and_width():
    model = small()
    variables = jax.eval_shape(model.init, jax.random.key(0), clip())
    for T, H, W in ((1, 8, 8), (7, 4, 16)):
        logits = jax.eval_shape(model.apply, variables, clip(T, H, W))
        assert logits.shape == (2, 3, H, W, 1)
        assert logits.dtype == jnp.float32
    longer = jax.eval_shape(small(num_frames=9).apply, variables, clip())
    assert longer.shape == (2, 9, 8, 12, 1)


def test_what_does_not_fit_is_refused():
    with pytest.raises(UserError, match=r"9x12; both sides must divide by patch=2"):
        jax.eval_shape(small().init, jax.random.key(0), clip(H=9))
    with pytest.raises(UserError) as caught:
        small(num_frames=0, widths=(), kernel=0)
    assert len(caught.value.problems) == 3


def squares(rng: np.random.Generator, batch: int, T: int, side: int) -> np.ndarray:
    """Bright 3x3 squares that move by up to a pixel a frame each way."""
    speed = rng.integers(-1, 2, (batch, 2))
    start = rng.integers(T - 1, side - T - 1, (batch, 2))
    where = start[:, None] + speed[:, None] * np.arange(T)[:, None]
    beyond = np.arange(side) - where[..., None]  # (batch, T, 2, side)
    near = (beyond >= 0) & (beyond < 3)
    return (near[:, :, 0, :, None] & near[:, :, 1, None, :])[..., None].astype("f4")


@pytest.mark.slow
def test_it_learns_where_squares_go():
    """After 200 steps the error is far below that of the last frame, copied."""
    seen, ahead, side = 3, 2, 12
    model = ConvLSTMForecaster(num_frames=ahead, widths=(16,), kernel=3, patch=1)
    rng = np.random.default_rng(0)
    tx = optax.adam(optax.cosine_decay_schedule(2e-2, 200))

    def loss(variables, clips):
        logits = model.apply(variables, clips[:, :seen])
        return optax.sigmoid_binary_cross_entropy(logits, clips[:, seen:]).mean()

    # the tests compile without optimisation: ten times slower here
    @functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 2})
    def step(variables, state, clips):
        grads = jax.grad(loss)(variables, clips)
        updates, state = tx.update(grads, state)
        return optax.apply_updates(variables, updates), state

    clips = squares(rng, 8, seen + ahead, side)
    variables = jax.jit(model.init)(jax.random.key(0), clips[:, :seen])
    state = tx.init(variables)
    for _ in range(200):
        clips = squares(rng, 8, seen + ahead, side)
        variables, state = step(variables, state, clips)
    clips = squares(np.random.default_rng(1), 64, seen + ahead, side)
    forecast = jax.nn.sigmoid(jax.jit(model.apply)(variables, clips[:, :seen]))
    error = ((forecast - clips[:, seen:]) ** 2).mean()
    copied = ((clips[:, seen - 1 : seen] - clips[:, seen:]) ** 2).mean()
    assert error < 0.25 * copied
