"""Every model of the table becomes programs and an ONNX model, and stays itself.

What is compared runs here, in batches of any size; that the programs are for other
devices, too, is all that can be asked where there are none.
"""

import flax
import jax
import jax.numpy as jnp
import numpy as np
import onnxruntime
import pytest
from jax import export

from segjax.core.pixels import RGB
from segjax.data.ops import Normalize
from segjax.models import MODELS
from segjax.nn.backend import portable
from segjax.serve import onnx_model
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


def by_onnxruntime(function, arrays, outputs, run=True):
    """What onnxruntime gives for a function of arrays of two images; or the session."""
    (batch,) = export.symbolic_shape("b")
    inputs = {
        f"in{i}": jax.ShapeDtypeStruct((batch, *x.shape[1:]), x.dtype)
        for i, x in enumerate(arrays)
    }
    with portable():
        made = onnx_model.convert(function, inputs, outputs)
    session = onnxruntime.InferenceSession(
        made.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    given = dict(zip(inputs, arrays, strict=True))
    return session.run(None, given) if run else session


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

    tree = jax.tree.map(jnp.asarray, variables(name))

    def logits(images):
        return (model.apply(tree, Normalize()(images)),)

    (given,) = by_onnxruntime(logits, [x], ["logits"])
    np.testing.assert_allclose(given, expected, atol=2e-5 * scale)


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

    tree = jax.tree.map(jnp.asarray, variables(name))
    start = jax.eval_shape(
        lambda x: model.apply(tree, x, None, method="stream"),
        jnp.zeros((2, *network.sizes[0], 3)),
    )[1]
    leaves, shape = jax.tree.flatten(start)

    def step(images, *memory):
        carry = jax.tree.unflatten(shape, memory)
        given, carry = model.apply(tree, Normalize()(images), carry, method="stream")
        return (given, *jax.tree.leaves(carry))

    memory = [np.zeros(leaf.shape, leaf.dtype) for leaf in leaves]
    names = [f"out{i}" for i in range(1 + len(memory))]
    session = by_onnxruntime(step, [clip[:, 0], *memory], names, run=False)
    for frame in clip.swapaxes(0, 1):
        given = [frame, *memory]
        names_in = [i.name for i in session.get_inputs()]
        logits, *memory = session.run(None, dict(zip(names_in, given, strict=True)))
    np.testing.assert_allclose(logits, last, atol=2e-5 * scale)
