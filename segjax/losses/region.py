"""Losses on the overlap of regions: soft Dice and soft IoU (Jaccard).

The counts of a hard Dice or IoU become sums of probabilities, over valid pixels only.
Which classes are averaged:

- multiclass, `classes="present"`: those with a true pixel in the region (the batch, or
  one image); the others are left out. A false alarm for an absent class is not free:
  its pixel is missing from the class that is there.
- multiclass, `classes="all"`: all `K`; an absent class nowhere predicted has loss 0.
- binary: the foreground alone, present or not, or else false alarms would be free.

Images without a valid pixel (padding of a last batch) count nowhere.
"""

from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float, Integer

from segjax.losses.masking import Task, masked_mean, prepare, probabilities, targets

Classes = Literal["present", "all"]


def dice(
    logits: Float[Array, "B H W K"],
    labels: Integer[Array, "B H W"],
    *,
    task: Task,
    smooth: float = 1.0,
    per_image: bool = False,
    classes: Classes = "present",
) -> Float[Array, ""]:
    """Soft Dice loss, `1 - (2 sum(p t) + s) / (sum(p) + sum(t) + s)`, in 0..1.

    Args:
      logits: raw scores, `K` of them or 1.
      labels: ids or `IGNORE`.
      task: `"multiclass"` or `"binary"`.
      smooth: `s`, 0 or more, in pixels; keeps small regions from jumping. With 0, an
        empty region that is not predicted has loss 0 too.
      per_image: sum over each image and average the images' losses; else sum over the
        batch as if it were one image.
      classes: see the module's docstring.

    Source: Milletari et al., V-Net, 2016, arXiv:1606.04797, section 3.
    Differs: V-Net squares the terms of the denominator; here they are plain sums.
    """
    overlap, total, counted = _sums(logits, labels, task, per_image, classes)
    return _mean(1 - _ratio(2 * overlap + smooth, total + smooth), counted)


def iou(
    logits: Float[Array, "B H W K"],
    labels: Integer[Array, "B H W"],
    *,
    task: Task,
    smooth: float = 1.0,
    per_image: bool = False,
    classes: Classes = "present",
) -> Float[Array, ""]:
    """Soft IoU loss, `1 - (2 sum(p t) + s) / (2 (sum(p) + sum(t) - sum(p t)) + s)`.

    The arguments are those of `dice`. A region's IoU is `D / (2 - D)` of its Dice `D`,
    at every `smooth`. In 0..1.

    Source: Rahman & Wang, Optimizing Intersection-Over-Union in Deep Neural Networks
      for Image Segmentation, 2016, equations 3 to 5.
    """
    overlap, total, counted = _sums(logits, labels, task, per_image, classes)
    union = total - overlap
    return _mean(1 - _ratio(2 * overlap + smooth, 2 * union + smooth), counted)


def _sums(logits, labels, task, per_image, classes):
    """`(overlap, total, counted)`, each `(R, C)`: regions by classes.

    `R` is `B` or 1; `C` is `K` or 1; `counted` is 1.0 where the pair is averaged.
    """
    pixels = prepare(logits, labels, task)
    valid = pixels.valid[..., None]
    predicted = probabilities(pixels.logits, task) * valid
    true = targets(pixels.labels, logits.shape[-1], task) * valid
    axes = (1, 2) if per_image else (0, 1, 2)

    def over_region(x):
        return jnp.sum(x, axis=axes).reshape(-1, x.shape[-1])

    size = over_region(true)
    overlap, total = over_region(predicted * true), over_region(predicted) + size
    if task == "multiclass" and classes == "present":
        counted = size > 0
    else:
        counted = jnp.broadcast_to(over_region(valid) > 0, size.shape)
    return overlap, total, counted.astype(jnp.float32)


def _ratio(part: Float[Array, "R C"], whole: Float[Array, "R C"]):
    """`part / whole`, and 1 where both are 0: nothing sought and nothing claimed."""
    empty = whole <= 0
    return jnp.where(empty, 1.0, part / jnp.where(empty, 1.0, whole))


def _mean(losses: Float[Array, "R C"], counted: Float[Array, "R C"]):
    """Mean over the counted classes of each region, then over regions that have any."""
    classes = jnp.sum(counted, axis=1)
    each = jnp.sum(losses * counted, axis=1) / jnp.maximum(classes, 1.0)
    return masked_mean(each, (classes > 0).astype(jnp.float32))
