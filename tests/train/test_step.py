"""One update: any number of devices, bad batches, the average, precision, donation."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from segjax import losses, parallel
from segjax.core.keys import IGNORE, IMAGE, LABEL
from segjax.models.segmenter import Segmenter
from segjax.models.unet import UNet
from segjax.train import init
from segjax.train.step import compile_step, make_step

K, B, SIDE = 3, 8, 8
DECAY = 0.9
TERMS = {"cross_entropy": {}, "dice": {"weight": 0.5}}


class Net(Segmenter):
    """Convolution, batch norm, dropout and a head: quick to compile."""

    @nn.compact
    def __call__(self, x, train: bool = False):
        x = nn.Conv(4, (3, 3), use_bias=False, name="conv")(x)
        x = nn.BatchNorm(use_running_average=not train, momentum=0.9, name="norm")(x)
        x = nn.Dropout(0.2, deterministic=not train)(nn.silu(x))
        return nn.Conv(K, (1, 1), name="head")(x)


def normalize(images):
    """Pixels of 255 become NaN: a way to plant a bad batch."""
    return jnp.where(images == 255, jnp.nan, images / 255.0 - 0.5)


def fragile(logits, labels):
    """A finite loss whose gradient is NaN where a label is 2."""
    total, terms = losses.make({"cross_entropy": {}}, "multiclass")(logits, labels)
    spike = jnp.where((labels == 2).any(), 1.0, 0.0)
    return total + jnp.sqrt((logits * 0).sum() + 1 - spike), terms


@functools.cache
def build(devices: int, loss_name: str = "sum"):
    """`(compiled step, make a fresh state, mesh)`; plain SGD shows the gradient."""
    model = Net()
    tx = optax.sgd(0.1, momentum=0.9)
    loss = losses.make(TERMS, "multiclass") if loss_name == "sum" else fragile
    mesh = parallel.make_mesh(jax.devices()[:devices])
    step = make_step(
        model,
        loss,
        tx,
        normalize=normalize,
        num_classes=K,
        task="multiclass",
        seed=0,
        ema_decay=DECAY,
    )
    fresh = functools.partial(init.make_state, model, tx, seed=0, use_ema=True)
    return compile_step(step, mesh), functools.partial(fresh, mesh=mesh), mesh


def batch(seed: int, classes: int = K) -> dict[str, np.ndarray]:
    """Devices see images of other brightness and other shares of ignored pixels."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 60, (B, SIDE, SIDE, 3)) + 20 * np.arange(B).reshape(
        -1, 1, 1, 1
    )
    labels = rng.integers(0, classes, (B, SIDE, SIDE))
    for i in range(B):
        labels[i][rng.random((SIDE, SIDE)) < i / B] = IGNORE
    return {IMAGE: images.astype(np.uint8), LABEL: labels.astype(np.uint8)}


def bad_batch(kind: str) -> dict[str, np.ndarray]:
    made = batch(99)
    if kind == "image":
        made[IMAGE][3, 2, 2] = 255
    return made  # kind "gradient": it has labels of 2


def bits(tree) -> dict[str, bytes]:
    leaves, _ = jax.tree.flatten_with_path(tree)
    return {jax.tree_util.keystr(path): np.asarray(x).tobytes() for path, x in leaves}


def run(step, state, mesh, *batches):
    for one in batches:
        state, scalars = step(state, parallel.put_batch(mesh, one))
    return state, jax.device_get(scalars)


@pytest.fixture(scope="module")
def on_one_and_eight():
    found = {}
    for devices in (1, 8):
        step, fresh, mesh = build(devices)
        found[devices] = run(step, fresh(), mesh, *map(batch, range(3)))
    return found


@pytest.mark.parametrize("part", ["params", "batch_stats", "opt_state", "ema"])
def test_eight_devices_take_the_step_of_one(on_one_and_eight, part):
    # float32 sums in another order; a mean of means is off by 5e-3, see below.
    one, eight = (getattr(on_one_and_eight[n][0], part) for n in (1, 8))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5), one, eight)


def test_eight_devices_log_the_scalars_of_one(on_one_and_eight):
    one, eight = (on_one_and_eight[n][1] for n in (1, 8))
    assert np.array_equal(one["counts"], eight["counts"])
    valid = sum((batch(2)[LABEL] != IGNORE).ravel())
    assert one["counts"].sum() == valid
    for name in ("loss", "loss/cross_entropy", "loss/dice", "grad_norm"):
        np.testing.assert_allclose(one[name], eight[name], rtol=1e-5)


