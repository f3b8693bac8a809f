"""Adam in one pass against optax, leaf by leaf, and when it is taken."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax import optim
from segjax.core import native
from segjax.core.state import TrainState
from segjax.nn.backend import portable
from segjax.optim import fused, update
from tests.nn.test_onednn import in_a_process_with_one_cpu

SHAPES = {"a": {"kernel": (3, 3, 70, 90), "bias": (90,)}, "b": {"kernel": (2, 5)}}
"""One array is of several pieces, and none ends with one."""

WAYS = {
    "adamw": dict(name="adamw", weight_decay=0.1, clip_norm=1.0),
    "unclipped": dict(name="adamw", weight_decay=0.1),
    "of large gradients alone": dict(name="adamw", clip_norm=1e6),
    "other numbers": dict(name="adam", b1=0.5, b2=0.9, eps=1e-3, clip_norm=1.0),
    "all decay": dict(name="adamw", weight_decay=0.1, decay_mask="all"),
    "all frozen": dict(name="adamw", freeze=(".",), clip_norm=1.0),
    "frozen": dict(name="adamw", weight_decay=0.1, freeze=("^a/",), clip_norm=1.0),
}


@pytest.fixture
def present(monkeypatch):
    """As in a process with one CPU."""
    reason = native.register(fused._compiled(), ["adam"])
    assert not reason, reason
    monkeypatch.setattr(fused, "absent", lambda: "")


def trees(*seeds: int) -> list:
    """Trees of normal numbers."""

    def tree(seed: int):
        rng = np.random.default_rng(seed)
        return {
            name: {
                leaf: jnp.asarray(rng.standard_normal(shape), jnp.float32)
                for leaf, shape in module.items()
            }
            for name, module in SHAPES.items()
        }

    return [tree(seed) for seed in seeds]


def stepped(options: dict, steps: int = 4, bad: tuple = (), average: bool = True):
    """The state after some steps, and the program of one."""
    tx, _ = optim.make(
        **options, learning_rate=0.01, num_steps=9, warmup_steps=2, schedule="cosine"
    )
    params, *gradients = trees(*range(steps + 1))
    zero = jnp.zeros((), jnp.int32)
    stats = {"norm": {"mean": jnp.zeros(5)}}
    averages = {"params": params, "batch_stats": stats} if average else {}
    state = TrainState(zero, params, stats, tx.init(params), averages, zero, zero)
    frozen = optim.masks.make(options.get("freeze", ()))(params)

    @jax.jit
    def step(state, gradients, new, finite):
        kept = jax.tree.map(lambda g, f: g * (not f), gradients, frozen)
        norm = jnp.sqrt(sum((g**2).sum() for g in jax.tree.leaves(kept)))
        return update.advance(
            tx, state, kept, new, norm=norm, finite=finite, ema_decay=0.9
        )

    for i, g in enumerate(gradients):
        new = {"norm": {"mean": jnp.full(5, i + 1.0)}}
        g = jax.tree.map(lambda x: x * jnp.nan, g) if i in bad else g
        state = step(state, g, new, i not in bad)
    text = step.lower(state, gradients[0], stats, True).as_text()
    return state, text.count("@segjax_adam(")


def assert_near(ours, theirs):
    pairs = zip(
        jax.tree_util.tree_leaves_with_path(ours),
        jax.tree_util.tree_leaves_with_path(theirs),
        strict=True,
    )
    for (path, a), (other, b) in pairs:
        assert path == other
        name = jax.tree_util.keystr(path)
        np.testing.assert_allclose(a, b, rtol=2e-6, atol=2e-7, err_msg=name)


@pytest.mark.parametrize(
    ("way", "average", "bad"),
    [*itertools.product(WAYS, (True, False), ((),)), ("adamw", True, (0, 2))],
)
def test_it_does_what_optax_does(way, average, bad, present, monkeypatch):
    ours, calls = stepped(WAYS[way], bad=bad, average=average)
    assert calls == (way != "all frozen")  # nothing is left to do
    monkeypatch.setattr(fused, "takes", lambda *_: False)
    theirs, calls = stepped(WAYS[way], bad=bad, average=average)
    assert calls == 0
    assert_near(ours, theirs)
    assert int(ours.skipped) == len(bad)


def test_what_is_not_finite_moves_nothing_to_the_bit(present):
    before, _ = stepped(WAYS["adamw"], steps=3)
    after, _ = stepped(WAYS["adamw"], steps=4, bad=(3,))
    assert int(after.step) == int(before.step) + 1
    for part in ("params", "batch_stats", "opt_state", "ema"):
        pairs = map(jax.tree.leaves, (getattr(before, part), getattr(after, part)))
        assert all(map(np.array_equal, *pairs)), part


def test_frozen_parameters_stay_to_the_bit(present):
    state, _ = stepped(WAYS["frozen"])
    for tree in (state.params, state.ema["params"]):
        assert np.array_equal(tree["a"]["kernel"], trees(0)[0]["a"]["kernel"])
        assert not np.array_equal(tree["b"]["kernel"], trees(0)[0]["b"]["kernel"])


def test_two_runs_are_equal_to_the_bit(present):
    first, again = (jax.tree.leaves(stepped(WAYS["adamw"])[0]) for _ in range(2))
    assert all(map(np.array_equal, first, again))


@pytest.mark.parametrize(
    "options",
    [
        dict(name="sgd"),
        dict(name="rmsprop"),
        dict(name="adam", weight_decay=0.1),  # L2, in the gradient
        dict(name="adamw", accumulate_steps=2),
    ],
)
def test_other_optimisers_are_optax_s(options, present):
    assert stepped(options)[1] == 0


def test_it_is_not_taken_for_other_machines_or_precisions(present, monkeypatch):
    (params,) = trees(0)
    assert fused.takes(params, params)
    half = jax.tree.map(lambda x: x.astype(jnp.bfloat16), params)
    assert not fused.takes(params, half)
    with portable():
        assert not fused.takes(params, params)
    monkeypatch.setattr(fused, "absent", lambda: "no compiler")
    assert not fused.takes(params, params)


ABSENT = fused.absent


def test_why_it_is_absent(monkeypatch):
    reason = ABSENT.__wrapped__
    assert "8 cpu devices" in reason()  # of this suite
    monkeypatch.setattr(jax, "device_count", lambda: 1)
    assert not reason()
    monkeypatch.setenv("SEGJAX_FUSED", "0")
    assert reason() == "SEGJAX_FUSED=0"


def test_arrays_that_do_not_fit_are_refused(present):
    call = functools.partial(fused._call, [0.0])
    p, wrong = jnp.zeros(4), jnp.zeros(5)
    for numbers, arrays in ((3, [p, p, p]), (11, [p, p]), (11, [p, wrong, p])):
        with pytest.raises(jax.errors.JaxRuntimeError, match="arrays"):
            call(jnp.zeros(numbers), [p], arrays)


def test_the_average_of_what_does_not_move_is_that(present):
    tx, _ = optim.make("adamw", learning_rate=0.01, num_steps=9)
    (params,) = trees(0)
    average = jax.tree.map(lambda p: p.at[..., 0].add(1), params)
    still = jax.tree.map(jnp.zeros_like, params)
    one = {"norm": jnp.ones(()), "finite": jnp.array(True), "kept": 0.3}
    _, _, after = fused.advance(tx.adam, params, still, tx.init(params), average, **one)
    for p, a, b in zip(*map(jax.tree.leaves, (params, average, after)), strict=True):
        assert np.array_equal(p[..., 1:], b[..., 1:])
        assert not np.isclose(a[..., 0], b[..., 0]).any()


def test_wide_and_narrow_processors_agree_to_the_bit():
    code = (
        "import sys, hashlib, jax, jax.numpy as jnp, numpy as np\n"
        "from segjax.optim import fused\n"
        "fused.FLAGS += tuple(sys.argv[1:])\n"
        "assert not fused.absent(), fused.absent()\n"
        "numbers = jnp.array([1, .7, .9, .1, .99, .01, 1e-8, .3, .2, .01, .95])\n"
        "rng = np.random.default_rng(0)\n"
        "g, p, m, v, a = jnp.asarray(rng.random((5, 9999)), jnp.float32)\n"
        "new = jax.jit(lambda *x: fused._call([0.1], numbers, [g], x))(p, m, v, a)\n"
        "print(hashlib.sha256(np.stack(new).tobytes()).hexdigest())"
    )
    wide = in_a_process_with_one_cpu(code)
    narrow = in_a_process_with_one_cpu(code, "-DSEGJAX_WIDE=")
    assert wide.stdout == narrow.stdout
