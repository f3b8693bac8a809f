"""Losses that are a mean over pixels: cross-entropy, its binary form, focal.

All take raw logits, drop ignored pixels from the sum and from the count, and average
over all valid pixels of the batch.
"""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer

from segjax.core.errors import UserError
from segjax.losses.masking import Task, masked_mean, prepare, targets

ClassWeights = tuple[float, ...] | str | Float[Array, "K"] | None
"""Numbers, one a class; or the name of a rule that makes them (see `weights`)."""


def cross_entropy(
    logits: Float[Array, "B H W K"],
    labels: Integer[Array, "B H W"],
    *,
    task: Literal["multiclass"] = "multiclass",
    class_weights: ClassWeights = None,
    label_smoothing: float = 0.0,
) -> Float[Array, ""]:
    """Softmax cross-entropy, in nats a pixel: `-sum_k w_k q_k log p_k`.

    Args:
      logits: raw scores.
      labels: ids `0..K-1` or `IGNORE`.
      task: `"multiclass"`.
      class_weights: `K` numbers `w`. The mean is weighted: it is divided by the sum of
        the weights of the labels, as in PyTorch, so that all-equal weights of any size
        change nothing.
      label_smoothing: `e` in `[0, 1)`; the target is `q = (1 - e) onehot + e / K`.

    Raises:
      UserError: the weights are not `K` numbers, or there is only one logit.

    Source: smoothing: Szegedy et al., Rethinking the Inception Architecture, 2016,
      arXiv:1512.00567, section 7.
    """
    num_classes = logits.shape[-1]
    pixels = prepare(logits, labels, task)
    weights = _class_weights(class_weights, num_classes)
    # One-hot products, not a gather: the gradient of a gather is a slow scatter.
    target = targets(pixels.labels, num_classes, task)
    smooth = (1 - label_smoothing) * target + label_smoothing / num_classes
    loss = -jnp.sum(weights * smooth * jax.nn.log_softmax(pixels.logits), axis=-1)
    pixel_weights = jnp.sum(weights * target, axis=-1) * pixels.valid
    return masked_mean(loss, pixels.valid.astype(jnp.float32), jnp.sum(pixel_weights))


def binary_cross_entropy(
    logits: Float[Array, "B H W K"],
    labels: Integer[Array, "B H W"],
    *,
    task: Literal["binary"] = "binary",
    pos_weight: float = 1.0,
    label_smoothing: float = 0.0,
) -> Float[Array, ""]:
    """Sigmoid cross-entropy, in nats a pixel: `-(w y log p + (1 - y) log(1 - p))`.

    Args:
      logits: the raw score of the foreground, `K = 1`.
      labels: 0, 1 or `IGNORE`.
      task: `"binary"`.
      pos_weight: `w > 0`, the weight of foreground pixels. The mean is divided by the
        number of valid pixels, as in PyTorch: here the weight scales the loss too.
      label_smoothing: `e` in `[0, 1)`; the target is `y = (1 - e) label + e / 2`.

    Raises:
      UserError: there is more than one logit.
    """
    pixels = prepare(logits, labels, task)
    score = pixels.logits[..., 0]
    target = (1 - label_smoothing) * (pixels.labels == 1) + label_smoothing / 2
    loss = -(
        pos_weight * target * jax.nn.log_sigmoid(score)
        + (1 - target) * jax.nn.log_sigmoid(-score)
    )
    return masked_mean(loss, pixels.valid.astype(jnp.float32))


def focal(
    logits: Float[Array, "B H W K"],
    labels: Integer[Array, "B H W"],
    *,
    task: Task,
    gamma: float = 2.0,
    class_weights: ClassWeights = None,
) -> Float[Array, ""]:
    """Cross-entropy with easy pixels turned down: `-w (1 - p)^gamma log p`.

    `p` is the probability of the true class. With `gamma=0` this is `cross_entropy`
    (or `binary_cross_entropy`).

    Args:
      logits: raw scores, `K` of them or 1.
      labels: ids or `IGNORE`.
      task: `"multiclass"` or `"binary"`.
      gamma: 0 or more; larger looks harder at pixels that are wrong.
      class_weights: one number a class, for binary (background, foreground): the
        paper's `alpha` is `(1 - alpha, alpha)`. The mean is weighted as in
        `cross_entropy`.

    Raises:
      UserError: the weights are not one number a class.

    Source: Lin et al., Focal Loss for Dense Object Detection, 2017, arXiv:1708.02002,
      equation 5.
    Differs: the paper divides by the number of foreground anchors; this by the sum of
      the weights of the valid pixels.
    """
    pixels = prepare(logits, labels, task)
    if task == "binary":
        sign = jnp.where(pixels.labels == 1, 1.0, -1.0)
        log_true = jax.nn.log_sigmoid(sign * pixels.logits[..., 0])
        log_rest = jax.nn.log_sigmoid(-sign * pixels.logits[..., 0])
    else:
        target = targets(pixels.labels, logits.shape[-1], task)
        log_true = jnp.sum(target * jax.nn.log_softmax(pixels.logits), axis=-1)
        others = jnp.where(target > 0, -jnp.inf, pixels.logits)
        log_rest = jax.nn.logsumexp(others, axis=-1) - jax.nn.logsumexp(
            pixels.logits, axis=-1
        )
    # (1 - p)^gamma by way of log(1 - p): finite slope at p = 1 for every gamma.
    loss = -jnp.exp(gamma * log_rest) * log_true
    num_classes = 2 if task == "binary" else logits.shape[-1]
    weights = _class_weights(class_weights, num_classes)[pixels.labels] * pixels.valid
    return masked_mean(loss, weights)


def _class_weights(class_weights: ClassWeights, num_classes: int) -> Float[Array, "K"]:
    if class_weights is None:
        return jnp.ones(num_classes, jnp.float32)
    if isinstance(class_weights, str):
        raise UserError(
            f"class_weights={class_weights!r}: is the name of a rule; a loss takes "
            f"{num_classes} numbers. Turn it into numbers with "
            "`segjax.losses.weights.resolve`."
        )
    if len(class_weights) != num_classes:
        raise UserError(
            f"class_weights={tuple(class_weights)}: has {len(class_weights)} numbers; "
            f"there are {num_classes} classes. Give each class one."
        )
    return jnp.asarray(class_weights, jnp.float32)
