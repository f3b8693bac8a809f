"""Every model of the table becomes programs for batches of any size, and stays itself.

What is compared runs here; that the programs are for other devices, too, is all that
can be asked where there are none.
"""

import flax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from segjax.core.pixels import RGB
from segjax.data.ops import Normalize
from segjax.models import MODELS
from segjax.nn.backend import portable
from segjax.serve.description import PLATFORMS, Description
from segjax.serve.export import programs
from segjax.serve.network import Exported, kinds
from tests.contracts.test_models import K, images, small, variables


def exported(name: str):
    """The programs of a model, read back; the model, its arrays and their list."""
    model, tree = small(name), variables(name)
    size = images(model, batch=1).shape[1:3]
    flat = flax.traverse_util.flatten_dict(tree, sep="/")
    made = programs(model, flat, size, normalize=Normalize(), pixels=RGB)
    read = {n: export.deserialize(bytearray(p)) for n, p in made.items()}
    assert [n.partition("_")[0] for n in read] == list(kinds(model.takes_clips))
    assert all(p.platforms == PLATFORMS for p in read.values())
    about = Description(
        title=name,
        task="multiclass",
        threshold=0.5,
        dataset={},
        input_ops="",
        normalize={},
        architecture=name,
        parameters=0,
        stride=model.stride,
        margin=model.margin,
        takes_clips=model.takes_clips,
        sizes=(size,),
        platforms=PLATFORMS,
        protocol="",
        postprocess="",
        licence="",
    )
    return Exported(about, read), model, [flat[n] for n in sorted(flat)]


def noise(shape):
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_its_program(name):
    network, model, arrays = exported(name)
    x = noise((2, *network.sizes[0], 3))
    with portable():
        expected = jax.jit(model.apply)(variables(name), Normalize()(jnp.asarray(x)))
    found = jax.jit(network.apply)(arrays, x)
    assert found.shape == (2, *(n - 2 * model.margin for n in x.shape[1:3]), K)
    scale = float(jnp.abs(expected).max())
    np.testing.assert_allclose(found, expected, atol=2e-5 * scale)
    assert not np.allclose(found[0], found[1])


@pytest.mark.parametrize("name", [n for n in MODELS if small(n).takes_clips])
def test_a_model_of_clips_is_its_programs_frame_by_frame(name):
    network, model, arrays = exported(name)
    clip = noise((2, 3, *network.sizes[0], 3))
    with portable():
        expected = jax.jit(model.apply)(variables(name), Normalize()(jnp.asarray(clip)))
    found = jax.jit(network.apply)(arrays, clip)
    scale = float(jnp.abs(expected).max())
    last = expected[:, -1] if expected.ndim == 5 else expected
    np.testing.assert_allclose(found[:, -1], last, atol=2e-5 * scale)
    alone = jax.jit(network.apply)(arrays, clip[:, -1])
    assert not np.allclose(found[:, -1], alone, atol=1e-3 * scale)
