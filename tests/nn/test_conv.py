"""Every form of a convolution against XLA's own and flax's, in value and gradient."""

import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.nn import conv
from segjax.nn.conv import Conv, ConvNorm, convolve


def noise(*shape: int, seed: int = 0, dtype=jnp.float32) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), shape).astype(dtype)


def tap_by_tap(x, kernel, weights, stride=1, rate=1, padding=None, groups=1):
    """The definition: the value, and the gradients of `(value * weights).sum()`."""
    x, kernel = np.asarray(x, np.float64), np.asarray(kernel, np.float64)
    (H, W, C), (kh, kw, _, F) = x.shape[1:], kernel.shape
    if padding is None:
        padding = rate * (kh - 1) // 2, rate * (kw - 1) // 2
    top, left = (padding, padding) if isinstance(padding, int) else padding
    full = np.zeros((kh, kw, C, F))  # the grouped kernel with its zeros
    mask = np.kron(np.eye(groups), np.ones((C // groups, F // groups)))
    full[:] = np.tile(kernel, (1, 1, groups, 1)) * mask
    padded = np.pad(x, ((0, 0), (top, top), (left, left), (0, 0)))
    h = (padded.shape[1] - rate * (kh - 1) - 1) // stride + 1
    w = (padded.shape[2] - rate * (kw - 1) - 1) // stride + 1
    value, to_x, to_full = 0, np.zeros_like(padded), np.zeros_like(full)
    for i, j in np.ndindex(kh, kw):
        rows = slice(i * rate, i * rate + stride * (h - 1) + 1, stride)
        columns = slice(j * rate, j * rate + stride * (w - 1) + 1, stride)
        value = value + padded[:, rows, columns] @ full[i, j]
        if weights is not None:
            to_x[:, rows, columns] += weights @ full[i, j].T
            to_full[i, j] = np.einsum(
                "bhwc,bhwf->cf", padded[:, rows, columns], weights
            )
    to_x = to_x[:, top : top + H, left : left + W]
    to_kernel = (to_full * mask).reshape(kh, kw, groups, C // groups, F).sum(2)
    return value, to_x, to_kernel


def value_and_gradients(x, kernel, weights, options):
    @jax.jit
    def run(x, kernel, weights):
        y, back = jax.vjp(lambda x, k: convolve(x, k, **options), x, kernel)
        return y, *back(weights)

    return run(x, kernel, weights)


CASES = {
    # the form it takes on a CPU, (H, W, C), (kh, kw, F), options
    "1x1": ("einsum", (6, 5, 4), (1, 1, 3), {}),
    "1x1 strided": ("einsum", (6, 5, 4), (1, 1, 3), {"stride": 2}),
    "3x3 strided": ("xla", (7, 6, 4), (3, 3, 3), {"stride": 2}),
    "3x2 unpadded": ("xla", (6, 7, 4), (3, 2, 3), {"padding": 0}),
    "atrous": ("overlaps", (8, 9, 4), (3, 3, 3), {"rate": 5}),
    "atrous, a row": ("overlaps", (5, 7, 4), (3, 3, 3), {"rate": 5}),
    "atrous, a point": ("einsum", (4, 5, 4), (3, 3, 3), {"rate": 6}),
    "atrous, more zeros": ("overlaps", (5, 6, 4), (3, 3, 3), dict(rate=4, padding=6)),
    "atrous, fewer zeros": ("overlaps", (9, 9, 4), (3, 3, 3), dict(rate=4, padding=2)),
    "atrous, strided": ("einsum", (9, 8, 4), (3, 3, 3), dict(rate=9, stride=2)),
    "depthwise": ("taps", (6, 5, 4), (3, 3, 4), {"groups": 4}),
    "depthwise, strided": ("taps", (7, 6, 4), (5, 5, 4), dict(groups=4, stride=2)),
    "multiplied": ("taps", (6, 5, 2), (3, 3, 6), {"groups": 2}),
    "grouped": ("taps", (6, 5, 6), (3, 3, 4), {"groups": 2}),
    "grouped, 1x1": ("taps", (6, 5, 6), (1, 1, 9), {"groups": 3}),
}

ELSEWHERE = {"depthwise": "taps", "atrous, a row": "xla", "atrous, more zeros": "xla"}
"""Forms on other backends, of the cases that are not XLA's own unchanged."""


@pytest.mark.parametrize(
    "case, form, cpu",
    [(case, CASES[case][0], True) for case in CASES]
    + [(case, form, False) for case, form in ELSEWHERE.items()],
)
def test_all_forms_are_the_convolution(case, form, cpu, monkeypatch):
    _, (H, W, C), (kh, kw, F), options = CASES[case]
    x, kernel = noise(2, H, W, C), noise(kh, kw, C // options.get("groups", 1), F)
    taken = []
    for name in ("xla", "taps", "overlaps"):
        private = getattr(conv, f"_by_{name}")

        def watched(*args, name=name, private=private):
            taken.append(name)
            return private(*args)

        monkeypatch.setattr(conv, f"_by_{name}", watched)
    monkeypatch.setattr(conv, "on_cpu", lambda: cpu)
    value, _, _ = tap_by_tap(x, kernel, None, **options)
    weights = noise(*value.shape, seed=3)
    got = value_and_gradients(x, kernel, weights, options)
    assert taken == [form] * (form != "einsum")
    expected = tap_by_tap(x, kernel, weights, **options)
    for ours, theirs in zip(got, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=5e-5)


@pytest.mark.parametrize(
    "sides, padding", [((3, 3), None), ((5, 3), None), ((4, 2), 2), ((1, 1), None)]
)
def test_the_form_for_loops_is_the_convolution(sides, padding):
    x, kernel = noise(2, 7, 6, 4), noise(*sides, 4, 3)
    value, _, _ = tap_by_tap(x, kernel, None, padding=padding)
    weights = noise(*value.shape, seed=3)
    options = dict(padding=padding, in_loop=True)
    got = value_and_gradients(x, kernel, weights, options)
    expected = tap_by_tap(x, kernel, weights, padding=padding)
    for ours, theirs in zip(got, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=5e-5)


def test_a_loop_holds_no_convolution_that_a_cpu_is_slow_at():
    def last(x, kernel):
        def body(h, _):
            return jnp.tanh(convolve(h, kernel, in_loop=True)), None

        return jax.lax.scan(body, x, length=3)[0].sum()

    x, kernel = noise(2, 8, 10, 4), noise(3, 3, 4, 4)
    compiled = jax.jit(jax.grad(last, (0, 1))).lower(x, kernel).compile().as_text()
    orders = set(re.findall(r"dim_labels=(\S+?)[,\s]", compiled))
    assert orders == {"b01f_01io->b01f"}


@pytest.mark.parametrize("case", ["atrous", "depthwise"])
def test_bfloat16_stays_and_sums_in_float32(case):
    _, (H, W, C), (kh, kw, F), options = CASES[case]
    x = noise(2, H, W, C, dtype=jnp.bfloat16)
    kernel = noise(kh, kw, C // options.get("groups", 1), F, dtype=jnp.bfloat16)
    value, _, _ = tap_by_tap(x, kernel, None, **options)
    weights = noise(*value.shape, seed=3, dtype=jnp.bfloat16)
    got = value_and_gradients(x, kernel, weights, options)
    exact = tap_by_tap(x, kernel, np.asarray(weights, np.float64), **options)
    for ours, expected in zip(got, exact, strict=True):
        assert ours.dtype == jnp.bfloat16
        # rounded once: half a unit in the last place of eight bits
        np.testing.assert_allclose(
            ours.astype(jnp.float32), expected, rtol=2**-8, atol=2e-3
        )


def test_a_rate_beyond_the_map_multiplies_by_the_middle_tap_alone():
    x, kernel = noise(1, 8, 8, 16), noise(3, 3, 16, 16)

    def operations(rate):
        """As XLA counts them."""
        lowered = jax.jit(lambda x, k: convolve(x, k, rate=rate)).lower(x, kernel)
        return lowered.compile().cost_analysis()["flops"]

    assert operations(8) < operations(1) / 6
    assert operations(8) < operations(7) < operations(6)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"kernel": (1, 3), "use_bias": False},
        {"kernel": 5, "stride": 2, "groups": 2},
        {"rate": 2, "dtype": jnp.bfloat16},
    ],
)
def test_the_layer_equals_flax(options):
    x = noise(2, 8, 10, 4)
    layer = Conv(6, **options)
    variables = layer.init(jax.random.key(0), x)
    if layer.use_bias:
        variables = {"params": {**variables["params"], "bias": jnp.arange(6.0)}}
    sides = layer.kernel if isinstance(layer.kernel, tuple) else (layer.kernel,) * 2
    theirs = nn.Conv(
        6,
        sides,
        strides=layer.stride,
        padding=[(layer.rate * (k - 1) // 2,) * 2 for k in sides],
        kernel_dilation=layer.rate,
        feature_group_count=layer.groups,
        use_bias=layer.use_bias,
        dtype=layer.dtype,
    )
    got, expected = layer.apply(variables, x), theirs.apply(variables, x)
    assert got.dtype == expected.dtype == layer.dtype
    np.testing.assert_allclose(
        got.astype(jnp.float32), expected.astype(jnp.float32), atol=1e-5
    )


def test_a_block_is_convolution_norm_activation():
    x = noise(2, 6, 6, 4)
    block = ConvNorm(8, 3, stride=2)
    variables = block.init(jax.random.key(0), x, True)
    y, _ = block.apply(variables, x, True, mutable=["batch_stats"])
    assert set(variables["params"]["conv"]) == {"kernel"}
    plain = Conv(8, stride=2, use_bias=False)
    z = plain.apply({"params": variables["params"]["conv"]}, x)
    z = (z - z.mean((0, 1, 2))) / jnp.sqrt(z.var((0, 1, 2)) + 1e-5)
    np.testing.assert_allclose(y, nn.relu(z), atol=1e-4)


def test_a_block_without_norm_has_a_bias_and_depthwise_keeps_the_width():
    x = noise(1, 4, 4, 6)
    variables = ConvNorm(None, groups=-1, norm="none").init(jax.random.key(0), x, False)
    shapes = jax.tree.map(jnp.shape, variables["params"])
    assert shapes == {"conv": {"kernel": (3, 3, 1, 6), "bias": (6,)}}
