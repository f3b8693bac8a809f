"""Cross-entropy of the pixels that are hard to get right."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer

from segjax.losses.masking import Task, masked_mean, prepare, targets


def ohem(
    logits: Float[Array, "B H W K"],
    labels: Integer[Array, "B H W"],
    *,
    task: Task,
    threshold: float = 0.7,
    min_share: float = 0.1,
) -> Float[Array, ""]:
    """Mean of `-log p` over the pixels whose true class has `p < threshold`.

    At least the `min_share` of the batch's valid pixels with the largest loss count, so
    that something is learnt when all is easy. Which pixels count is no function to
    differentiate through.

    Args:
      logits: raw scores, `K` of them or 1.
      labels: ids or `IGNORE`.
      task: `"multiclass"` or `"binary"`.
      threshold: probability of the true class from which a pixel is easy, in (0, 1].
      min_share: share of the valid pixels that always count, in [0, 1].

    Source: Wu, Shen & van den Hengel, Bridging Category-level and Instance-level
      Semantic Image Segmentation, 2016, arXiv:1605.06885, section 3.3 (online
      bootstrapping); Shrivastava et al., OHEM, 2016, arXiv:1604.03540.
    Differs: the least number is a share of the valid pixels, so that it means the same
      at any crop and batch size.
    """
    pixels = prepare(logits, labels, task)
    if task == "binary":
        sign = jnp.where(pixels.labels == 1, 1.0, -1.0)
        loss = -jax.nn.log_sigmoid(sign * pixels.logits[..., 0])
    else:
        target = targets(pixels.labels, logits.shape[-1], task)
        loss = -jnp.sum(target * jax.nn.log_softmax(pixels.logits), axis=-1)
    fixed = jax.lax.stop_gradient(loss)
    ranked = jnp.sort(jnp.where(pixels.valid, fixed, -jnp.inf), axis=None)[::-1]
    least = jnp.ceil(min_share * pixels.valid.sum()).astype(jnp.int32)
    cut = jnp.where(least > 0, ranked[jnp.maximum(least - 1, 0)], jnp.inf)
    hard = (fixed > -jnp.log(threshold)) | (fixed >= cut)
    return masked_mean(loss, (pixels.valid & hard).astype(jnp.float32))
