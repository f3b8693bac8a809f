"""The Lovász losses: the convex surface through the IoU of every possible prediction.

The IoU loss is a function of the *set* of wrong pixels. Its Lovász extension accepts an
error between 0 and 1 a pixel instead: sort the errors, largest first, and weigh each by
what adding its pixel to the set of wrong ones adds to the IoU loss.

Source: Berman, Triki & Blaschko, The Lovász-Softmax Loss, 2018, arXiv:1705.08790.
"""

from typing import Literal

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Integer

from segjax.losses.masking import Task, masked_mean, prepare, probabilities, targets


def lovasz(
    logits: Float[Array, "B H W K"],
    labels: Integer[Array, "B H W"],
    *,
    task: Task,
    per_image: bool = False,
    classes: Literal["present", "all"] = "present",
) -> Float[Array, ""]:
    """Lovász-softmax (multiclass) or Lovász hinge (binary); 0 or more.

    Multiclass errors are `|t - p|` with softmax probabilities `p`, so the loss is in
    0..1; binary errors are `max(0, 1 - logit * sign)`, which no constant bounds.
    It sorts every pixel once a class: far slower than `dice`; usually added to a
    cross-entropy for the last part of a training.

    Args:
      logits: raw scores, `K` of them or 1.
      labels: ids or `IGNORE`.
      task: `"multiclass"` or `"binary"`.
      per_image: sort each image alone and average the images' losses; else sort the
        batch as if it were one image (on several devices this gathers the batch).
      classes: multiclass only: average the classes with a true pixel in the region,
        or all.

    Source: the module's paper, equations 8, 9 and 11; hinge: Yu & Blaschko, 2015.
    """
    pixels = prepare(logits, labels, task)
    true = targets(pixels.labels, logits.shape[-1], task)
    if task == "binary":
        errors = jax.nn.relu(1 - (2 * true - 1) * pixels.logits)
    else:
        errors = jnp.abs(true - probabilities(pixels.logits, task))
    errors, true = _rows(errors, per_image), _rows(true > 0, per_image)
    valid = jnp.broadcast_to(_rows(pixels.valid[..., None], per_image), true.shape)
    true = true & valid

    order_weights = lax.stop_gradient(_weights(errors, true, valid))
    losses = jnp.sum(order_weights * errors, axis=-1)
    if task == "multiclass" and classes == "present":
        counted = true.any(axis=-1)
    else:
        counted = valid.any(axis=-1)
    num_classes = jnp.sum(counted, axis=-1)
    each = jnp.sum(losses * counted, axis=-1) / jnp.maximum(num_classes, 1)
    return masked_mean(each, (num_classes > 0).astype(jnp.float32))


def _rows(x, per_image: bool):
    """`(B, H, W, C) -> (R, C, N)`: one row a region and class, of all its pixels."""
    regions = x.shape[0] if per_image else 1
    return jnp.swapaxes(x.reshape(regions, -1, x.shape[-1]), 1, 2)


def _weights(
    errors: Float[Array, "R C N"],
    true: Bool[Array, "R C N"],
    valid: Bool[Array, "R C N"],
) -> Float[Array, "R C N"]:
    """Each pixel's weight: what it adds to the IoU loss when errors enter in order.

    With `I` true pixels still right and a union of `U` after a pixel enters, a true
    pixel adds `1 / U` and another one `I / (U (U - 1))`: the differences of `1 - I/U`
    written out, since subtracting near-equal numbers would lose them in float32.
    Invalid pixels are in neither count, so wherever they enter they change nothing.
    Sorting back by position, instead of gathering, keeps scatters out.
    """
    position = lax.broadcasted_iota(jnp.int32, errors.shape, errors.ndim - 1)
    _, true, valid, position = lax.sort((-errors, true, valid, position), num_keys=1)
    size = jnp.sum(true, axis=-1, keepdims=True, dtype=jnp.int32)
    right = size - jnp.cumsum(true, axis=-1, dtype=jnp.int32)
    union = size + jnp.cumsum(valid & ~true, axis=-1, dtype=jnp.int32)
    right, union = right.astype(jnp.float32), union.astype(jnp.float32)
    first = lax.broadcasted_iota(jnp.int32, errors.shape, errors.ndim - 1) == 0
    false_alarm = jnp.where(
        size == 0,
        first.astype(
            jnp.float32
        ),  # the first false alarm takes all from an empty class
        right / jnp.maximum(union * (union - 1), 1.0),
    )
    added = jnp.where(true, 1 / jnp.maximum(union, 1.0), false_alarm) * valid
    _, added = lax.sort((position, added), num_keys=1)
    return added
