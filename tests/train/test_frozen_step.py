"""The real train step leaves what is frozen as it is, bit for bit."""

import jax
import numpy as np

from segjax import losses, optim, parallel
from segjax.core.keys import IMAGE, LABEL
from segjax.models.unet import UNet
from segjax.train import init
from segjax.train.step import compile_step, make_step

K, STEPS = 3, 4
FREEZE = ("^down0/", "^bottom/.*[12]/(scale|bias|mean|var)$")


def before_and_after():
    """States around a few steps with weight decay and an average."""
    model = UNet(num_outputs=K, width=4, depth=1)
    tx, _ = optim.make(
        "adamw",
        learning_rate=0.1,
        num_steps=STEPS,
        schedule="constant",
        weight_decay=0.1,
        decay_mask="all",
        clip_norm=1.0,
        freeze=FREEZE,
    )
    step = make_step(
        model,
        losses.make({"cross_entropy": {}}, "multiclass"),
        tx,
        normalize=lambda images: images / 255.0,
        num_classes=K,
        task="multiclass",
        seed=0,
        ema_decay=0.9,
        freeze=FREEZE,
    )
    mesh = parallel.make_mesh(jax.devices()[:1])
    state = init.make_state(model, tx, seed=0, mesh=mesh, use_ema=True)
    before = jax.device_get(state)
    compiled = compile_step(step, mesh)
    rng = np.random.default_rng(0)
    for _ in range(STEPS):
        batch = {
            IMAGE: rng.integers(0, 256, (2, 8, 8, 3), np.uint8),
            LABEL: rng.integers(0, K, (2, 8, 8)).astype(np.uint8),
        }
        state, scalars = compiled(state, parallel.put_batch(mesh, batch))
        assert scalars["finite"]
    return before, jax.device_get(state)


def parts(state) -> dict[str, np.ndarray]:
    trees = {
        "params": state.params,
        "batch_stats": state.batch_stats,
        "average/params": state.ema["params"],
        "average/batch_stats": state.ema["batch_stats"],
    }
    return {
        f"{part}:{jax.tree_util.keystr(path, simple=True, separator='/')}": leaf
        for part, tree in trees.items()
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def is_frozen(name: str) -> bool:
    path = name.partition(":")[2]
    norm_of_bottom = path.startswith(("bottom/conv", "bottom/norm")) and (
        not path.endswith("kernel")
    )
    return path.startswith("down0/") or norm_of_bottom


def test_frozen_arrays_keep_their_bits_and_all_others_move():
    before, after = map(parts, before_and_after())
    assert before.keys() == after.keys()
    for path, old in before.items():
        same = old.tobytes() == after[path].tobytes()
        assert same == is_frozen(path), path
    assert sum(map(is_frozen, before)) == 2 * 22