def test_the_mean_of_the_parts_would_be_another_loss():
    """The batches tell the global mean from a mean of the devices' means."""
    data = batch(0)
    logits = jnp.asarray(data[IMAGE], jnp.float32) / 40
    labels = jnp.asarray(data[LABEL])
    loss = losses.make(TERMS, "multiclass")

    @jax.jit
    def both(logits, labels):
        alone = jax.vmap(lambda one, label: loss(one[None], label[None])[0])
        return loss(logits, labels)[0], alone(logits, labels).mean()

    whole, mean = both(logits, labels)
    assert abs(mean - whole) > 5e-3


def test_statistics_are_of_the_global_batch():
    """After one step from mean 0 at momentum 0.9, by hand on the whole batch."""
    step, fresh, mesh = build(8)
    state = fresh()
    data = batch(0)
    kernel = np.asarray(state.params["conv"]["kernel"], np.float64)
    state, _ = run(step, state, mesh, data)
    padded = np.pad(data[IMAGE] / 255.0 - 0.5, ((0, 0), (1, 1), (1, 1), (0, 0)))
    out = sum(
        padded[:, y : y + SIDE, x : x + SIDE] @ kernel[y, x]
        for y in range(3)
        for x in range(3)
    )
    found = state.batch_stats["norm"]
    mean, var = out.mean((0, 1, 2)), out.var((0, 1, 2))
    np.testing.assert_allclose(found["mean"], 0.1 * mean, rtol=1e-4)
    np.testing.assert_allclose(found["var"], 0.9 + 0.1 * var, rtol=1e-4)
    alone = out.var((1, 2)).mean(0)  # what devices that do not talk would average
    assert np.abs(alone - var).max() > 1e-2


@pytest.mark.parametrize("kind", ["image", "gradient"])
def test_a_bad_batch_changes_nothing_but_the_counters(kind):
    step, fresh, mesh = build(8) if kind == "image" else build(1, "fragile")
    state, scalars = run(step, fresh(), mesh, batch(0, classes=2))
    assert scalars["finite"]
    before = bits(state)
    state, scalars = run(step, state, mesh, bad_batch(kind), bad_batch(kind))
    assert not scalars["finite"]
    assert np.isfinite(scalars["loss"]) == (kind == "gradient")
    counters = (int(state.step), int(state.skipped), int(state.skipped_in_row))
    assert counters == (3, 2, 2)
    after = bits(state)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {".step", ".skipped", ".skipped_in_row"}

    state, scalars = run(step, state, mesh, batch(1, classes=2))
    assert scalars["finite"]
    assert (int(state.skipped), int(state.skipped_in_row)) == (2, 0)
    changed = {name for name, old in after.items() if bits(state)[name] != old}
    assert any(name.startswith(".params") for name in changed)


@pytest.mark.parametrize("at", [0, 5, 500])
def test_the_average_follows_its_formula(at):
    step, fresh, mesh = build(8)
    state = fresh()
    state = state.replace(step=jnp.asarray(at, jnp.int32) + 0 * state.step)
    start = jax.device_get(state.variables(use_ema=False))
    state, _ = run(step, state, mesh, batch(0))
    d = min(DECAY, (1 + at) / (10 + at))
    expected = jax.tree.map(
        lambda old, new: d * old + (1 - d) * new,
        start,
        jax.device_get(state.variables(use_ema=False)),
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7),
        expected,
        jax.device_get(state.ema),
    )


def test_dropout_is_a_function_of_the_step():
    step, fresh, mesh = build(1)

    def loss(at: int) -> float:
        state = fresh()
        state = state.replace(step=jnp.asarray(at, jnp.int32) + 0 * state.step)
        return float(run(step, state, mesh, batch(0))[1]["loss"])

    assert loss(3) == loss(3)
    assert loss(3) != loss(4)


