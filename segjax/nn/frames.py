"""Layers of images on clips: the frames are folded into the batch."""

from collections.abc import Callable

from jaxtyping import Array, Float


def each_frame(
    function: Callable[[Array], Array], clip: Float[Array, "B T H W C"]
) -> Float[Array, "B T h w F"]:
    """`function` of a batch of images, on all frames at once.

    The frames of a clip stay together behind the batch, so that devices which share
    out the batch keep whole clips.
    """
    B, T = clip.shape[:2]
    images = function(clip.reshape(B * T, *clip.shape[2:]))
    return images.reshape(B, T, *images.shape[1:])
