"""The first state of a run."""

import jax
import numpy as np
import optax
import pytest

from segjax import parallel
from segjax.models.unet import UNet
from segjax.train import init
from tests.nn.test_onednn import in_a_process_with_one_cpu

MODEL = UNet(num_outputs=3, width=2, depth=1)
TX = optax.adam(1e-3)


@pytest.fixture(scope="module")
def mesh():
    return parallel.make_mesh()


@pytest.fixture(scope="module")
def state(mesh):
    return init.make_state(MODEL, TX, seed=1, mesh=mesh, use_ema=True)


def equal(a, b) -> bool:
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return all(np.array_equal(x, y) for x, y in pairs)


def test_it_is_a_function_of_the_seed_alone(state, mesh):
    one = parallel.make_mesh(jax.devices()[:1])
    again = init.make_state(MODEL, TX, seed=1, mesh=one, use_ema=True)
    other = init.make_state(MODEL, TX, seed=2, mesh=mesh, use_ema=True)
    assert equal(state, again)
    assert not equal(state.params, other.params)


def test_every_device_holds_all_of_it(state):
    for leaf in jax.tree.leaves(state):
        assert leaf.is_fully_replicated
        assert len(leaf.sharding.device_set) == 8


def test_the_average_starts_at_the_weights_in_its_own_memory(state):
    assert equal(state.ema, {"params": state.params, "batch_stats": state.batch_stats})
    for a, b in zip(
        jax.tree.leaves(state.ema["params"]),
        jax.tree.leaves(state.params),
        strict=True,
    ):
        shards = zip(a.addressable_shards, b.addressable_shards, strict=True)
        assert all(
            x.data.unsafe_buffer_pointer() != y.data.unsafe_buffer_pointer()
            for x, y in shards
        )


@pytest.mark.parametrize("use_ema", [False, True])
def test_the_abstract_state_describes_it(state, mesh, use_ema):
    abstract = init.abstract_state(MODEL, TX, mesh=mesh, use_ema=use_ema)
    real = state if use_ema else state.replace(ema={})
    assert jax.tree.structure(abstract) == jax.tree.structure(real)
    for a, b in zip(jax.tree.leaves(abstract), jax.tree.leaves(real), strict=True):
        assert (a.shape, a.dtype, a.sharding) == (b.shape, b.dtype, b.sharding)


def test_parameters_are_counted(state):
    by_hand = sum(np.prod(x.shape, dtype=int) for x in jax.tree.leaves(state.params))
    assert init.count_parameters(state.params) == by_hand > 0
    assert (int(state.step), int(state.skipped), int(state.skipped_in_row)) == (0, 0, 0)


def test_the_quick_compiler_makes_equal_bits():
    code = (
        "import hashlib, numpy as np, jax, optax\n"
        "from segjax import parallel\n"
        "from segjax.models.unet import UNet\n"
        "from segjax.train import init\n"
        "model = UNet(num_outputs=3, width=2, depth=1)\n"
        "for init.QUICK in (init.QUICK, {}):\n"
        "    made = init.make_state(\n"
        "        model, optax.adam(1e-3), seed=3, mesh=parallel.make_mesh()\n"
        "    )\n"
        "    leaves = map(np.asarray, jax.tree.leaves(made))\n"
        "    print(hashlib.sha256(b''.join(x.tobytes() for x in leaves)).hexdigest())\n"
    )
    first, second = in_a_process_with_one_cpu(code).stdout.split()
    assert first == second