def test_the_old_state_is_given_away():
    step, fresh, mesh = build(8)
    state = fresh()
    run(step, state, mesh, batch(0))
    assert all(x.is_deleted() for x in jax.tree.leaves(state.params))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_state_stays_float32(dtype):
    model, tx = UNet(num_outputs=K, width=4, depth=1, dtype=dtype), optax.adam(1e-3)
    mesh = parallel.make_mesh()
    state = init.abstract_state(model, tx, mesh=mesh, use_ema=True)
    step = make_step(
        model,
        losses.make(TERMS, "multiclass"),
        tx,
        normalize=normalize,
        num_classes=K,
        task="multiclass",
        seed=0,
        ema_decay=DECAY,
    )
    data = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), batch(0))
    after, scalars = jax.eval_shape(step, state, data)
    assert {str(x.dtype) for x in jax.tree.leaves(after)} == {"float32", "int32"}
    assert scalars["loss"].dtype == jnp.float32
    assert jax.tree.map(lambda x: x.dtype, after) == jax.tree.map(
        lambda x: x.dtype, state
    )
    computed = str(jax.make_jaxpr(step)(state, data))
    assert ("bf16" in computed) == (dtype == "bfloat16")


class Headed(Segmenter):
    """Two heads on an unpadded convolution: `aux` is computed in training alone."""

    margin = 1

    @nn.compact
    def __call__(self, x, train: bool = False):
        x = nn.Conv(4, (3, 3), padding="VALID", name="conv")(x)
        if self.has_aux(train):
            self.sow_aux("aux", nn.Conv(K, (1, 1), name="aux_head")(x))
        return nn.Conv(K, (1, 1), name="head")(x)


class Frames(Segmenter):
    """Answers every frame of a clip, or the last one."""

    every: bool = True

    @nn.compact
    def __call__(self, x, train: bool = False):
        logits = nn.Conv(K, (1, 1), name="head")(x)
        return logits if self.every or x.ndim == 4 else logits[:, -1]


@pytest.mark.parametrize("every", [True, False])
@pytest.mark.parametrize("labelled", ["all", "some", "last"])
def test_the_frames_that_are_answered_and_labelled_are_learnt(every, labelled):
    loss = losses.make({"cross_entropy": {}}, "multiclass")
    model, tx, mesh = Frames(every), optax.sgd(0.1), parallel.make_mesh(jax.devices())
    step = make_step(
        model, loss, tx, normalize=normalize, num_classes=K, task="multiclass", seed=0
    )
    clips = [batch(seed) for seed in range(3)]
    data = {key: np.stack([clip[key] for clip in clips], 1) for key in (IMAGE, LABEL)}
    if labelled == "some":
        data[LABEL][:, :2] = IGNORE
    if labelled == "last":
        data[LABEL] = data[LABEL][:, -1]
    state = init.make_state(model, tx, seed=0, mesh=mesh)
    params = jax.tree.map(np.array, state.params)
    _, scalars = compile_step(step, mesh)(state, parallel.put_batch(mesh, data))

    frames = clips if every and labelled == "all" else clips[-1:]
    image, label = (np.concatenate([f[key] for f in frames]) for key in (IMAGE, LABEL))
    logits = model.apply({"params": params}, normalize(image))
    np.testing.assert_allclose(
        scalars["loss"], loss(logits, jnp.asarray(label))[0], rtol=1e-5
    )
    assert scalars["counts"].sum() == (label != IGNORE).sum()


@pytest.mark.parametrize("aux_weight", [0.0, 0.4])
def test_auxiliary_heads_are_weighed_and_margins_are_cropped(aux_weight):
    loss = losses.make({"cross_entropy": {}}, "multiclass")
    model, tx, mesh = Headed(), optax.sgd(0.1), parallel.make_mesh(jax.devices()[:1])
    step = make_step(
        model,
        loss,
        tx,
        normalize=normalize,
        num_classes=K,
        task="multiclass",
        seed=0,
        aux_weight=aux_weight,
    )
    state = init.make_state(model, tx, seed=0, mesh=mesh)
    assert "aux_head" in state.params
    before, data = jax.tree.map(np.array, state.params), batch(0)
    x = normalize(jnp.asarray(data[IMAGE]))
    label = jnp.asarray(data[LABEL][:, 1:-1, 1:-1])
    logits, sown = model.apply({"params": before}, x, train=True, mutable=["aux"])
    main, aux = loss(logits, label)[0], loss(sown["aux"]["aux"], label)[0]
    state, scalars = compile_step(step, mesh)(state, data)
    np.testing.assert_allclose(scalars["loss/aux"], aux, rtol=1e-6)
    np.testing.assert_allclose(scalars["loss"], main + aux_weight * aux, rtol=1e-6)
    assert scalars["counts"].sum() == (label != IGNORE).sum()
    moved = (state.params["aux_head"]["kernel"] != before["aux_head"]["kernel"]).any()
    assert moved == (aux_weight > 0)
