"""oneDNN's convolutions against the definition, and when they are taken."""

import platform

import jax
import jaxlib
import numpy as np
import pytest

from segjax.models import MODELS
from segjax.nn import backend, onednn
from segjax.nn.conv import convolve
from tests.nn.test_conv import noise, tap_by_tap, value_and_gradients

CASES = {
    # (H, W, C), (kh, kw, F), options
    "1x1": ((6, 5, 4), (1, 1, 3), {}),
    "1x1 strided": ((6, 5, 4), (1, 1, 3), {"stride": 2}),
    "3x3": ((7, 6, 16), (3, 3, 17), {}),
    "3x3, of few channels": ((7, 6, 2), (3, 3, 16), {}),
    "3x3, a long sum": ((40, 30, 2), (3, 3, 2), {}),
    "3x3 strided": ((7, 6, 4), (3, 3, 3), {"stride": 2}),
    "7x7 strided, of an image": ((12, 9, 3), (7, 7, 8), {"stride": 2}),
    "5x5, stride of 3": ((11, 13, 3), (5, 5, 4), {"stride": 3}),
    "2x2, stride of 2": ((6, 8, 3), (2, 2, 4), {"stride": 2, "padding": 0}),
    "3x2 unpadded": ((6, 7, 4), (3, 2, 3), {"padding": 0}),
    "more zeros than needed": ((6, 7, 4), (2, 2, 3), {"padding": (3, 2)}),
    "atrous": ((8, 9, 4), (3, 3, 3), {"rate": 5}),
    "atrous, a row": ((5, 7, 4), (3, 3, 3), {"rate": 5}),
    "atrous, fewer zeros": ((9, 9, 4), (3, 3, 3), {"rate": 4, "padding": 2}),
    "atrous, more zeros": ((5, 6, 4), (3, 3, 3), {"rate": 4, "padding": 6}),
}


@pytest.fixture
def present(monkeypatch):
    """As in a process with one CPU."""
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip(f"no oneDNN on {platform.machine()}")
    monkeypatch.setattr(onednn, "absent", lambda: "")


def calls(function, *arguments) -> int:
    return jax.jit(function).lower(*arguments).as_text().count("__onednn$")


@pytest.mark.parametrize("case", CASES)
def test_value_and_gradients_are_those_of_the_definition(case, present):
    (H, W, C), (kh, kw, F), options = CASES[case]
    x, kernel = noise(2, H, W, C), noise(kh, kw, C, F)
    value, _, _ = tap_by_tap(x, kernel, None, **options)
    weights = noise(*value.shape, seed=3)
    got = value_and_gradients(x, kernel, weights, options)
    expected = tap_by_tap(x, kernel, weights, **options)
    for ours, theirs in zip(got, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert calls(lambda x, k: convolve(x, k, **options), x, kernel) == 1


def test_a_train_step_holds_no_other_convolution(present):
    model = MODELS["unet"](num_outputs=3, width=4, depth=2)
    x = noise(1, 16, 16, 3)
    variables = model.init(jax.random.key(0), x)

    def loss(params, x):
        variables_ = {**variables, "params": params}
        y, _ = model.apply(variables_, x, train=True, mutable=["batch_stats"])
        return (y**2).mean()

    compiled = jax.jit(jax.grad(loss)).lower(variables["params"], x).compile()
    assert " convolution(" not in compiled.as_text()
    ours = compiled(variables["params"], x)
    with backend.portable():
        theirs = jax.jit(jax.grad(lambda p, x: loss(p, x)))(variables["params"], x)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize(
    "what, options",
    [
        ("bfloat16", {}),
        ("float32", {"groups": 2}),
        ("float32", {"stride": 2, "rate": 2}),
    ],
)
def test_what_it_cannot_do_is_left_to_xla(what, options, present):
    x, groups = noise(1, 8, 8, 4, dtype=what), options.get("groups", 1)
    kernel = noise(3, 3, 4 // groups, 4, dtype=what)
    assert not calls(lambda x, k: convolve(x, k, **options), x, kernel)


def test_a_program_that_leaves_the_machine_holds_none(present):
    x, kernel = noise(1, 8, 8, 4), noise(3, 3, 4, 4)
    with backend.portable():
        assert not calls(lambda x, k: convolve(x, k), x, kernel)
    assert calls(lambda x, k: convolve(x, k) + 0, x, kernel)


def test_why_it_is_absent(monkeypatch):
    def reason() -> str:
        return onednn.absent.__wrapped__()

    assert "8 cpu devices" in reason()  # of this suite
    monkeypatch.setattr(jax, "device_count", lambda: 1)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert not reason()
    monkeypatch.setattr(jaxlib, "__version__", "9.9.9")
    assert "9.9.9" in reason()
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    assert "arm64" in reason()
    monkeypatch.setenv("SEGJAX_ONEDNN", "0")
    assert "SEGJAX_ONEDNN" in reason()


def test_the_pinned_version_is_one_of_the_tested():
    assert jaxlib.__version__ in onednn.TESTED
